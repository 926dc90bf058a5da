"""The section about networks: curves, the kept look, a line of the table per trial."""

import re
from dataclasses import replace

import pytest

from weft.report import Curve, Search, Trial, render_report
from weft.report.searches import has_edge, search_plot


def trial(name, scores, best, **facts):
    looks = tuple(float(i + 1) for i in range(len(scores)))
    return Trial(
        name, "sage", curve=Curve(looks, scores), looks=len(scores), best=best, kept=scores[best - 1], **facts
    )


def section(document):
    return render_report(document).split('<section id="search"')[1].split("</section>")[0]


def points(drawn, style):
    lines = re.findall(rf'<polyline points="([^"]*)" class="line {style}">', str(drawn))
    return [[tuple(map(float, p.split(","))) for p in line.split()] for line in lines]


def dots(drawn, style):
    return [
        tuple(map(float, m))
        for m in re.findall(rf'cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" class="dot {style}"', drawn)
    ]


def test_the_dot_lies_on_the_line_at_the_look_that_was_kept():
    drawn = search_plot(Search("auroc", True, (trial("a", (0.5, 0.8, 0.7), 2),)), 860)
    (line,), (dot,) = points(drawn, "s0"), dots(drawn, "s0")
    assert dot == line[1] and dot[1] == min(y for _, y in line)
    assert "Best: a with 0.8000 at look 2" in drawn and "a 0.8000" in drawn


def test_lower_is_better_puts_the_best_at_the_bottom():
    drawn = search_plot(Search("mae", False, (trial("a", (9.0, 4.0, 5.0), 2),)), 860)
    (line,), (dot,) = points(drawn, "s0"), dots(drawn, "s0")
    assert dot == line[1] and dot[1] == max(y for _, y in line)


def test_only_the_best_few_have_a_color():
    drawn = search_plot(
        Search("auroc", True, tuple(trial(f"t{i}", (0.5, 0.9 - i / 50), 2) for i in range(7))), 860
    )
    assert [len(points(drawn, f"s{i}")) for i in range(5)] == [1, 1, 1, 1, 0]
    assert len(points(drawn, "other")) == len(dots(drawn, "other")) == 3


def test_one_bad_look_does_not_flatten_all_others():
    scores = (9e6, *(10.0 - i / 10 for i in range(30)))
    search = Search("mae", False, (trial("a", scores, 31),))
    (line,) = points(search_plot(search, 860), "s0")
    assert has_edge(search) and line[0][1] == pytest.approx(30)
    assert line[-1][1] - line[1][1] > 150
    assert not has_edge(Search("mae", False, (trial("a", scores[1:], 30),)))


def test_a_trial_with_one_look_and_one_without_are_enough(churn):
    found = Search("auroc", True, (trial("a", (0.6,), 1), Trial("b", "sage", note="why not")))
    text = section(replace(churn, search=found))
    assert "One network was trained" in text and "why not" in text and text.count("<tr>") == 3


def test_the_table_tells_each_trial_and_what_became_of_it(churn):
    text = section(churn)
    for words in (
        "7 networks were trained",
        "network:3 again, for longer",
        "fanouts 16, 16",
        "AUROC",
        "higher is better",
    ):
        assert words in text, words
    assert "left out: 12 s are too few for one pass over the train rows" in text
    assert text.count("val did not get better for 6 looks") == 7


def test_many_trials_are_folded(churn, spend):
    assert "<details><summary>All trials" in section(spend) and "lower is better" in section(spend)
    assert "<details>" not in section(churn)


def test_without_networks_there_is_no_section(churn):
    for nothing in (None, Search("auroc", True, (Trial("b", "sage", note="why not"),))):
        assert 'id="search"' not in render_report(replace(churn, search=nothing))
