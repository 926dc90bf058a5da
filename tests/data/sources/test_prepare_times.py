"""Rows of tables without a time: which take one, which have none, and which are dropped as unknown."""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import Column, Dtype, Link, Resources, Schema, Severity, Stype, Table
from weft.data.prepare import prepare_tables

DAY0 = dt.datetime(2020, 1, 1)
RESOURCES = Resources(10**8, 2)


def table(name, columns, time=None):
    made = [
        Column(c, Dtype.TIMESTAMP, Stype.TIMESTAMP) if c == "at" else Column(c, Dtype.INT, Stype.ID)
        for c in columns
    ]
    return Table(name, tuple(made), ("id",), time)


def link(text):
    child, parent = text.split(" -> ")
    name, column = child.split(".")
    return Link(name, (column,), parent, ("id",))


@pytest.fixture
def prepare(tmp_path):
    def run(frames, *links):
        paths = {}
        for name, columns in frames.items():
            arrays = {
                c: pa.array(v, pa.timestamp("us") if c == "at" else pa.int64()) for c, v in columns.items()
            }
            paths[name] = tmp_path / f"raw-{name}.parquet"
            pq.write_table(pa.table(arrays), paths[name])
        tables = tuple(table(n, c, "at" if "at" in c else None) for n, c in frames.items())
        schema = Schema(tables, tuple(link(k) for k in links))
        info = prepare_tables(paths, schema, tmp_path / "out", resources=RESOURCES)
        found = {n: pq.read_table(p) for n, p in info.paths(tmp_path / "out").items()}
        return {
            n: dict(zip(*(t[c].to_pylist() for c in ("id", "__time")), strict=True)) for n, t in found.items()
        }, info

    return run


def days(*numbers):
    return [None if n is None else DAY0 + dt.timedelta(days=n) for n in numbers]


def test_rows_of_a_parent_that_was_dropped_or_is_missing_are_dropped_and_shown(prepare):
    frames = {
        "orders": {"id": [1, 2], "at": days(None, 5)},
        "lines": {"id": [1, 2, 3], "order": [1, 2, 9]},
    }
    times, info = prepare(frames, "lines.order -> orders")
    assert times["lines"] == {2: days(5)[0]}
    assert info.counts["lines"].missing_parent == 2
    assert info.links["lines.order -> orders"].dangling == 0
    (finding,) = (f for f in info.findings if f.table == "lines")
    assert (finding.rule, finding.severity, finding.columns) == ("missing_parent", Severity.NOTE, ("order",))
    assert finding.evidence == (
        "2 of 3 rows take their time from rows of orders that are missing or have none and are dropped: "
        "row 1 (order 1), row 3 (order 9)."
    )


def test_another_parent_with_a_time_keeps_the_row(prepare):
    frames = {
        "orders": {"id": [1], "at": days(None)},
        "visits": {"id": [1], "at": days(3)},
        "lines": {"id": [1, 2], "order": [1, 1], "visit": [1, None]},
    }
    times, info = prepare(frames, "lines.order -> orders", "lines.visit -> visits")
    assert times["lines"] == {1: days(3)[0]}
    assert info.counts["lines"].missing_parent == 1


def test_a_missing_parent_without_times_drops_nothing(prepare):
    frames = {"users": {"id": [1]}, "lines": {"id": [1, 2], "user": [1, 9]}}
    times, info = prepare(frames, "lines.user -> users")
    assert times["lines"] == {1: None, 2: None}
    assert [f.rule for f in info.findings] == ["dangling_keys"]


