"""Conditions and values on one row, as Ibis expressions with SQL's three-valued logic."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

from weft.core import Dtype, InvariantError, to_datetime
from weft.pql.query import (
    And,
    Arithmetic,
    ColumnValue,
    Comparison,
    Condition,
    Expression,
    InList,
    IsNull,
    Literal,
    Not,
    Or,
    TextMatch,
)

Resolve = Callable[[ColumnValue], Any]
_COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def row_value(expression: Expression, resolve: Resolve) -> Any:
    """Return the value of an expression on a row as an Ibis value."""
    if isinstance(expression, ColumnValue):
        return resolve(expression)
    if isinstance(expression, Literal):
        return _literal(expression)
    if isinstance(expression, Arithmetic):
        left, right = row_value(expression.left, resolve), row_value(expression.right, resolve)
        if expression.op == "/":
            return left.cast("float64") / right.cast("float64").nullif(0.0)
        return _ARITHMETIC[expression.op](left, right)
    raise InvariantError("DATA090", f"an aggregate of {expression.table} stands inside a row's condition.")


def row_condition(condition: Condition, resolve: Resolve) -> Any:
    """Return a condition on a row as an Ibis boolean that is null where undefined."""
    if isinstance(condition, And):
        return functools.reduce(operator.and_, (row_condition(c, resolve) for c in condition.operands))
    if isinstance(condition, Or):
        return functools.reduce(operator.or_, (row_condition(c, resolve) for c in condition.operands))
    if isinstance(condition, Not):
        return ~row_condition(condition.operand, resolve)
    if isinstance(condition, Comparison):
        left, right = row_value(condition.left, resolve), row_value(condition.right, resolve)
        return _COMPARE[condition.op](left, right)
    if isinstance(condition, IsNull):
        return row_value(condition.operand, resolve).isnull()
    if isinstance(condition, InList):
        values = [_literal(v) for v in condition.values]
        return row_value(condition.operand, resolve).isin(values)
    return _text_match(condition, resolve)


def columns_of(node: Expression | Condition | None) -> tuple[ColumnValue, ...]:
    """Return the columns that an expression or a condition on a row reads, in order."""
    if node is None or isinstance(node, Literal):
        return ()
    if isinstance(node, ColumnValue):
        return (node,)
    if isinstance(node, (Arithmetic, Comparison)):
        return columns_of(node.left) + columns_of(node.right)
    if isinstance(node, (And, Or)):
        return tuple(c for operand in node.operands for c in columns_of(operand))
    if isinstance(node, (Not, IsNull, InList, TextMatch)):
        return columns_of(node.operand)
    return columns_of(node.column) + columns_of(node.where)


def _literal(literal: Literal) -> Any:
    import ibis

    if literal.value is None:
        return ibis.null()
    if literal.dtype is Dtype.TIMESTAMP:
        return ibis.literal(to_datetime(int(literal.value)).replace(tzinfo=None))
    return ibis.literal(literal.value)


def _text_match(match: TextMatch, resolve: Resolve) -> Any:
    operand = row_value(match.operand, resolve)
    if match.op == "LIKE":
        return operand.like(match.text)
    if match.op == "STARTS":
        return operand.startswith(match.text)
    if match.op == "ENDS":
        return operand.endswith(match.text)
    return operand.contains(match.text)
