"""Layout of schemas, axes and the words of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import parse_time
from weft.report import formats
from weft.report.schema_graph import CARD_HEIGHT, CARD_WIDTH, lay_out, schema_graph
from weft.report.svg import element, ticks
from weft.report.timelines import time_ticks


def pairs_of(n):
    return st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=80)


graphs = st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), pairs_of(n), st.integers(1, 6)))


@given(graphs)
def test_cards_never_overlap_and_stay_inside(graph):
    n, pairs, per_row = graph
    names = [f"t{i}" for i in range(n)]
    layout = lay_out(names, [(f"t{a}", f"t{b}") for a, b in pairs], per_row)
    assert sorted(layout.corner) == sorted(names)
    places = sorted(layout.corner.values())
    for i, (x, y) in enumerate(places):
        assert 0 <= x <= layout.width - CARD_WIDTH
        assert 0 <= y <= layout.height - CARD_HEIGHT
        assert all(abs(x - u) >= CARD_WIDTH or abs(y - v) >= CARD_HEIGHT for u, v in places[i + 1 :])
    assert max(map(len, layout.rows)) <= per_row


@given(graphs)
def test_without_cycles_children_lie_below_their_parents(graph):
    n, pairs, per_row = graph
    down = [(f"t{max(a, b)}", f"t{min(a, b)}") for a, b in pairs if a != b]
    layout = lay_out([f"t{i}" for i in range(n)], down, per_row)
    assert all(layout.row_of(child) > layout.row_of(parent) for child, parent in down)


def test_a_cycle_of_three_is_drawn(many):
    text = str(schema_graph(many.tables, many.links, 5))
    assert text.count('class="edge') == len(many.links)
    assert text.count('class="card-name"') == 50


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        ("2024-01-10", "2024-06-20", ["Feb 2024", "Mar", "Apr", "May", "Jun"]),
        ("1950-05-13", "2023-07-09", ["1960", "1970", "1980", "1990", "2000", "2010", "2020"]),
        ("2024-03-01", "2024-03-04", ["Mar 1", "Mar 2", "Mar 3", "Mar 4"]),
    ],
)
def test_time_axes_have_ticks_on_the_calendar(low, high, labels):
    found = [label for _, label in time_ticks(parse_time(low), parse_time(high), 8)]
    assert found == labels


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 9))
def test_ticks_are_round_and_inside(low, width, wanted):
    high = low + width
    found = ticks(low, high, wanted)
    slack = 1e-6 * max(abs(low), abs(high), width)
    assert all(low - slack <= value <= high + slack for value in found)
    assert len(found) <= wanted + 2


@given(st.floats(allow_nan=True, allow_infinity=True) | st.none())
def test_every_number_can_be_written(value):
    for write in (formats.number_text, formats.score_text, formats.percent_text, formats.count_text):
        assert write(value)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (formats.seconds_text(0.001), "<0.01 s"),
        (formats.seconds_text(75), "1 min 15 s"),
        (formats.seconds_text(7500), "2 h 5 min"),
        (formats.bytes_text(710_000_000), "710 MB"),
        (formats.bytes_text(12), "12 B"),
        (formats.percent_text(0.9999), "99.9 %"),
        (formats.percent_text(0.0), "0 %"),
        (formats.percent_text(0), "0 %"),
        (formats.score_text(27.3), "27.30"),
        (formats.metric_text("map@10"), "MAP@10"),
        (formats.metric_text("accuracy"), "accuracy"),
        (formats.span_text(30 * 86_400_000_000), "30 days"),
        (formats.span_text(3_600_000_000), "1 hour"),
        (formats.signed_text(-0.384), "−0.384"),
        (formats.short_text(1_250_000), "1.25 M"),
        (formats.short_text(35_000), "35 k"),
    ],
)
def test_numbers_read_as_people_write_them(written, words):
    assert written == words


def test_elements_escape_what_they_hold():
    assert str(element("text", "<b>", class_='"x"')) == '<text class="&#34;x&#34;">&lt;b&gt;</text>'
