"""Which different aggregates and columns a checked query holds."""

from __future__ import annotations

from dataclasses import replace

from weft.pql import aggregates_in, columns_in
from weft.pql.query import Aggregate, ColumnValue, Condition, Expression

Node = Expression | Condition


def aggregates(node: Node | None) -> tuple[Aggregate, ...]:
    """Return the different aggregates of a tree, in order of appearance."""
    return tuple(dict.fromkeys(without_span(a) for a in aggregates_in(node)))


def columns(node: Node | None) -> tuple[ColumnValue, ...]:
    """Return the plain columns of a tree outside its aggregates, in order of appearance."""
    return tuple(dict.fromkeys(replace(c, span=None) for c in columns_in(node)))


def without_span(aggregate: Aggregate) -> Aggregate:
    """Return an aggregate that equals every other of the same words, wherever they stand."""
    column = aggregate.column and replace(aggregate.column, span=None)
    return replace(aggregate, column=column, span=None)
