"""Labels of random queries on random databases agree with plain loops over rows."""

import tempfile
from pathlib import Path

from hypothesis import given, note
from hypothesis import strategies as st
from label_checks import ANCHORS, SEARCH, SHORT_SEARCH, assert_same, layout_of, rows_of

from weft.core import to_micros
from weft.data.labels import compute_labels, population, static_rows
from weft.testing.databases import databases
from weft.testing.oracle import expected_labels, expected_population, expected_static
from weft.testing.queries import queries


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
@SHORT_SEARCH
def test_static_labels_agree_with_loops_over_rows(data):
    database = data.draw(databases(max_tables=3))
    query = data.draw(queries(database.schema, is_static=True))
    note(query.text)
    with tempfile.TemporaryDirectory() as folder, database.open(Path(folder)) as tables:
        found = static_rows(tables, query, is_labelled=True)
    assert_same(rows_of(found), expected_static(database.schema, database.rows, query))


@given(st.data())
@SHORT_SEARCH
def test_who_is_there_agrees_with_loops_over_rows(data):
    database = data.draw(databases(max_tables=3))
    query = data.draw(queries(database.schema))
    anchors = data.draw(ANCHORS)
    note(query.text)
    with tempfile.TemporaryDirectory() as folder, database.open(Path(folder)) as tables:
        found = population(tables, query, anchors).to_pylist()
    for anchor in anchors:
        keys = [row["entity"] for row in found if to_micros(row["anchor_time"]) == anchor]
        assert keys == expected_population(database.schema, database.rows, query, anchor)
