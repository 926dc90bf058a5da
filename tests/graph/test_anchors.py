"""Anchor times of every type are the times they say, or refused; none becomes later than it was."""

import datetime as dt
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import UserError
from weft.graph import NegativeSampler, SampleOptions, Sampler, SeedBatches, Store
from weft.graph.anchors import checked_anchors

DAY = 86_400_000_000
PER_UNIT = {
    "W": Fraction(7 * DAY),
    "D": Fraction(DAY),
    "h": Fraction(DAY, 24),
    "m": Fraction(60_000_000),
    "s": Fraction(1_000_000),
    "ms": Fraction(1000),
    "us": Fraction(1),
    "ns": Fraction(1, 10**3),
    "ps": Fraction(1, 10**6),
    "fs": Fraction(1, 10**9),
    "as": Fraction(1, 10**12),
}
INT64 = np.iinfo(np.int64)
FITS = st.integers(INT64.min + 1, INT64.max)


def refused(anchors) -> str:
    with pytest.raises(UserError) as caught:
        checked_anchors(anchors)
    assert caught.value.code == "GRAPH042"
    assert caught.value.hint
    return caught.value.message


@given(unit=st.sampled_from(list(PER_UNIT)), count=st.sampled_from([1, 1, 1, 7, 25]), data=st.data())
def test_datetimes_of_any_unit_are_rounded_down_or_refused(unit, count, data):
    values = data.draw(st.lists(st.one_of(FITS, st.integers(-(10**6), 10**6)), max_size=5))
    for order in "<>":
        array = (
            np.array(values, np.int64).view(f"datetime64[{count}{unit}]").astype(f"{order}M8[{count}{unit}]")
        )
        # Python's numbers have no end: what they say is what the time is.
        exact = [int(v * count * PER_UNIT[unit] // 1) for v in values]
        products = [v * max(int(count * PER_UNIT[unit]), count) for v in values]
        if all(INT64.min < p <= INT64.max for p in products):
            found = checked_anchors(array)
            assert found.dtype == np.int64
            assert found.tolist() == exact
        else:
            assert "beyond 64 bits" in refused(array)


@given(st.lists(st.integers(-5000, 5000), max_size=5))
def test_months_and_years_are_those_of_the_calendar(values):
    for unit in "MY":
        array = np.array(values, np.int64).view(f"datetime64[{unit}]")
        assert checked_anchors(array).tolist() == array.astype("datetime64[us]").astype(np.int64).tolist()


@given(st.sampled_from("iu"), st.sampled_from([1, 2, 4, 8]), st.sampled_from("<>"), st.data())
def test_integers_of_any_type_are_microseconds(kind, width, order, data):
    dtype = np.dtype(f"{order}{kind}{width}")
    bounds = np.iinfo(dtype)
    values = data.draw(st.lists(st.integers(int(bounds.min), int(bounds.max)), max_size=5))
    array = np.array(values, dtype)
    if all(INT64.min < v <= INT64.max for v in values):
        assert checked_anchors(array).tolist() == values
        assert checked_anchors(values).tolist() == values
        assert checked_anchors(np.repeat(array, 2)[::2]).tolist() == values
        assert checked_anchors(pa.array(values, pa.int64())).tolist() == values
        assert checked_anchors(pd.Series(values, dtype="int64")).tolist() == values
    else:
        refused(array)


MICROS = st.integers(-(2**50), 2**50)
ZONES = st.sampled_from([None, "UTC", "Europe/Berlin", "+05:30"])


@given(st.lists(MICROS, max_size=5), st.sampled_from(["s", "ms", "us", "ns"]), ZONES)
def test_arrow_timestamps_of_any_unit_and_zone(values, unit, zone):
    step = PER_UNIT[unit]
    values = [int(v / step) for v in values]
    expected = [int(v * step // 1) for v in values]
    array = pa.array(values, pa.int64()).cast(pa.timestamp(unit, zone))
    assert checked_anchors(array).tolist() == expected
    assert checked_anchors(pa.chunked_array([array, array])).tolist() == expected * 2
    padded = pa.concat_arrays([array[:0], pa.array([0], pa.int64()).cast(array.type), array])
    assert checked_anchors(padded[1:]).tolist() == expected


@given(st.lists(MICROS, max_size=5), st.sampled_from(["s", "ms", "us", "ns"]), ZONES)
def test_pandas_series_and_indexes_of_any_unit_and_zone(values, unit, zone):
    step = PER_UNIT[unit]
    values = [int(v / step) for v in values]
    expected = [int(v * step // 1) for v in values]
    series = pd.Series(np.array(values, np.int64).view(f"M8[{unit}]"))
    if zone is not None:
        series = series.dt.tz_localize("UTC").dt.tz_convert(zone)
    forms = [series, series.to_numpy(), pd.DatetimeIndex(series), series.astype(object), list(series)]
    for form in forms:
        assert checked_anchors(form).tolist() == expected
    assert checked_anchors(series.set_axis(range(5, 5 + len(series)))).tolist() == expected


def test_datetimes_and_dates_of_python():
    plain = dt.datetime(2020, 1, 2, 3, 4, 5, 6)
    ahead = plain.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
    micros = 1_577_934_245_000_006
    assert checked_anchors([plain, ahead]).tolist() == [micros, micros - 2 * 3_600_000_000]
    day = micros // DAY * DAY
    assert checked_anchors([dt.date(2020, 1, 2)]).tolist() == [day]
    assert checked_anchors(pa.array([day // 1000], pa.date64())).tolist() == [day]
    assert checked_anchors([]).tolist() == []
    assert checked_anchors(pa.array([], pa.null())).tolist() == []


WRONG = [
    (np.array([1, 2], np.float64), "float64.*1.0"),
    ([1.5], "float64.*1.5"),
    ([True, False], "bool.*True"),
    (["2020-01-01"], "<U10.*'2020-01-01'"),
    ("2020-01-01", r"shape \(\)"),
    (5, r"shape \(\)"),
    ([[1, 2], [3, 4]], r"shape \(2, 2\)"),
    (np.zeros((2, 1), np.int64), r"shape \(2, 1\)"),
    (np.array(5), r"shape \(\)"),
    ([[1], [2, 3]], "no array"),
    (np.array([1, 2**63], np.uint64), f"{2**63} at position 1.*uint64.*beyond"),
    ([1, 2**70], "int"),
    ([1, None], "position 1 is missing"),
    ([1, "a"], "<U"),
    ([1, dt.datetime(2020, 1, 1)], "datetime, int"),
    ([1, INT64.min], "position 1 is missing"),
    (np.array(["2020", "NaT"], "M8[s]"), r"position 1 is missing.*M8|position 1 is missing.*datetime64\[s\]"),
    (np.array([1, 2], "m8[s]"), "timedelta64"),
    (np.array([5], np.int64).view("M8"), "no unit"),
    (np.array([300_000], np.int64).view("M8[Y]"), "300000 at position 0.*beyond"),
    ([b"x"], r"\|S1"),
    ([{}], "struct|dict"),
    (pa.array([1, None]), "position 1 is missing.*int64"),
    (pa.array([1.0]), "double.*1.0"),
    (pa.array(["x"]), "string.*'x'"),
    (pa.array([True]), "bool"),
    (pa.array([2**63], pa.uint64()), "beyond"),
    (pa.array([None]), "position 0 is missing"),
    (pa.array([0, None], pa.timestamp("ns")), r"position 1 is missing.*timestamp\[ns\]"),
    (pa.array([2**62], pa.timestamp("s")), "beyond"),
    (pd.Series(pd.to_datetime(["2020-01-01", None])), "position 1 is missing"),
    (pd.Series(pd.to_datetime(["2020-01-01", None])).dt.tz_localize("UTC"), "position 1 is missing"),
    (pd.Series([1, None], dtype="Int64"), "position 1 is missing"),
    (pd.Series([1.0, 2.0]), "double"),
    (pd.Series(["x"]), "string"),
    (pd.DataFrame({"a": [1]}), r"shape \(1, 1\)"),
]


@pytest.mark.parametrize(("anchors", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_time_is_refused_with_its_type_and_place(anchors, said):
    import re

    assert re.search(said, refused(anchors)), refused(anchors)


BEFORE, AFTER = 1_600_000_000_000_000, 1_600_000_000_000_002


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("anchors") / "graph"
    tables = [ToyTable("user", [None]), ToyTable("event", [BEFORE, AFTER])]
    write_toy(Toy(tables, [ToyLink(1, 0, [0, 0])]), folder)
    return Store(folder)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("form", ["numpy", "pandas", "zone", "arrow"])
def test_nothing_later_than_the_anchor_is_seen_however_it_is_given(store, unit, form):
    anchors = np.array([BEFORE * 1000 + 1999], np.int64).view("M8[ns]").astype(f"M8[{unit}]")
    series = pd.Series(anchors)
    zoned = series.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    given_as = {"numpy": anchors, "pandas": series, "zone": zoned, "arrow": pa.array(anchors)}[form]
    sampler = Sampler(store, SampleOptions((5,)))
    assert sampler.sample("user", [0], given_as).tables["event"].rows.tolist() == [0]
    assert SeedBatches(sampler, "user", [0], given_as).batch(0, 0).batch.tables["event"].rows.tolist() == [0]
    drawn = NegativeSampler(store, "event", strategy="uniform").sample(given_as, 2, keys=[0])
    assert drawn.tolist() == [[0, 0xFFFFFFFF]]


def test_anchors_of_unknown_meaning_reach_no_sampler(store):
    sampler = Sampler(store, SampleOptions((5,)))
    for wrong in ([1.5e15], [True], ["2020"], np.array(["NaT"], "M8[us]")):
        with pytest.raises(UserError, match="GRAPH042"):
            sampler.sample("user", [0], wrong)
        with pytest.raises(UserError, match="GRAPH042"):
            SeedBatches(sampler, "user", [0], wrong)
        with pytest.raises(UserError, match="GRAPH042"):
            NegativeSampler(store, "event", strategy="uniform").sample(wrong, 1, keys=[0])


ROWS = [
    ([1.0], r"'event' are float64: 1.0 at position 0"),
    ([True], "are bool: True"),
    (["0"], "are <U1: '0'"),
    ([0, -1], r"have -1 at position 1 \(int64\)"),
    ([0, 2**40], f"have {2**40} at position 1"),
    ([0, None], "are object: None at position 1"),
    ([[0], [1]], r"have the shape \(2, 1\)"),
    (0, r"have the shape \(\)"),
    ([[0], [1, 0]], "are no array"),
]


@pytest.mark.parametrize(("rows", "said"), ROWS, ids=range(len(ROWS)))
def test_what_is_no_row_number_is_refused_with_its_type_and_place(store, rows, said):
    for read in (store.values, store.times_us, store.source_rows, store.keys):
        with pytest.raises(UserError, match=f"GRAPH040: row numbers of {said}" if "'" in said[:8] else said):
            read("event", rows)


def test_a_batch_does_not_share_its_anchors_with_the_caller(store):
    anchors = np.array([AFTER])
    anchors.flags.writeable = False
    batch = Sampler(store, SampleOptions((5,))).sample("user", [0], anchors)
    assert not np.shares_memory(batch.anchors_us, anchors)
    arrays = [batch.seeds, batch.anchors_us, batch.scope_anchors_us]
    for rows in batch.tables.values():
        arrays += [rows.rows, rows.scope, rows.age_us, *rows.blocks.values()]
    assert all(a.flags.writeable for a in arrays)
