"""The syntax tree: what the text says, before any name is looked up.

Nodes are frozen and compare by meaning: a `Span`, which says where a node stands in the text, does not
count. Case, spacing, comments, superfluous parentheses and the spelling of an operator are gone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from weft.pql.query import Answer, Mode, Span

_NOWHERE = Span(0, 0)


@dataclass(frozen=True)
class Node:
    """Anything that stands somewhere in the text."""

    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


class ConstantKind(enum.StrEnum):
    """The kinds of constants."""

    NUMBER = "number"
    TEXT = "text"
    TRUTH = "truth"
    TIME = "time"
    NULL = "null"
    INFINITY = "infinity"


@dataclass(frozen=True)
class Constant(Node):
    """A constant. Times are microseconds UTC; of infinity ``value`` is the sign, -1 or 1."""

    kind: ConstantKind
    value: int | float | str | bool | None


@dataclass(frozen=True)
class ColumnName(Node):
    """``table.column``; ``column`` is ``None`` for ``table.*``."""

    table: str
    column: str | None


@dataclass(frozen=True)
class ColumnTerm(Node):
    """A column, with the foreign keys to follow where VIA names them."""

    name: ColumnName
    via: tuple[ColumnName, ...] = ()


@dataclass(frozen=True)
class UnitName(Node):
    """The unit of a window as written, in lower case; ``days`` where it was left out."""

    text: str


@dataclass(frozen=True)
class WindowTerm(Node):
    """``start, end, unit``."""

    start: Constant
    end: Constant
    unit: UnitName


@dataclass(frozen=True)
class AggregateTerm(Node):
    """``NAME(argument WHERE where, window)``; ``name`` is in upper case."""

    name: str
    argument: Term
    where: Term | None
    window: WindowTerm | None
    name_span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class ExistsTerm(Node):
    """``EXISTS (table.* WHERE where, window)``."""

    argument: ColumnTerm
    where: Term | None
    window: WindowTerm | None


@dataclass(frozen=True)
class ArithmeticTerm(Node):
    """``left op right`` with op one of ``+ - * /``."""

    op: str
    left: Term
    right: Term


@dataclass(frozen=True)
class ComparisonTerm(Node):
    """``left op right`` with op one of ``= != < <= > >=``."""

    op: str
    left: Term
    right: Term


@dataclass(frozen=True)
class NullTest(Node):
    """``operand IS [NOT] NULL``."""

    operand: Term
    is_negated: bool


@dataclass(frozen=True)
class Membership(Node):
    """``operand [NOT] IN (values)``."""

    operand: Term
    values: tuple[Constant, ...]
    is_negated: bool


@dataclass(frozen=True)
class Range(Node):
    """``operand [NOT] BETWEEN low AND high``."""

    operand: Term
    low: Term
    high: Term
    is_negated: bool


@dataclass(frozen=True)
class TextTest(Node):
    """``operand [NOT] op constant`` with op one of ``LIKE CONTAINS STARTS ENDS``."""

    op: str
    operand: Term
    constant: Constant
    is_negated: bool


@dataclass(frozen=True)
class Negation(Node):
    """``NOT operand``."""

    operand: Term


@dataclass(frozen=True)
class Conjunction(Node):
    """``a AND b AND …``, at least two operands."""

    operands: tuple[Term, ...]


@dataclass(frozen=True)
class Disjunction(Node):
    """``a OR b OR …``, at least two operands."""

    operands: tuple[Term, ...]


Term = (
    Constant
    | ColumnTerm
    | AggregateTerm
    | ExistsTerm
    | ArithmeticTerm
    | ComparisonTerm
    | NullTest
    | Membership
    | Range
    | TextTest
    | Negation
    | Conjunction
    | Disjunction
)


@dataclass(frozen=True)
class AnswerTerm(Node):
    """``CLASSIFY``, ``RANK TOP count`` or ``FORECAST count TIMEFRAMES``."""

    kind: Answer
    count: Constant | None


@dataclass(frozen=True)
class EntityTerm(Node):
    """What follows FOR: the key, and the constants it is limited to."""

    column: ColumnName
    values: tuple[Constant, ...] | None


@dataclass(frozen=True)
class Statement:
    """One whole statement with the text that it was read from."""

    mode: Mode
    target: Term
    answer: AnswerTerm | None
    entity: EntityTerm
    where: Term | None
    assuming: Term | None
    text: str = field(default="", compare=False, repr=False)


def children(node: Node | Statement) -> Iterator[Node]:
    """Yield the nodes directly below ``node``."""
    for part in fields(node):
        value = getattr(node, part.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Node):
                yield item


def depth(statement: Statement) -> int:
    """Return how many nodes lie on the longest way down, without recursion."""
    deepest = 0
    stack: list[tuple[Node | Statement, int]] = [(statement, 0)]
    while stack:
        current, level = stack.pop()
        deepest = max(deepest, level)
        stack.extend((child, level + 1) for child in children(current))
    return deepest
