"""What is wrong with the data is found, with its values; what is right is not mentioned."""

import numpy as np
import pyarrow as pa
import pytest

from weft.core import Severity, UserError
from weft.data.profile import parse_overrides

NOW = 1_735_689_600_000_000  # 2025-01-01
DAYS = [f"2024-{m:02d}-{d:02d}" for m in range(1, 13) for d in range(1, 29)]


def findings(found, rule):
    return [f for f in found.findings if f.rule == rule]


def test_clean_tables_have_no_findings(profile):
    found = profile({"events": {"id": range(336), "at": DAYS, "x": np.arange(336) % 5}}, now_us=NOW)
    assert found.findings == ()


def test_duplicate_and_null_keys_are_counted_and_the_key_stays(profile):
    keys = pa.array([*range(1, 501), 7, 7, 9, None])
    found = profile({"users": {"user_id": keys, "age": np.arange(504) % 60}}, now_us=NOW)
    assert found.schema.table("users").primary_key == ("user_id",)
    (duplicate,), (missing,) = findings(found, "duplicate_keys"), findings(found, "null_keys")
    assert "3 rows repeat" in duplicate.evidence and "such as 7" in duplicate.evidence
    assert "1 of 504 rows have no key" in missing.evidence
    assert duplicate.severity is missing.severity is Severity.NOTE


def test_dangling_references_have_a_rate(profile):
    tables = {
        "users": {"user_id": range(1, 41)},
        "orders": {"order_id": range(200), "user_id": [i % 50 + 1 for i in range(200)]},
    }
    (finding,) = findings(profile(tables), "dangling_references")
    assert finding.subject == "orders.user_id"
    assert "40 of 200 keys (20.0%) are not in users, such as 41; 42; 43" in finding.evidence


def test_constant_and_empty_columns_are_named(profile):
    found = profile({"t": {"id": range(30), "c": ["x"] * 30, "n": pa.nulls(30, pa.int64())}})
    assert [f.subject for f in findings(found, "constant_column")] == ["t.c"]
    assert [f.subject for f in findings(found, "no_values")] == ["t.n"]


def test_an_empty_table_is_named(profile):
    found = profile({"t": {"id": pa.array([], pa.int64())}})
    assert [f.subject for f in findings(found, "empty_table")] == ["t"]


def test_dates_after_the_present_are_named(profile):
    found = profile({"t": {"id": range(336), "at": ["2031-05-01", *DAYS[1:]]}}, now_us=NOW)
    (finding,) = findings(found, "future_dates")
    assert "2031-05-01" in finding.evidence


MIXED = ["2024-05-01T10:00:00Z", "2024-05-01 10:00:00"] * 100


def test_a_time_column_with_mixed_zones_is_refused_with_its_rows(profile):
    with pytest.raises(UserError) as caught:
        profile({"t": {"id": range(200), "at": MIXED}})
    assert caught.value.code == "DATA060"
    assert "row 1 '2024-05-01T10:00:00Z'" in caught.value.message
    assert "row 2 '2024-05-01 10:00:00'" in caught.value.message


@pytest.mark.parametrize("said", [{"time_format": "iso"}, {"time_format": "iso", "time_zone": "UTC"}])
def test_the_user_may_say_how_mixed_zones_are_read(profile, said):
    overrides = parse_overrides({"tables": {"t": {"columns": {"at": said}}}})
    found = profile({"t": {"id": range(200), "at": MIXED}}, overrides=overrides)
    assert found.schema.table("t").time_column == "at"


def test_mixed_zones_beside_the_time_column_are_an_alarm(profile):
    times = [f"{d} 08:00:00" for d in DAYS[:200]]
    found = profile({"t": {"id": range(200), "created": times, "seen_time": MIXED}})
    (finding,) = findings(found, "mixed_time_zones")
    assert (finding.subject, finding.severity) == ("t.seen_time", Severity.ALARM)


def test_texts_that_are_no_times_are_refused_with_their_rows(profile):
    texts = [*DAYS[:100], "unknown", *DAYS[100:], "0000-00-00"]
    with pytest.raises(UserError) as caught:
        profile({"t": {"id": range(338), "at": texts}})
    assert caught.value.code == "DATA061"
    assert "row 101 'unknown', row 338 '0000-00-00'" in caught.value.message
    overrides = parse_overrides({"tables": {"t": {"columns": {"at": {"time_format": "iso"}}}}})
    found = profile({"t": {"id": range(338), "at": texts}}, overrides=overrides)
    assert found.stated_times == (("t", "at"),)
    # Preparing the tables counts what does not fit, so the profile does not say it too.
    assert not findings(found, "unparseable_times")


def test_unreadable_texts_beside_the_time_column_are_an_alarm(profile):
    texts = ["n/a" if i % 50 == 3 else d for i, d in enumerate(DAYS)]
    found = profile({"t": {"id": range(336), "created": DAYS, "seen_date": texts}})
    (finding,) = findings(found, "unparseable_times")
    assert (finding.subject, finding.severity) == ("t.seen_date", Severity.ALARM)


def test_dates_whose_day_and_month_may_be_exchanged_are_named(profile):
    texts = [f"{d:02d}/{m:02d}/2020" for d in range(1, 13) for m in range(1, 13)]
    found = profile({"t": {"id": range(144), "at": texts}})
    assert [f.subject for f in findings(found, "ambiguous_dates")] == ["t.at"]
