"""The query's target taken apart: what its aggregates read from rows, and its value over past windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from weft.core import Dtype, InvariantError, Offset, Schema
from weft.data.labels.condition import evaluate
from weft.pql import columns_in
from weft.pql.query import (
    Aggregate,
    AggregateName,
    And,
    Arithmetic,
    ColumnValue,
    Comparison,
    Condition,
    InList,
    IsNull,
    Literal,
    Not,
    Or,
    Query,
    TextMatch,
)

_BY_ROW = {
    AggregateName.MIN,
    AggregateName.MAX,
    AggregateName.AVG,
    AggregateName.SUM,
    AggregateName.FIRST,
    AggregateName.LAST,
    AggregateName.MEDIAN,
}


@dataclass(frozen=True)
class TargetPart:
    """One aggregate of the target and, where it stands beside a constant, its comparison.

    ``horizon`` is the task's: the span from an anchor to the end of its label window. ``is_assumed`` marks
    those of ASSUMING.
    """

    aggregate: Aggregate
    horizon: Offset
    met: Comparison | InList | TextMatch | None = None
    is_assumed: bool = False

    @property
    def columns(self) -> tuple[ColumnValue, ...]:
        """Columns that the aggregate reads."""
        return columns_in(self.aggregate.column) + columns_in(self.aggregate.where)

    @property
    def reads(self) -> frozenset[tuple[str, str]]:
        """Table and name of all columns that the aggregate reads, the foreign keys on its way included."""
        links = (*self.aggregate.path, *(k for c in self.columns for k in c.path))
        keys = frozenset((k.table, name) for k in links for name in k.columns)
        return keys | {(c.table, c.column) for c in self.columns}

    @property
    def kinds(self) -> tuple[str, ...]:
        """What a row can tell: ``hit``, ``value``, ``met``."""
        kinds = []
        if self.aggregate.where is not None:
            kinds.append("hit")
        if self.aggregate.column is not None:
            kinds.append("value")
            if self.met is not None and self.aggregate.name in _BY_ROW:
                kinds.append("met")
        return tuple(kinds)

    def dtype(self, kind: str) -> Dtype:
        """Return the type of what a row tells."""
        if kind == "value" and self.aggregate.column is not None:
            return self.aggregate.column.dtype
        return Dtype.BOOL

    def value(self, kind: str, scope: RowScope) -> Any:
        """Return what a row tells as an Ibis value; null where the aggregate's condition fails."""
        import ibis

        where, column = self.aggregate.where, self.aggregate.column
        holds = ibis.literal(True) if where is None else ibis.coalesce(evaluate(where, scope), False)
        if kind == "hit":
            return holds
        assert column is not None
        told = evaluate(column if kind == "value" else _on_row(self.met, column), scope)
        return told if where is None else holds.ifelse(told, None)


@dataclass(frozen=True)
class RowScope:
    """What columns stand for in a condition on one row."""

    schema: Schema
    resolve: Callable[[ColumnValue], Any]

    def column(self, node: ColumnValue) -> Any:
        """Return the Ibis value of a column that the row reaches."""
        return self.resolve(node)

    def aggregate(self, node: Aggregate) -> Any:
        """Refuse: the checker lets no aggregate stand inside another."""
        raise InvariantError("DATA090", f"an aggregate of {node.table} stands inside a row's condition.")


def target_parts(query: Query) -> tuple[TargetPart, ...]:
    """Return the aggregates of the target, left to right, then those of ASSUMING."""
    found: list[tuple[Aggregate, Any]] = []
    _find(query.target, None, found)
    num_target = len(found)
    _find(query.assuming, None, found)
    nothing = Offset(0)
    ends = [a.window.end if a.window else nothing for a, _ in found[:num_target]]
    horizon = query.task.horizon or max(ends, key=lambda e: e.nominal_us, default=nothing)
    return tuple(
        TargetPart(aggregate, horizon, met, i >= num_target) for i, (aggregate, met) in enumerate(found)
    )


def _find(node: Any, met: Any, found: list[tuple[Aggregate, Any]]) -> None:
    if isinstance(node, Aggregate):
        found.append((node, met))
    elif isinstance(node, Comparison):
        alone = isinstance(node.left, Aggregate) and isinstance(node.right, Literal)
        _find(node.left, node if alone else None, found)
        _find(node.right, None, found)
    elif isinstance(node, (InList, TextMatch)):
        _find(node.operand, node if isinstance(node.operand, Aggregate) else None, found)
    elif isinstance(node, (IsNull, Not)):
        _find(node.operand, None, found)
    elif isinstance(node, Arithmetic):
        _find(node.left, None, found)
        _find(node.right, None, found)
    elif isinstance(node, (And, Or)):
        for operand in node.operands:
            _find(operand, None, found)


def _on_row(met: Any, column: ColumnValue) -> Condition:
    """Put the aggregated column in the place of its aggregate."""
    if isinstance(met, Comparison):
        return Comparison(met.op, column, met.right)
    if isinstance(met, InList):
        return InList(column, met.values)
    return TextMatch(met.op, column, met.text)