def test_what_is_unknown_is_handed_down_through_tables_without_a_time(prepare):
    frames = {
        "orders": {"id": [1, 2], "at": days(None, 5)},
        "lines": {"id": [1, 2], "order": [1, 2]},
        "parcels": {"id": [1, 2], "line": [1, 2]},
        "scans": {"id": [1, 2], "parcel": [1, 2]},
    }
    times, info = prepare(frames, "lines.order -> orders", "parcels.line -> lines", "scans.parcel -> parcels")
    assert times["scans"] == times["parcels"] == times["lines"] == {2: days(5)[0]}
    assert [info.counts[n].missing_parent for n in ("lines", "parcels", "scans")] == [1, 1, 1]


def test_an_alarm_says_that_no_row_is_left(prepare):
    frames = {"orders": {"id": [1], "at": days(None)}, "lines": {"id": [1, 2], "order": [1, 1]}}
    times, info = prepare(frames, "lines.order -> orders")
    assert times["lines"] == {}
    assert [(f.rule, f.severity) for f in info.findings if f.table == "lines"] == [
        ("missing_parent", Severity.ALARM)
    ]


def purchases(num_without):
    """Twenty purchases of one product, the last ones without a receipt."""
    return {
        "receipts": {"id": list(range(20)), "at": days(*range(20))},
        "products": {"id": [1]},
        "purchases": {
            "id": list(range(20)),
            "receipt": [*range(20 - num_without), *[None] * num_without],
            "product": [1] * 20,
        },
    }


PURCHASES = ("purchases.receipt -> receipts", "purchases.product -> products")


def test_a_gap_in_the_key_that_gives_nearly_every_row_its_time_drops_the_row(prepare):
    times, info = prepare(purchases(2), *PURCHASES)
    assert list(times["purchases"]) == list(range(18))
    assert info.counts["purchases"].no_parent == 2
    (finding,) = info.findings
    assert (finding.rule, finding.severity) == ("no_parent", Severity.NOTE)
    assert finding.evidence == (
        "2 of 20 rows point to no row of receipts, from which nearly all others take their time, "
        "and are dropped: row 19, row 20."
    )


def test_rows_without_an_optional_key_are_timeless(prepare):
    times, info = prepare(purchases(3), *PURCHASES)
    assert [i for i, t in times["purchases"].items() if t is None] == [17, 18, 19]
    assert info.findings == ()


def test_rows_that_point_to_nothing_at_all_are_timeless(prepare):
    frames = purchases(2)
    frames["purchases"]["product"][-1] = None
    times, info = prepare(frames, *PURCHASES)
    assert [i for i, t in times["purchases"].items() if t is None] == [19]
    assert info.counts["purchases"].no_parent == 1


def test_rows_of_a_parent_that_is_timeless_are_timeless(prepare):
    frames = purchases(3)
    frames["refunds"] = {"id": list(range(20)), "purchase": [19, *range(17), 0, 1], "product": [1] * 20}
    times, info = prepare(frames, *PURCHASES, "refunds.purchase -> purchases", "refunds.product -> products")
    assert times["refunds"][0] is None and len(times["refunds"]) == 20
    assert info.findings == ()


def test_a_copy_of_a_dropped_row_stays_when_its_parent_is_there(prepare):
    frames = {
        "orders": {"id": [1, 2], "at": days(None, 5)},
        "lines": {"id": [7, 7, 7], "order": [1, 2, 2]},
    }
    times, info = prepare(frames, "lines.order -> orders")
    assert times["lines"] == {7: days(5)[0]}
    counts = info.counts["lines"]
    assert (counts.rows_kept, counts.missing_parent, counts.duplicate_key) == (1, 1, 1)


def test_more_dropped_rows_than_are_shown_are_counted(prepare):
    frames = {"orders": {"id": [1], "at": days(1)}, "lines": {"id": list(range(9)), "order": [1, *[5] * 8]}}
    _, info = prepare(frames, "lines.order -> orders")
    (finding,) = info.findings
    assert finding.evidence.startswith("8 of 9 rows")
    assert finding.evidence.endswith(
        "row 2 (order 5), row 3 (order 5), row 4 (order 5), row 5 (order 5), row 6 (order 5), …."
    )
