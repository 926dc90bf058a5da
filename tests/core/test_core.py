"""Codec, digests, time, sizes and errors."""

import pickle

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

import weft.core as core


def small_schema() -> core.Schema:
    users = core.Table(
        "users",
        (
            core.Column("id", core.Dtype.INT, core.Stype.ID),
            core.Column("born", core.Dtype.TIMESTAMP, core.Stype.TIMESTAMP, time_format="epoch_s"),
        ),
        ("id",),
    )
    orders = core.Table("orders", (core.Column("user_id", core.Dtype.INT, core.Stype.ID),))
    return core.Schema((users, orders), (core.Link("orders", ("user_id",), "users", ("id",)),))


def test_a_schema_survives_json_and_equal_schemas_are_equal_text():
    text = core.to_json(small_schema())
    assert core.from_json(core.Schema, text) == small_schema()
    assert core.to_json(core.from_json(core.Schema, text)) == text


def test_an_unknown_field_is_refused():
    with pytest.raises((TypeError, KeyError)):
        core.from_plain(core.Offset, {"value": 1, "unit": "days", "extra": 2})


def test_a_link_is_named_in_words():
    assert small_schema().links[0].name == "orders.user_id -> users"
    assert core.Link("a", ("x", "y"), "b", ("u", "v")).name == "a.[x, y] -> b"


def test_unknown_table_and_column_list_the_choices():
    with pytest.raises(core.UserError, match=r"SCH001.*'nope'"):
        small_schema().table("nope")
    with pytest.raises(core.UserError, match=r"SCH002.*'nope'"):
        small_schema().table("users").column("nope")


def test_errors_have_code_hint_and_survive_pickling():
    error = core.UserError("SCH003", "41 values have no match.", "fix the key.")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "SCH003: 41 values have no match.\nHint: fix the key."
    assert isinstance(again, ValueError)
    assert (again.code, again.exit_code) == ("SCH003", 1)
    assert core.UnavailableError("FLOW001", "x").exit_code == 2
    assert core.InvariantError("FLOW001", "x").exit_code == 3
    assert "pip install 'weft[postgres]'" in str(core.missing_extra("PostgreSQL", "psycopg", "postgres"))
    assert core.missing_extra("a", "b", "c").code == "EXT001"


@given(st.integers(-(10**15), 4 * 10**15), st.integers(1, 400), st.sampled_from(list(core.Unit)))
def test_after_moves_forward_and_before_is_close_to_its_inverse(time_us, value, unit):
    offset = core.Offset(value, unit)
    later = offset.after(time_us)
    assert later > time_us
    assert abs(offset.before(later) - time_us) <= 3 * core.MICROSECONDS_PER_DAY


def test_months_and_years_follow_the_calendar():
    month, year = core.Offset(1, core.Unit.MONTHS), core.Offset(1, core.Unit.YEARS)
    assert core.format_time(month.after(core.parse_time("2024-01-31"))) == "2024-02-29"
    assert core.format_time(year.after(core.parse_time("2024-02-29"))) == "2025-02-28"
    assert core.format_time(month.before(core.parse_time("2024-03-31"))) == "2024-02-29"


def test_the_calendar_ends_with_the_years_1_and_9999():
    first, last = core.parse_time("0001-01-01"), core.parse_time("9999-12-31T23:59:59.999999")
    assert core.format_time(last + 1) == core.format_time(2**62) == core.format_time(last)
    assert core.format_time(first - 1) == core.format_time(first) == "0001-01-01"
    years = core.Offset(9999, core.Unit.YEARS)
    assert years.after(0) == last
    assert years.before(0) == first


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01"])
def test_a_bad_time_is_refused(text):
    with pytest.raises(core.UserError, match="DATA001"):
        core.parse_time(text)


def test_times_with_a_zone_become_utc():
    assert core.parse_time("2025-01-01T01:00:00+01:00") == core.parse_time("2025-01-01")


@pytest.mark.parametrize(
    ("text", "offset"),
    [("30", (30, "days")), ("30d", (30, "days")), ("2 weeks", (2, "weeks")), ("1 Year", (1, "years"))],
)
def test_spans_are_read(text, offset):
    assert core.parse_offset(text) == core.Offset(offset[0], core.Unit(offset[1]))


@pytest.mark.parametrize("text", ["", "0 days", "3 fortnights", "-1 day"])
def test_bad_spans_are_refused(text):
    with pytest.raises(core.UserError, match="DATA004"):
        core.parse_offset(text)


def test_durations_and_sizes_are_read():
    assert [core.parse_duration_s(t) for t in ("90s", "5m", "2h", "1d")] == [90, 300, 7200, 86400]
    assert core.parse_size("512MiB") == 512 * 2**20
    for bad in ("5", "m", "-1s", "5 parsecs"):
        with pytest.raises(core.UserError, match="DATA002"):
            core.parse_duration_s(bad)
    with pytest.raises(core.UserError, match=r"DATA002: the duration '0s' is not above zero"):
        core.parse_duration_s("0s")
    with pytest.raises(core.UserError, match="DATA003"):
        core.parse_size("many")


def test_the_digest_of_a_table_ignores_chunks_and_sees_values():
    whole = pa.table({"a": np.arange(10), "b": [str(i) for i in range(10)]})
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3)])
    assert core.digest_table(whole) == core.digest_table(parts)
    assert core.digest_table(whole) != core.digest_table(whole.slice(0, 9))
    assert core.digest_table(whole) != core.digest_table(whole.rename_columns(["a", "c"]))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"val_start_us": 1}, "DATA010"),
        ({"val_start_us": 2, "test_start_us": 2}, "DATA011"),
        ({"num_eval_anchors": 0}, "DATA012"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "DATA013"),
    ],
)
def test_split_options_that_cannot_hold_are_refused(options, code):
    with pytest.raises(core.UserError, match=code):
        core.SplitOptions(**options)


def test_the_machine_has_memory_and_a_core():
    resources = core.Resources.of_machine()
    assert resources.memory_bytes > 10**8
    assert resources.threads >= 1
    assert core.peak_memory_bytes() > 10**6
