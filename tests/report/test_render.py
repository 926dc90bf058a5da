"""The file itself: self-contained, escaped, the same for the same document."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from weft.core import Finding, Severity, from_json, to_json
from weft.report import FindingFacts, Importance, ReportDocument, Rung, Score, render_report

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Balance(HTMLParser):
    """Notes tags that do not match and the ids it meets."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))


@pytest.mark.parametrize("name", ["churn", "spend", "products", "classes", "many", "hostile", "bare"])
def test_every_tag_is_closed_and_every_id_is_one(request, name):
    checker = Balance()
    checker.feed(render_report(request.getfixturevalue(name)))
    assert checker.faults == []
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))


@pytest.mark.parametrize("name", ["churn", "spend", "products", "classes", "many", "hostile", "bare"])
def test_a_document_survives_json_and_draws_the_same(request, name):
    document = request.getfixturevalue(name)
    again = from_json(ReportDocument, to_json(document))
    assert again == document
    assert render_report(again) == render_report(document)


def test_nothing_is_asked_of_the_network(churn):
    text = render_report(churn)
    assert not re.search(r"(src|href|action|poster)=[\"'](?!#|data:)", text)
    assert not re.search(r"url\(|@import|https?://", text)
    assert len(text) < 300_000


def test_hostile_text_is_escaped_everywhere(hostile):
    text = render_report(hostile)
    assert text.count("<script>") == 1
    assert "<img" not in text
    assert 'alert("x")' not in text


def test_missing_parts_leave_their_sections_out(bare):
    text = render_report(bare)
    assert re.findall(r'<section id="(\w+)"', text) == []
    assert "No model beat a constant." in text


def part_of(document, section):
    return render_report(document).split(f'<section id="{section}"')[1].split("</section>")[0]


def test_cold_start_is_a_table_with_counts_scores_and_what_has_none(churn):
    part = part_of(churn, "coldstart")
    cells = dict(re.findall(r'<td class="num" data-label="([^"]+)">([^<]+)</td>', part.split("test</th>")[1]))
    assert cells == {"without history": "41", "of entities": "1,904", "others": "3,793"}
    shown = re.findall(r'data-label="test, without history"><div><span class="value">([\d.]+)<', part)
    assert shown == ["0.6130", "0.5000"]
    assert "0.5200 to 0.7000" in part
    assert part.count("7 entities are too few to score") == 2
    assert "no row of any table that links to users" in part


def test_where_every_entity_had_history_a_sentence_says_so_and_no_table(churn):
    none = replace(
        churn.cold_start,
        splits=tuple(replace(s, rows_without=0, entities_without=0) for s in churn.cold_start.splits),
    )
    part = part_of(replace(churn, cold_start=none), "coldstart")
    assert "Every row of val and test is about an entity with history." in part
    assert "<table" not in part


def test_what_the_user_asked_and_got_is_said(churn):
    text = render_report(churn)
    for words in (
        "Will a user place no order in the next 30 days?",
        "PREDICT COUNT(orders.*, 0, 30, days) = 0",
        "the difference is more than noise",
        "0.8130 to 0.8450",
        "left out: torch is not installed",
        "23,295",
        "so it holds what happens after the anchor",
        "Every row sees the past up to its own anchor.",
        "weft demo shop --seed 0",
    ):
        assert words in text


def test_history_frozen_is_said_in_words(spend):
    assert "see the past up to their split&#39;s first anchor only" in render_report(spend)


def test_an_audit_without_alarms_says_so(churn):
    note = FindingFacts(Finding("no_time", Severity.NOTE, "t", (), "e", "a"), "")
    assert "No alarm: nothing" in render_report(replace(churn, audit=(note,)))
    assert "No alarm: nothing" in render_report(replace(churn, audit=()))
    assert "No alarm: nothing" not in render_report(churn)


def test_scores_that_are_no_numbers_are_drawn_as_a_dash(churn):
    nan = float("nan")
    ladder = (Rung("lightgbm", Score(nan), Score(nan, nan, nan)),)
    text = render_report(replace(churn, ladder=ladder))
    section = text.split("<main", 1)[1].split("</section>")[0]
    assert "–" in section
    assert not re.search(r"\bnan\b", section)


def test_empty_lists_of_importance_are_left_out(churn):
    assert "<h3>Links</h3>" not in render_report(replace(churn, importance=Importance("lightgbm")))


def test_one_table_one_anchor_and_one_rung_are_enough(churn):
    document = replace(
        churn,
        tables=churn.tables[:1],
        links=(),
        anchors=churn.anchors[:1],
        ladder=churn.ladder[:1],
        winner="",
    )
    assert "1 table, " in render_report(document)


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_has_the_contrast_that_wcag_asks_for(churn):
    css = render_report(churn).split("<style>")[1].split("</style>")[0]
    themes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r"\{([^{}]+)\}", css)
    ]
    themes = [theme for theme in themes if "ink" in theme and "accent" in theme]
    assert len(themes) == 3
    for theme in themes:
        for ground in ("paper", "card", "wash", "accent-wash"):
            for ink in ("ink", "soft", "accent"):
                pair = sorted((luminance(theme[ink]), luminance(theme[ground])))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)
