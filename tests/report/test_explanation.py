"""The page of one explanation, and the picture of the rows behind it."""

import re
import xml.etree.ElementTree as ElementTree
from base64 import b64decode

import pytest
from test_browser import TEXT_OUTSIDE, TOO_WIDE

from weft.report import NeighborRow, draw_neighborhood, render_explanation
from weft.report.neighborhood import NARROW, WIDE, neighborhood_tree


@pytest.fixture
def example(churn):
    return churn.examples[0]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_row_is_a_card_and_every_link_a_line(example, width):
    drawn = neighborhood_tree(example.neighborhood, width)
    tree = ElementTree.fromstring(str(drawn))
    names = [t.text for t in tree.iter("text") if t.get("class") == "node-name"]
    assert names == [row.name for row in example.neighborhood]
    assert len([p for p in tree.iter("path") if p.get("class") == "edge"]) == 5
    assert "reviews 90125 +1.42" in tree.get("aria-label")
    bars = [r for r in tree.iter("rect") if r.get("class").startswith("moved")]
    assert [r.get("class") for r in bars[:2]] == ["moved down", "moved up"]
    assert float(bars[1].get("width")) == max(float(r.get("width")) for r in bars)


def test_no_two_cards_lie_on_each_other(example):
    many = list(example.neighborhood)
    many += [NeighborRow(f"orders {i}", 0, 0.1, "x", "orders.user_id -> users") for i in range(9)]
    many += [
        NeighborRow(f"deliveries {i}", 6 + i // 3, 0.1, "y", "deliveries.order_id -> orders")
        for i in range(9)
    ]
    for width in (WIDE, NARROW):
        tree = ElementTree.fromstring(str(neighborhood_tree(many, width)))
        boxes = [
            tuple(float(r.get(k)) for k in ("x", "y", "width", "height"))
            for r in tree.iter("rect")
            if r.get("class").startswith("card")
        ]
        assert len(boxes) == len(many)
        for i, (x, y, w, h) in enumerate(boxes):
            assert x >= 0 and x + w <= width + 1
            for ox, oy, ow, oh in boxes[:i]:
                assert x >= ox + ow or ox >= x + w or y >= oy + oh or oy >= y + h


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_an_explanation_opens_clean(browser, tmp_path, example, width):
    path = tmp_path / "why.html"
    path.write_text(render_explanation("Why 0.91 for users 1187", example), encoding="utf-8")
    browser.open(path.as_uri(), width)
    assert browser.complaints() == []
    assert [u for u in browser.requests() if not u.startswith(("file:", "data:"))] == []
    assert browser.run(TOO_WIDE.replace("WIDTH", str(width))) == []
    assert browser.run(TEXT_OUTSIDE) == []
    shown = "wide" if width > 700 else "narrow"
    assert (
        browser.run(f"document.querySelector('.{shown} svg.neighborhood').getBoundingClientRect().width")
        > 300
    )


def test_the_page_says_what_was_read_and_escapes_it(example, hostile):
    text = render_explanation("Why", example)
    assert text.startswith("<!doctype html>")
    assert "Read were reviews 3" in text and "<h3>Tables</h3>" in text
    assert not re.search(r"url\(|@import|<script", text)
    evil = render_explanation("<script>", hostile.examples[0])
    assert "<script" not in evil and "<img" not in evil


def test_a_notebook_gets_a_picture_that_is_whole(browser, tmp_path, example):
    drawn = draw_neighborhood(example.neighborhood)
    content = re.search(r"base64,([^']+)'", drawn)[1]
    assert ElementTree.fromstring(b64decode(content)).get("viewBox").startswith("0 0 860")
    path = tmp_path / "note.html"
    path.write_text(f"<html><body>{drawn}</body></html>", encoding="utf-8")
    browser.open(path.as_uri(), 900)
    assert browser.run("document.querySelector('img').naturalWidth") == 860
