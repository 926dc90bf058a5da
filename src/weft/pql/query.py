"""The checked query: a typed tree in which every name is resolved and every rule holds.

`weft.pql.compile_query` makes it from text; the data engine turns it into labels. All nodes are frozen
data and travel as JSON through `weft.core.to_json` and `weft.core.from_json`.

Reading guide: a `Condition` is TRUE, FALSE or undefined (SQL's three values), an `Expression` is a value
or undefined. ``EXISTS (t.*, …)`` arrives here as ``COUNT(t.*, …) > 0``; ``BETWEEN`` as two comparisons joined
by ``AND``; ``NOT IN`` and ``NOT LIKE`` as ``Not``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from weft.core import Dtype, Link, Offset, Stype, Task


class AggregateName(enum.StrEnum):
    """The aggregates of the language."""

    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT_DISTINCT"
    SUM = "SUM"
    AVG = "AVG"
    MIN = "MIN"
    MAX = "MAX"
    FIRST = "FIRST"
    LAST = "LAST"
    LIST_DISTINCT = "LIST_DISTINCT"
    STDDEV = "STDDEV"
    MEDIAN = "MEDIAN"


class Answer(enum.StrEnum):
    """How a list or numeric target is answered."""

    CLASSIFY = "CLASSIFY"
    RANK = "RANK"
    FORECAST = "FORECAST"


class Mode(enum.StrEnum):
    """What the statement asks to be done."""

    PREDICT = "PREDICT"
    EXPLAIN = "EXPLAIN"
    EVALUATE = "EVALUATE"


@dataclass(frozen=True)
class Span:
    """Half-open range of characters in the query's text."""

    start: int
    stop: int


@dataclass(frozen=True)
class Window:
    """(anchor + start, anchor + end]. ``start`` ``None`` is -INF."""

    start: Offset | None
    end: Offset


@dataclass(frozen=True)
class ColumnValue:
    """A column of the row at hand, or of a row that its foreign keys lead to.

    ``path`` holds the links walked from the row's table to ``table``, child to parent; empty for a
    column of the row's own table. A parent that is missing, or not yet there at the anchor, gives null.
    """

    table: str
    column: str
    path: tuple[Link, ...]
    dtype: Dtype
    stype: Stype
    span: Span | None = None


@dataclass(frozen=True)
class Literal:
    """A constant. Timestamps are microseconds UTC with dtype ``TIMESTAMP``; NULL has dtype ``None``."""

    value: int | float | str | bool | None
    dtype: Dtype | None


@dataclass(frozen=True)
class Aggregate:
    """An aggregate over the rows of ``table`` that ``path`` joins to the entity.

    Attributes:
        name: Which aggregate.
        table: The aggregated table.
        column: What is aggregated; ``None`` is ``*``. Relative to a row of ``table``.
        path: Links from ``table`` up to the entity's table, child to parent, at least one.
        where: Condition on a row of ``table``; not met when undefined.
        window: Around the anchor, over the time of ``table``; ``None`` where the table has no time.
        dtype: Of the result; for LIST_DISTINCT of one element.
    """

    name: AggregateName
    table: str
    column: ColumnValue | None
    path: tuple[Link, ...]
    where: Condition | None
    window: Window | None
    dtype: Dtype
    span: Span | None = None


@dataclass(frozen=True)
class Arithmetic:
    """``left op right`` with op one of ``+ - * /``; division by zero is undefined."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Comparison:
    """``left op right`` with op one of ``= != < <= > >=``."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class IsNull:
    """TRUE when the operand is null or undefined, else FALSE."""

    operand: Expression


@dataclass(frozen=True)
class InList:
    """The operand equals one of the constants."""

    operand: Expression
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class TextMatch:
    """``op`` one of ``LIKE CONTAINS STARTS ENDS``; LIKE has ``%`` and ``_``; case counts.

    CONTAINS on a multicategorical column asks whether the set holds the constant.
    """

    op: str
    operand: Expression
    text: str


@dataclass(frozen=True)
class Not:
    """Negation; undefined stays undefined."""

    operand: Condition


@dataclass(frozen=True)
class And:
    """TRUE when all are, FALSE when one is."""

    operands: tuple[Condition, ...]


@dataclass(frozen=True)
class Or:
    """TRUE when one is, FALSE when all are."""

    operands: tuple[Condition, ...]


Expression = ColumnValue | Literal | Aggregate | Arithmetic
Condition = Comparison | IsNull | InList | TextMatch | Not | And | Or


@dataclass(frozen=True)
class Query:
    """A checked predictive query.

    ``entities`` are the constants after FOR, ``None`` for all. ``canonical`` is the printed form, equal for
    queries that mean the same text apart from case, spacing and comments.
    """

    text: str
    canonical: str
    mode: Mode
    target: Expression | Condition
    answer: Answer | None
    task: Task
    entities: tuple[Literal, ...] | None
    where: Condition | None
    assuming: Condition | None
