"""Values that a query names and no row holds: the usual reason for labels that nobody has."""

from __future__ import annotations

from collections.abc import Iterator

from weft.core import Dtype, format_time
from weft.data.labels.condition import literal
from weft.data.tables import Tables
from weft.pql import aggregates_in, walk
from weft.pql.query import ColumnValue, Comparison, InList, Literal, Query


def absent_value(tables: Tables, query: Query) -> str:
    """Say which value the query names that no row holds; empty when all occur.

    Only equality is looked at: ``column = value``, and IN with none of its values in any row.
    """
    for column, values in _named(query):
        source = tables.table(column.table)
        held = source.filter(source[column.column].isin([literal(v, column.dtype) for v in values])).limit(1)
        if not tables.fetch(held.select(column.column)).num_rows:
            told = " or ".join(_words(value) for value in values)
            return f"no row of {column.table} has {told} in {column.column}"
    return ""


def _named(query: Query) -> Iterator[tuple[ColumnValue, tuple[Literal, ...]]]:
    roots = [query.where, query.assuming, query.target]
    inner = [a.where for root in roots for a in aggregates_in(root)]
    for node in (n for root in (*roots, *inner) for n in walk(root)):
        if isinstance(node, Comparison) and node.op == "=":
            sides = (node.left, node.right)
            column = next((s for s in sides if isinstance(s, ColumnValue)), None)
            values = tuple(s for s in sides if isinstance(s, Literal) and s.value is not None)
        elif isinstance(node, InList):
            column = node.operand if isinstance(node.operand, ColumnValue) else None
            values = tuple(v for v in node.values if v.value is not None)
        else:
            continue
        if column is not None and values:
            yield column, values


def _words(value: Literal) -> str:
    if value.dtype is Dtype.TIMESTAMP:
        return format_time(int(value.value or 0))
    if isinstance(value.value, bool):
        return str(value.value).upper()
    return f"'{value.value}'" if isinstance(value.value, str) else f"{value.value:.15g}"
