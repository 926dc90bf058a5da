"""A tally that goes on counting: a parent's column that grows with what happens after the row came to be.

Reputation, views, likes received: no aggregate of the tables equals them, but entities that did more later
have more of it. A value written when the row came to be can lean towards the active, too; so only columns
that are shaped like a tally (whole, from 0 or 1 up, most small and few large) are looked at, and the tie must
be strong.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weft.core import Column, Dtype, Finding, Severity, Stype
from weft.data.audit.children import Floats, gather_children
from weft.data.audit.context import AuditContext, mean_ranks, rank_correlation

RULE = "follows_activity"
_MIN_RANK = 0.4
_MIN_ROWS = 500
_MIN_VALUES = 10
_TAIL = 1.5
_SPARSE = 0.2
_MIN_SOME = 20


def find(context: AuditContext) -> Iterator[Finding]:
    """Compare every tally of a parent, or beside it, with how many children came after its row."""
    best: dict[tuple[str, str], tuple[float, str, int]] = {}
    for link, table, side in context.described_links():
        columns = [c for c in context.plain_columns(table) if _is_whole(c)]
        if not columns or link.table == link.parent:
            continue
        children = gather_children(context, link, columns, side)
        for column in columns:
            tie, rows = _tie(children.columns[column.name], children.later)
            if tie > max(_MIN_RANK, best.get((table.name, column.name), (0.0, "", 0))[0]):
                best[table.name, column.name] = (tie, link.table, rows)
    for (name, column_name), (tie, child, rows) in best.items():
        yield Finding(
            RULE,
            Severity.ALARM,
            name,
            (column_name,),
            f"it grows with the rows of {child} that came after its own row (rank correlation {tie:.2f} in "
            f"{rows:,} rows) and is shaped like a tally",
            "it looks like a tally as of today: drop it, or keep it if it was written once",
            tie,
        )


def _is_whole(column: Column) -> bool:
    return column.dtype is Dtype.INT and column.stype is Stype.NUMERICAL


def _tie(values: Floats, later: Floats) -> tuple[float, int]:
    """Return the rank correlation where anything came later, 0 for what is no tally."""
    told = ~np.isnan(values) & (later > 0)
    known = values[~np.isnan(values)]
    if told.sum() < _MIN_ROWS or len(np.unique(known)) < _MIN_VALUES:
        return 0.0, 0
    if known.min() not in (0.0, 1.0) or not _is_tailed(known):
        return 0.0, 0
    return max(rank_correlation(values[told], later[told]), _sparse_tie(values[told], later[told])), int(
        told.sum()
    )


def _is_tailed(values: Floats) -> bool:
    """Say whether most are small and few large; of values that are mostly the least one, the others."""
    some = values[values > values.min()] if np.median(values) == values.min() else values
    return bool(some.mean() >= _TAIL * max(float(np.median(some)), 1.0))


def _sparse_tie(values: Floats, later: Floats) -> float:
    """Return how much more came after rows that have any of it, where few do: from -1 to 1.

    Of a tally that is mostly zero the ties keep the rank correlation low, however clear it is. This is
    Somers' D (1962) of what came later, with the column cut into none and some.
    """
    some = values > values.min()
    if not _MIN_SOME <= some.sum() <= _SPARSE * len(values):
        return 0.0
    ranks = mean_ranks(later)
    none = len(values) - some.sum()
    above = ranks[some].mean() - (some.sum() - 1) / 2
    # Two standard errors less, as few rows tell little.
    return float(2 * above / none - 1 - 2 / np.sqrt(3 * some.sum()))
