"""A tally that goes on counting: a value that the newest rows hardly have yet.

Views, likes, downloads: nothing in the tables equals them, but what is counted while a row exists is small
for rows that came just now, and larger the older they are. A value that was written when its row came to be
may drift over the years; it does not fall off towards the end of the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from weft.core import ROW, TIME, Column, Dtype, Finding, Severity, Stype, Table
from weft.data.audit.context import AuditContext, as_floats
from weft.data.profile.engine import epoch_us

RULE = "grows_with_age"
_MIN_ROWS = 2_000
_TAIL = 1.5
# Shares of the rows, counted from the newest.
_NEWEST, _NEW, _OLD = (0.0, 0.02), (0.05, 0.15), (0.15, 0.5)
# How many times as often the older of two rows has the larger value, as it has the smaller one.
_MIN_ODDS, _MIN_EDGE_ODDS = 2.0, 1.4
# Standard errors by which the odds must be off one.
_MIN_Z = 4.0
_COLUMNS_AT_ONCE = 100

Floats = np.ndarray[Any, np.dtype[np.float64]]


def find(context: AuditContext) -> Iterator[Finding]:
    """Compare the newest rows of every table with a time with those before them."""
    for table in context.schema.tables:
        columns = [c for c in context.plain_columns(table) if _is_whole(c)]
        if table.time_column is None or context.num_timed(table.name) < _MIN_ROWS:
            continue
        for start in range(0, len(columns), _COLUMNS_AT_ONCE):
            yield from _compare(context, table, columns[start : start + _COLUMNS_AT_ONCE])


def _is_whole(column: Column) -> bool:
    return column.dtype is Dtype.INT and column.stype is Stype.NUMERICAL


def _compare(context: AuditContext, table: Table, columns: list[Column]) -> Iterator[Finding]:
    sample = context.sampled(table.name)
    sample = sample.filter(sample[TIME].notnull())
    chosen = {f"__x{i}": sample[c.name].cast("float64") for i, c in enumerate(columns)}
    rows = context.tables.fetch(sample.select(__at=epoch_us(sample[TIME]), __row=sample[ROW], **chosen))
    newest_first = np.lexsort((as_floats(rows, "__row"), -as_floats(rows, "__at")))
    for place, column in enumerate(columns):
        values = as_floats(rows, f"__x{place}")[newest_first]
        values = values[np.isfinite(values)]
        if len(values) < _MIN_ROWS or not _is_tally(values):
            continue
        newest, new, old = (_part(values, *share) for share in (_NEWEST, _NEW, _OLD))
        odds, z = compare_parts(old, newest)
        edge_odds, _ = compare_parts(new, newest)
        if odds >= _MIN_ODDS and edge_odds >= _MIN_EDGE_ODDS and z >= _MIN_Z:
            yield _finding(table, column, odds, len(newest))


def _is_tally(values: Floats) -> bool:
    """Say whether values are shaped like a tally: from zero or little up, most of them small, few large."""
    return bool(values.min() >= 0 and values.mean() >= _TAIL * max(float(np.median(values)), 1.0))


def _part(values: Floats, start: float, stop: float) -> Floats:
    return values[int(start * len(values)) : int(stop * len(values))]


def compare_parts(older: Floats, newer: Floats) -> tuple[float, float]:
    """Return how often an older value exceeds a newer one, over how often it is below; and a z-score of it.

    Example:
        >>> odds, z = compare_parts(np.array([1.0, 2.0, 2.0]), np.array([1.0, 1.0, 3.0]))
        >>> odds
        1.25
    """
    ordered = np.sort(newer)
    above = float(np.searchsorted(ordered, older, "left").sum())
    below = float((len(newer) - np.searchsorted(ordered, older, "right")).sum())
    pairs = max(len(older) * len(newer), 1)
    # The variance of the Mann-Whitney statistic without ties bounds that with ties.
    error = np.sqrt((len(older) + len(newer) + 1) / (12 * pairs))
    return (above + 1) / (below + 1), (above - below) / pairs / 2 / error


def _finding(table: Table, column: Column, odds: float, num_newest: int) -> Finding:
    return Finding(
        RULE,
        Severity.ALARM,
        table.name,
        (column.name,),
        f"rows that are older than the newest {num_newest:,} of a sample have more of it {odds:.1f} times as "
        "often as less, and the rows just before these have, too",
        "it looks like a tally as of today: drop it, or keep it if it was written once",
        1 - 1 / odds,
    )
