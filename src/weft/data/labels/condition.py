"""Conditions and expressions of a query as Ibis values, with SQL's three values of logic.

A `Scope` says what a column and an aggregate stand for; everything above them is the same for the rows
of an aggregated table and for the entities.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, Protocol

from weft.core import Dtype, Schema, Stype, to_datetime
from weft.data.items import items_of
from weft.data.labels.tree import Node
from weft.pql.query import (
    Aggregate,
    AggregateName,
    And,
    Arithmetic,
    ColumnValue,
    Comparison,
    InList,
    IsNull,
    Literal,
    Not,
    Or,
    TextMatch,
)

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_IBIS_TYPES = {
    Dtype.INT: "int64",
    Dtype.FLOAT: "float64",
    Dtype.BOOL: "boolean",
    Dtype.STRING: "string",
    Dtype.TIMESTAMP: "timestamp(6)",
}


class Scope(Protocol):
    """What the leaves of a tree stand for."""

    @property
    def schema(self) -> Schema:
        """Return the schema that columns are looked up in."""

    def column(self, node: ColumnValue) -> Any:
        """Return the Ibis value of a plain column."""

    def aggregate(self, node: Aggregate) -> Any:
        """Return the Ibis value of an aggregate, null where it is undefined."""


def evaluate(node: Node, scope: Scope) -> Any:
    """Return the Ibis value of an expression or condition."""
    return _EVALUATORS[type(node)](node, scope)


def literal(node: Literal, dtype: Dtype | None = None) -> Any:
    """Return a constant as an Ibis value; ``dtype`` is the type of NULL."""
    import ibis

    kind = node.dtype or dtype or Dtype.FLOAT
    if node.value is None:
        return unknown(kind)
    if kind is Dtype.TIMESTAMP:
        return ibis.literal(to_datetime(int(node.value)).replace(tzinfo=None), type=_IBIS_TYPES[kind])
    return ibis.literal(node.value, type=_IBIS_TYPES[kind])


def unknown(dtype: Dtype = Dtype.BOOL) -> Any:
    """Return null as a value of a type.

    Not a null literal: Ibis turns a comparison with one into a null test.
    """
    import ibis

    some = ibis.literal(True)
    return some.nullif(some) if dtype is Dtype.BOOL else some.nullif(some).cast(_IBIS_TYPES[dtype])


def listed_column(node: Node) -> ColumnValue | None:
    """Return the column of several categories whose text a node gives, ``None`` for any other node."""
    column = node.column if isinstance(node, Aggregate) else node
    is_listed = isinstance(column, ColumnValue) and column.stype is Stype.MULTICATEGORICAL
    gives_text = not isinstance(node, Aggregate) or node.name in (AggregateName.FIRST, AggregateName.LAST)
    return column if is_listed and gives_text else None  # type: ignore[return-value]


def column_items(value: Any, column: ColumnValue, schema: Schema) -> Any:
    """Return the different items in a value of a column of several categories, as an Ibis array."""
    return items_of(value, schema.table(column.table).column(column.column).separator)


def _column(node: ColumnValue, scope: Scope) -> Any:
    return scope.column(node)


def _aggregate(node: Aggregate, scope: Scope) -> Any:
    return scope.aggregate(node)


def _literal(node: Literal, scope: Scope) -> Any:
    return literal(node)


def _arithmetic(node: Arithmetic, scope: Scope) -> Any:
    # In 64-bit floats throughout: no back end then fails on an integer that overflows.
    left, right = (evaluate(side, scope).cast("float64") for side in (node.left, node.right))
    if node.op == "/":
        return left / right.nullif(0.0)
    return _COMBINE[node.op](left, right)


def _comparison(node: Comparison, scope: Scope) -> Any:
    if any(isinstance(side, Literal) and side.value is None for side in (node.left, node.right)):
        return unknown()
    return _COMPARE[node.op](evaluate(node.left, scope), evaluate(node.right, scope))


def _is_null(node: IsNull, scope: Scope) -> Any:
    return evaluate(node.operand, scope).isnull()


def _in_list(node: InList, scope: Scope) -> Any:
    operand = evaluate(node.operand, scope)
    known = [literal(v) for v in node.values if v.value is not None]
    if not known:
        return unknown()
    found = operand.isin(known)
    return found if len(known) == len(node.values) else found | unknown()


def _text_match(node: TextMatch, scope: Scope) -> Any:
    operand = evaluate(node.operand, scope)
    column = listed_column(node.operand)
    if node.op == "CONTAINS" and column is not None:
        return column_items(operand, column, scope.schema).contains(node.text)
    matchers = {
        "LIKE": operand.like,
        "CONTAINS": operand.contains,
        "STARTS": operand.startswith,
        "ENDS": operand.endswith,
    }
    return matchers[node.op](node.text)


def _not(node: Not, scope: Scope) -> Any:
    # Not written as NOT: "NOT (x) IS NULL", which Ibis makes of its null test, means NOT (x IS NULL).
    return evaluate(node.operand, scope) == False  # noqa: E712


def _and(node: And, scope: Scope) -> Any:
    return functools.reduce(operator.and_, (evaluate(o, scope) for o in node.operands))


def _or(node: Or, scope: Scope) -> Any:
    return functools.reduce(operator.or_, (evaluate(o, scope) for o in node.operands))


_EVALUATORS: dict[type, Callable[[Any, Scope], Any]] = {
    ColumnValue: _column,
    Aggregate: _aggregate,
    Literal: _literal,
    Arithmetic: _arithmetic,
    Comparison: _comparison,
    IsNull: _is_null,
    InList: _in_list,
    TextMatch: _text_match,
    Not: _not,
    And: _and,
    Or: _or,
}
