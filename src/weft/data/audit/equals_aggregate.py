"""A stored score or counter: a column that equals an aggregate of a parent's children over all time.

The column is the parent's own, or that of a table beside it with one row for each parent, such as a view of
totals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import Column, Dtype, Finding, Link, Severity, Stype, Table
from weft.data.audit.children import Aggregate, Children, Floats, gather_children
from weft.data.audit.context import AuditContext, is_number, rank_correlation

RULE = "equals_aggregate"
_MIN_EQUAL = 0.9
_MIN_RANK = 0.97
_MIN_RANKED_ROWS = 200
_MIN_RANKED_VALUES = 10
_MIN_ROWS = 30
_MIN_VALUES = 3
# Agreement beyond chance (Cohen 1960): columns that are nearly constant agree without meaning.
_MIN_KAPPA = 0.8
_MIN_LATER = 0.2
_MIN_WITH_CHILDREN = 0.99


@dataclass(frozen=True)
class _Match:
    words: str
    equal: float
    rows: int
    later: float
    is_equal: bool


def find(context: AuditContext) -> Iterator[Finding]:
    """Compare every plain number of a parent, or beside it, with what its children add up to."""
    best: dict[tuple[str, str], _Match] = {}
    grouped: dict[Link, str] = {}
    for link, table, side in context.described_links():
        columns = _candidates(context, table)
        if not columns:
            continue
        children = gather_children(context, link, columns, side)
        if not children.later.any():
            continue
        for column in columns:
            match = _best_match(children, column)
            known = best.get((table.name, column.name))
            if match and (known is None or match.equal > known.equal):
                best[table.name, column.name] = match
            if match and side and _is_grouped(context, children, table, side):
                grouped[side] = link.table
    for side, child in grouped.items():
        yield _finding_of_rows(context, side, child)
    for (name, column_name), match in best.items():
        yield _finding(name, column_name, match)


def _is_grouped(context: AuditContext, children: Children, table: Table, side: Link) -> bool:
    """Say whether rows of a table without a time are there only for parents that ever have children."""
    has_children = float(np.mean(children.number > 0))
    has_row = context.num_rows(table.name) / max(context.num_rows(side.parent), 1)
    return table.time_column is None and has_children >= _MIN_WITH_CHILDREN and has_row < _MIN_WITH_CHILDREN


def _finding_of_rows(context: AuditContext, side: Link, child: str) -> Finding:
    rows, parents = context.num_rows(side.table), context.num_rows(side.parent)
    return Finding(
        RULE,
        Severity.ALARM,
        side.table,
        side.columns,
        f"its {rows:,} rows add up {child} over all time and are there only for those of the {parents:,} "
        f"rows of {side.parent} that ever have any",
        "that a row is there tells what came later: drop it, or give the time from which it may be used",
        1.0,
    )


def _candidates(context: AuditContext, table: Table) -> list[Column]:
    has_time = table.time_column is not None
    return [
        c
        for c in context.plain_columns(table)
        if not context.is_constant(table.name, c.name)
        if (is_number(c) and c.stype in (Stype.NUMERICAL, Stype.CATEGORICAL))
        or (c.dtype is Dtype.TIMESTAMP and not has_time)
    ]


def _best_match(children: Children, column: Column) -> _Match | None:
    values = children.columns[column.name]
    if column.dtype is Dtype.TIMESTAMP:
        return _match_last(children, values)
    matches = [m for a in children.aggregates if (m := _match(children, values, a))]
    return max(matches, key=lambda m: (m.is_equal, m.equal), default=None)


def _match_last(children: Children, values: Floats) -> _Match | None:
    """A time of a parent without one that is the time of its newest child."""
    both = ~np.isnan(values) & ~np.isnan(children.last_us) & (children.moments >= 2)
    if both.sum() < _MIN_ROWS or len(np.unique(values[both])) < _MIN_VALUES:
        return None
    day = 86_400_000_000
    equal = float(np.mean(values[both] // day == children.last_us[both] // day))
    if equal < _MIN_EQUAL:
        return None
    return _Match(f"the newest time in {children.link.table}", equal, int(both.sum()), 1.0, True)


def _match(children: Children, values: Floats, aggregate: Aggregate) -> _Match | None:
    if aggregate.kind == "mean":
        told = ~np.isnan(values) & ~np.isnan(aggregate.values) & (children.moments >= 2)
        return _agree(children, values, aggregate, told)
    filled = np.nan_to_num(values)
    told = (filled != 0) | (aggregate.values != 0)
    if not _vanishes_without_children(children, filled):
        return None
    if aggregate.kind == "sum":
        told &= children.moments >= 2
    return _agree(children, filled, aggregate, told)


def _vanishes_without_children(children: Children, values: Floats) -> bool:
    """A counter is 0 before its first child; an amount that is paid later is not."""
    childless = children.number == 0
    return childless.sum() < 10 or float(np.mean(values[childless] != 0)) <= 0.1


def _agree(children: Children, values: Floats, aggregate: Aggregate, told: Any) -> _Match | None:
    rows = int(told.sum())
    if rows < _MIN_ROWS:
        return None
    stored, counted = values[told], aggregate.values[told]
    if len(np.unique(stored)) < _MIN_VALUES:
        return None
    later = float(np.mean(children.later[told & (children.number > 0)] > 0)) if children.later.any() else 0.0
    if later < _MIN_LATER:
        return None
    tolerance = 0.0051 + 1e-6 * np.abs(counted) if aggregate.kind in ("sum", "mean") else 1e-9
    equal = float(np.mean(np.abs(stored - counted) <= tolerance))
    if equal >= _MIN_EQUAL and _kappa(stored, counted, equal) >= _MIN_KAPPA:
        return _Match(aggregate.words, equal, rows, later, True)
    if rows >= _MIN_RANKED_ROWS and len(np.unique(stored)) >= _MIN_RANKED_VALUES:
        rank = rank_correlation(stored, counted)
        if rank >= _MIN_RANK:
            return _Match(aggregate.words, rank, rows, later, False)
    return None


def _kappa(stored: Floats, counted: Floats, equal: float) -> float:
    values, counts = np.unique(np.round(stored, 2), return_counts=True)
    others, other_counts = np.unique(np.round(counted, 2), return_counts=True)
    _, left, right = np.intersect1d(values, others, return_indices=True)
    chance = float(np.sum(counts[left] * other_counts[right])) / len(stored) ** 2
    return (equal - chance) / (1 - chance) if chance < 1 else 0.0


def _finding(table: str, column: str, match: _Match) -> Finding:
    how = (
        f"equals {match.words} over all time in {match.equal:.1%}"
        if match.is_equal
        else f"follows {match.words} over all time (rank correlation {match.equal:.3f})"
    )
    share = f" of {match.rows:,} rows where either is not 0" if match.is_equal else f" in {match.rows:,} rows"
    return Finding(
        RULE,
        Severity.ALARM,
        table,
        (column,),
        f"it {how}{share}; {match.later:.0%} of them have children later than themselves",
        "it was not known when the row came to be: drop it, or give the time from which it may be used",
        min(1.0, match.equal),
    )
