"""Times, lists and numbers in text are recognized; what only looks like them is not."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.data.profile.formats import (
    PATTERNS,
    find_embedding_length,
    find_epoch,
    find_number_date,
    find_number_text,
    find_separator,
    find_time_text,
)

MOMENTS = [dt.datetime(2019, 1, 1) + dt.timedelta(days=37 * i, seconds=7919 * i) for i in range(60)]


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if "%z" not in p and "%y" not in p])
def test_texts_of_every_pattern_are_read_as_written(pattern):
    texts = [m.strftime(pattern) for m in MOMENTS]
    found = find_time_text(texts)
    assert found and found.share == 1.0
    read = [dt.datetime.strptime(t, found.time_format) for t in texts]
    assert read == [dt.datetime.strptime(t, pattern) for t in texts]


@pytest.mark.parametrize(
    "text",
    ["2024-02-29", "2024-02-29 10:00", "2024-02-29T10:00:00.123Z", "2024-02-29 10:00:00+02:00", "2024-2-9"],
)
def test_iso_times_are_iso(text):
    assert find_time_text([text] * 5).time_format == "iso"


@pytest.mark.parametrize(
    "texts",
    [
        ["00:00:00", "12:30:00"],
        ["1-2", "3-4"],
        ["192.168.1.10", "10.0.0.1"],
        ["$120.00", "$9.99"],
        ["555-123-4567", "555-987-6543"],
        ["2024-13-45", "2024-99-01"],
        ["A1234567", "B7654321"],
        ["18-24", "25-34"],
        [],
    ],
)
def test_what_is_no_time_is_not_read_as_one(texts):
    assert find_time_text(texts) is None


def test_day_and_month_that_may_be_exchanged_are_reported():
    found = find_time_text([f"{d:02d}/{m:02d}/2020" for d in range(1, 13) for m in range(1, 13)])
    assert found.rival is not None


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_epoch_numbers_need_a_range_and_a_name(unit, factor):
    low, high = 1_500_000_000 * factor, 1_600_000_000 * factor
    assert find_epoch("created_at", low, high) == f"epoch_{unit}"
    assert find_epoch("device_id", low, high) is None
    assert find_epoch("size", low, high) is None
    assert find_epoch("created_at", 5, high) is None


def test_numbers_that_spell_dates_need_a_name():
    assert find_number_date("order_date", [20200131, 20191224]) == "%Y%m%d"
    assert find_number_date("date", [930101, 981231]) == "%y%m%d"
    assert find_number_date("amount", [20200131]) is None
    assert find_number_date("order_date", [20201331]) is None


@pytest.mark.parametrize(
    ("texts", "separator"),
    [
        (["<a><b>", "<b>", "<c><a>"], "<>"),
        (["a|b|c", "a", "b|c", "c"] * 5, "|"),
        (["red;green", "blue", "red", "green;blue"] * 5, ";"),
        (["x, y", "y", "x, z, y", "z"] * 5, ","),
        (['["a", "b"]', "[]", '["b"]'], "json"),
        (["Hello, world", "Nice, really nice and long text here", "no"], None),
        (["Melbourne, Australia", "Paris, France", "Rome, Italy", "Oslo, Norway"], None),
        (["plain", "words"], None),
        (["1,5", "2,75", "3,1"], None),
    ],
)
def test_multi_valued_text_is_told_from_plain_text(texts, separator):
    assert find_separator(texts, len(set(texts)) / len(texts)) == separator


def test_vectors_in_text_are_recognized():
    assert find_embedding_length([str([0.5] * 8), str([0.25] * 8)]) == 8
    assert find_embedding_length([str([0.5] * 8), str([0.25] * 7)]) is None
    assert find_embedding_length(["[1, 2, 3, 4]"]) is None


def test_numbers_in_text_keep_leading_zeros_in_mind():
    assert find_number_text(["1", "-20"]) == "int"
    assert find_number_text(["0108", "2"]) == "digits"
    assert find_number_text(["1.5", "2"]) == "float"
    assert find_number_text(["1", "x"]) is None


@settings(max_examples=60)
@given(st.lists(st.text(max_size=40), max_size=20))
def test_any_text_can_be_looked_at(texts):
    find_time_text(texts)
    find_separator(texts, 0.5)
    find_number_text(texts)
    find_embedding_length(texts)
