"""No label sees past its window, and no choice of entities past its anchor."""

import tempfile
from pathlib import Path

from hypothesis import assume, given, note
from hypothesis import strategies as st
from label_checks import SHORT_SEARCH, assert_same, layout_of, rows_of

from weft.core import TIME, Offset, to_micros
from weft.data.labels import compute_labels, population
from weft.data.labels.horizon import shift
from weft.pql import aggregates_in
from weft.testing.databases import DAYS, TinyDatabase, databases
from weft.testing.queries import queries
from weft.testing.tiny import day

INSTANTS = st.integers(0, 2 * DAYS).map(lambda halves: to_micros(day(halves / 2)))
OTHER = {"n": 3, "x y": 0.5, "text": "zz", "flag": True, "when": day(1), "tags": "zz"}


def time_of(row):
    return None if row[TIME] is None else to_micros(row[TIME])


def changed(data, database, is_hidden):
    """Delete some of the hidden rows, and give others new values and no parents."""
    rows = {}
    for table in database.schema.tables:
        keys = {c for k in database.schema.links_from(table.name) for c in k.columns}
        kept = []
        for row in database.rows[table.name]:
            fate = data.draw(st.sampled_from(["delete", "change"])) if is_hidden(table.name, row) else "keep"
            if fate == "keep":
                kept.append(row)
            elif fate == "change":
                values = {c: OTHER[c] for c in row if c in OTHER}
                kept.append({**row, **values, **dict.fromkeys(keys)})
        rows[table.name] = kept
    return TinyDatabase(database.schema, rows)


def labels_at(database, query, anchor):
    with tempfile.TemporaryDirectory() as folder, database.open(Path(folder)) as tables:
        return rows_of(compute_labels(tables, query, layout_of(query, [anchor])))


def people_at(database, query, anchor):
    with tempfile.TemporaryDirectory() as folder, database.open(Path(folder)) as tables:
        return population(tables, query, [anchor]).to_pylist()


@given(st.data())
@SHORT_SEARCH
def test_rows_after_the_label_window_change_no_label(data):
    database = data.draw(databases(max_tables=3))
    query = data.draw(queries(database.schema))
    assume(not query.task.is_static)
    anchor = data.draw(INSTANTS)
    note(query.text)
    frames = query.task.num_frames or 1
    windows = [a.window for part in (query.target, query.assuming) for a in aggregates_in(part) if a.window]
    end = max(shift(Offset(w.end.value * frames, w.end.unit), anchor) for w in windows)
    later = changed(data, database, lambda _, row: row[TIME] is not None and time_of(row) > end)
    assert_same(labels_at(later, query, anchor), labels_at(database, query, anchor))


@given(st.data())
@SHORT_SEARCH
def test_facts_before_every_window_change_no_label(data):
    database = data.draw(databases(max_tables=3))
    query = data.draw(queries(database.schema))
    assume(not query.task.is_static)
    anchor = data.draw(INSTANTS)
    parts = (query.target, query.assuming, query.where)
    windows = [a.window for part in parts for a in aggregates_in(part) if a.window]
    assume(all(w.start is not None for w in windows))
    start = min(shift(w.start, anchor) for w in windows)
    # Rows that others point to are more than facts: paths lead over them.
    parents = {k.parent for k in database.schema.links} | {query.task.entity_table}
    facts = {t.name for t in database.schema.tables} - parents
    earlier = changed(
        data, database, lambda table, row: table in facts and row[TIME] is not None and time_of(row) <= start
    )
    note(query.text)
    assert_same(labels_at(earlier, query, anchor), labels_at(database, query, anchor))


@given(st.data())
@SHORT_SEARCH
def test_rows_after_the_anchor_change_nobody_who_is_predicted(data):
    database = data.draw(databases(max_tables=3))
    query = data.draw(queries(database.schema))
    anchor = data.draw(INSTANTS)
    note(query.text)
    later = changed(data, database, lambda _, row: row[TIME] is not None and time_of(row) > anchor)
    assert people_at(later, query, anchor) == people_at(database, query, anchor)
