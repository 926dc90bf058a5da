"""Labels of random queries on random databases agree with plain loops over rows."""

import math
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from weft.core import History, to_micros
from weft.data.labels import Layout, build_seeds, compute_labels, static_rows
from weft.testing.databases import DAYS, databases
from weft.testing.oracle import Label, expected_labels, expected_population, expected_static
from weft.testing.queries import queries
from weft.testing.tiny import day

# WEFT_EXAMPLES=2000 searches longer.
EXAMPLES = int(os.environ.get("WEFT_EXAMPLES", "60"))
from hypothesis import Phase

SEARCH = settings(
    phases=[Phase.explicit, Phase.generate] if "WEFT_NO_SHRINK" in os.environ else list(Phase),
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
ANCHORS = st.lists(
    st.integers(-2, 2 * DAYS + 2).map(lambda halves: to_micros(day(halves / 2))),
    min_size=1,
    max_size=6,
    unique=True,
)


def layout_of(query, anchors):
    windows = [a.window for a in aggregates_of(query)]
    longest = max(windows, key=lambda w: w.end.nominal_us, default=None)
    frames = query.task.num_frames or 1
    window = longest.end if longest and frames > 1 else None
    return Layout("given", History.SEED_TIME, tuple(sorted(anchors)), (), (), window=window, num_frames=frames)


def aggregates_of(query):
    from weft.pql import aggregates_in

    return [a for a in aggregates_in(query.target) if a.window]


def rows_of(table):
    frames = table["frame"].to_pylist() if "frame" in table.column_names else [0] * table.num_rows
    times = [to_micros(t) for t in table["anchor_time"].to_pylist()]
    columns = (times, table["entity"].to_pylist(), table["label"].to_pylist(), frames)
    return [Label(*row) for row in zip(*columns, strict=True)]


def is_close(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    return left == right


def assert_same(found, wanted):
    keys = [(r.anchor_us, r.entity, r.frame) for r in found]
    assert keys == [(r.anchor_us, r.entity, r.frame) for r in wanted]
    differing = [(f, w) for f, w in zip(found, wanted, strict=True) if not is_close(f.label, w.label)]
    assert not differing


@given(st.data())
@SEARCH
def test_labels_agree_with_loops_over_rows(data):
    database = data.draw(databases())
    query = data.draw(queries(database.schema))
    anchors = data.draw(ANCHORS)
    note(query.text)
    with tempfile.TemporaryDirectory() as folder, database.open(Path(folder)) as tables:
        if query.task.is_static:
            found = static_rows(tables, query, is_labelled=True)
            wanted = expected_static(database.schema, database.rows, query)
        else:
            found = compute_labels(tables, query, layout_of(query, anchors))
            wanted = expected_labels(database.schema, database.rows, query, anchors)
    assert_same(rows_of(found), wanted)


@given(st.data())
@SEARCH
def test_static_labels_agree_with_loops_over_rows(data):
    database = data.draw(databases(max_tables=3))
    query = data.draw(queries(database.schema, is_static=True))
    note(query.text)
    with tempfile.TemporaryDirectory() as folder, database.open(Path(folder)) as tables:
        found = static_rows(tables, query, is_labelled=True)
    assert_same(rows_of(found), expected_static(database.schema, database.rows, query))
