"""Questions about the checked tree: what is in it, and what type a value has."""

from __future__ import annotations

from collections.abc import Iterator

from weft.core import Dtype
from weft.pql.query import (
    Aggregate,
    And,
    Arithmetic,
    ColumnValue,
    Comparison,
    Condition,
    Expression,
    InList,
    IsNull,
    Not,
    Or,
    TextMatch,
)

CONDITIONS = (Comparison, IsNull, InList, TextMatch, Not, And, Or)
NUMBERS = (Dtype.INT, Dtype.FLOAT)


def walk(node: Expression | Condition | None) -> Iterator[Expression | Condition]:
    """Yield ``node`` and all below it, except what is inside an aggregate."""
    if node is None:
        return
    yield node
    for child in _below(node):
        yield from walk(child)


def aggregates_in(node: Expression | Condition | None) -> tuple[Aggregate, ...]:
    """Return the aggregates of a condition or value, in order of the text."""
    return tuple(n for n in walk(node) if isinstance(n, Aggregate))


def columns_in(node: Expression | Condition | None) -> tuple[ColumnValue, ...]:
    """Return the columns of a condition or value that stand outside aggregates."""
    return tuple(n for n in walk(node) if isinstance(n, ColumnValue))


def is_condition(node: Expression | Condition) -> bool:
    """Whether ``node`` is TRUE, FALSE or undefined rather than a value."""
    return isinstance(node, CONDITIONS)


def dtype_of(value: Expression) -> Dtype | None:
    """Return the type of a value; ``None`` for the constant NULL.

    Division gives floats; the other operations give integers when both sides are.
    """
    if not isinstance(value, Arithmetic):
        return value.dtype
    sides = (dtype_of(value.left), dtype_of(value.right))
    return Dtype.INT if value.op != "/" and sides == (Dtype.INT, Dtype.INT) else Dtype.FLOAT


def _below(node: Expression | Condition) -> tuple[Expression | Condition, ...]:
    if isinstance(node, (And, Or)):
        return node.operands
    if isinstance(node, (Comparison, Arithmetic)):
        return (node.left, node.right)
    if isinstance(node, (IsNull, InList, TextMatch, Not)):
        return (node.operand,)
    return ()
