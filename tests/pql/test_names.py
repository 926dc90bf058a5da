"""Every name that a database can have can be written in a query."""

from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import Column, Dtype, Link, Schema, Stype, Table
from weft.pql import compile_query, describe
from weft.pql.printer import format_column
from weft.pql.syntax import ColumnName

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(names, min_size=2, max_size=2, unique=True), st.lists(names, min_size=4, max_size=4, unique=True)
)
def test_any_name_works_in_back_quotes(tables, columns):
    parent, child = tables
    key, link, value, at = columns
    schema = Schema(
        (
            Table(parent, (Column(key, Dtype.STRING, Stype.ID),), (key,)),
            Table(
                child,
                (
                    Column(link, Dtype.STRING, Stype.ID),
                    Column(value, Dtype.FLOAT, Stype.NUMERICAL),
                    Column(at, Dtype.TIMESTAMP, Stype.TIMESTAMP),
                ),
                (),
                at,
            ),
        ),
        (Link(child, (link,), parent, (key,)),),
    )
    summed, by = format_column(ColumnName(child, value)), format_column(ColumnName(child, link))
    text = (
        f"PREDICT SUM({summed} VIA {by}, 0, 30) FOR EACH {format_column(ColumnName(parent, key))} "
        f"WHERE COUNT({format_column(ColumnName(child, None))}, -INF, 0) > 0"
    )
    query = compile_query(text, schema)
    assert (query.target.table, query.target.column.column, query.task.entity_column) == (child, value, key)
    assert describe(query)
    assert compile_query(query.canonical, schema).canonical == query.canonical
