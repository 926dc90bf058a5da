"""How rows find their entity, against plain enumeration."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import Column, Dtype, Link, Schema, Stype, Table, UserError
from weft.pql import compile_query
from weft.pql.paths import MAX_PATHS, find_paths, follow, has_time, tables_above, tables_below
from weft.pql.syntax import ColumnName

TABLES = "abcd"


def make_schema(edges, timed=()):
    tables = tuple(
        Table(
            name,
            (
                Column("id", Dtype.INT, Stype.ID),
                Column("at", Dtype.TIMESTAMP, Stype.TIMESTAMP),
                *(
                    Column(f"k{i}", Dtype.INT, Stype.ID)
                    for i, (child, _) in enumerate(edges)
                    if child == name
                ),
            ),
            ("id",),
            "at" if name in timed else None,
        )
        for name in TABLES
    )
    return Schema(tables, tuple(Link(c, (f"k{i}",), p, ("id",)) for i, (c, p) in enumerate(edges)))


def plain_paths(schema, start, goal):
    """Every sequence of links that joins up and passes no table twice; own links alone where there are."""
    own = [(k,) for k in schema.links if (k.table, k.parent) == (start, goal)]
    if own:
        return set(own)
    found = set()
    for length in range(1, len(TABLES) + 1):
        for path in itertools.permutations(schema.links, length):
            stops = [path[0].table, *(k.parent for k in path)]
            joins = all(a.parent == b.table for a, b in itertools.pairwise(path))
            if joins and stops[0] == start and stops[-1] == goal and len(set(stops)) == len(stops):
                found.add(path)
    return found


edges = st.lists(st.tuples(st.sampled_from(TABLES), st.sampled_from(TABLES)), max_size=6)


@settings(max_examples=150, deadline=None)
@given(edges)
def test_paths_are_those_of_plain_enumeration(edges):
    schema = make_schema(edges)
    for start, goal in itertools.product(TABLES, TABLES):
        expected = plain_paths(schema, start, goal)
        found = find_paths(schema, start, goal)
        if len(expected) < MAX_PATHS:
            assert set(found) == expected
            assert len(set(found)) == len(found)
        else:
            assert len(found) == MAX_PATHS and set(found) <= expected


@settings(max_examples=60, deadline=None)
@given(edges)
def test_naming_every_column_of_a_path_gives_that_path(edges):
    schema = make_schema(edges)
    for start, goal in itertools.product(TABLES, TABLES):
        for path in find_paths(schema, start, goal):
            columns = tuple(ColumnName(k.table, k.columns[0]) for k in path)
            assert follow(schema, start, goal, columns) == (path,)


@settings(max_examples=60, deadline=None)
@given(edges, st.sets(st.sampled_from(TABLES)))
def test_a_time_is_inherited_from_any_parent_above(edges, timed):
    schema = make_schema(edges, timed)
    for table in TABLES:
        assert has_time(schema, table) == bool(tables_above(schema, table) & timed)
        assert all(table in tables_above(schema, other) for other in tables_below(schema, table))


def test_a_dense_schema_lists_some_paths_and_stops():
    names = [f"t{i}" for i in range(60)]
    tables = tuple(Table(n, (Column("id", Dtype.INT, Stype.ID),), ("id",), None) for n in names)
    links = [
        Link(a, ("id",), b, ("id",)) for a, b in itertools.combinations(names, 2) if (a, b) != ("t0", "t59")
    ]
    schema = Schema(tables, tuple(links))
    with pytest.raises(UserError) as caught:
        compile_query("PREDICT COUNT(t0.*) FOR EACH t59.id", schema)
    assert caught.value.code == "PQL021"
    assert f"at least {MAX_PATHS} paths" in caught.value.message


def test_a_dead_end_of_many_tables_is_left_at_once():
    names = [f"t{i}" for i in range(40)]
    pairs = [(a, b) for a in names for b in names if a != b]
    tables = [Table(n, (Column("id", Dtype.INT, Stype.ID),), ("id",)) for n in [*names, "goal"]]
    schema = Schema(tuple(tables), tuple(Link(a, ("id",), b, ("id",)) for a, b in pairs))
    assert find_paths(schema, "t0", "goal") == ()
