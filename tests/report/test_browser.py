"""The report in a real browser: no script error, no request, nothing wider than a phone."""

from itertools import pairwise

import pytest

from weft.report import render_report

SECTIONS = [
    "ladder",
    "search",
    "plots",
    "coldstart",
    "importance",
    "examples",
    "audit",
    "labels",
    "schema",
    "statistics",
    "run",
    "reproduce",
]
DOCUMENTS = ["churn", "spend", "products", "classes", "many", "hostile", "bare"]
TOO_WIDE = """(() => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const inScroll = e => e.closest('.scroll') && !e.classList.contains('scroll');
  return [...document.querySelectorAll('body *')]
    .filter(e => !inScroll(e) && !e.closest('svg') && e.getBoundingClientRect().right > WIDTH + 1)
    .filter(e => getComputedStyle(e).position !== 'absolute')
    .map(e => e.tagName + '.' + e.className);
})()"""
TEXT_OUTSIDE = """(() => {
  const outside = [];
  for (const svg of document.querySelectorAll('svg.chart')) {
    if (!svg.getBoundingClientRect().width) continue;
    const box = svg.viewBox.baseVal;
    for (const text of svg.querySelectorAll('text')) {
      const b = text.getBBox();
      if (b.x < -1 || b.y < -2 || b.x + b.width > box.width + 1 || b.y + b.height > box.height + 2)
        outside.push(text.textContent);
    }
  }
  return outside;
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")

    def write(document):
        path = folder / "report.html"
        path.write_text(render_report(document), encoding="utf-8")
        return path.as_uri()

    return write


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_report_opens_clean_at_every_width(browser, page, request, name, width, scheme):
    url = page(request.getfixturevalue(name))
    browser.open(url, width, scheme=scheme)
    assert browser.run(TOO_WIDE.replace("WIDTH", str(width))) == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(TEXT_OUTSIDE) == []
    assert browser.complaints() == []
    assert [r for r in browser.requests() if not r.startswith("data:")] == [url]


def test_every_section_is_there_and_in_the_contents(browser, page, churn):
    browser.open(page(churn), 1280)
    assert browser.run("[...document.querySelectorAll('main > section')].map(s => s.id)") == SECTIONS
    assert browser.run("[...document.querySelectorAll('nav a')].map(a => a.hash.slice(1))") == SECTIONS
    heights = browser.run("[...document.querySelectorAll('main > section')].map(s => s.offsetHeight)")
    assert min(heights) > 100


def test_hostile_names_stay_text(browser, page, hostile):
    browser.open(page(hostile), 1280)
    assert browser.run("document.scripts.length") == 1
    assert browser.run("document.querySelectorAll('img, iframe, [onerror]').length") == 0
    assert "<script>alert" in browser.run("document.querySelector('h1').textContent")
    assert not [e for e in browser.events if e["method"] == "Page.javascriptDialogOpening"]


def test_the_theme_can_be_switched_by_hand(browser, page, churn):
    browser.open(page(churn), 1280)
    color = "getComputedStyle(document.body).backgroundColor"
    light = browser.run(color)
    browser.run("document.querySelector('.theme').click()")
    dark = browser.run(color)
    browser.run("document.querySelector('.theme').click()")
    assert dark != light == browser.run(color)


def test_code_can_be_copied_by_a_button(browser, page, churn):
    browser.open(page(churn), 1280)
    assert browser.run("document.querySelectorAll('.code .copy').length") == 2
    browser.run("document.querySelector('.code .copy').click()")
    assert browser.complaints() == []


def test_printing_opens_what_is_folded_and_folds_it_again(browser, page, churn):
    browser.open(page(churn), 1280)
    closed = "document.querySelectorAll('details:not([open])').length"
    before = browser.run(closed)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(closed) == 0
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run(closed) == before > 0
    assert browser.pdf().startswith(b"%PDF")


def test_pictures_have_words_and_headings_have_an_order(browser, page, churn):
    browser.open(page(churn), 1280)
    silent = "[...document.querySelectorAll('svg')].filter(s => !s.ariaLabel && !s.ariaHidden).length"
    assert browser.run(silent) == 0
    levels = browser.run("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
