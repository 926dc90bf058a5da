"""A key that points to later rows: what it refers to did not exist when the row came to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weft.core import TIME, Column, Dtype, Finding, Link, Severity, Stype, Table
from weft.data.audit.context import AuditContext, by_day
from weft.data.profile.engine import epoch_us
from weft.data.profile.names import key_stem, split_words

RULE = "points_to_later_rows"
_MIN_ROWS = 20
_ALARM_SHARE = 0.2
_NOTE_SHARE = 0.02
# Where the name says that only the latest value is kept, less is needed.
_NAMED_SHARE = 0.03
_LATEST = frozenset({"last", "latest", "current", "final", "newest", "letzte"})
_UNLINKED_SHARE = 0.8
_MIN_CONTAINED = 0.99
_MIN_VALUES = 30
_MAX_FILLED = 0.98


def find(context: AuditContext) -> Iterator[Finding]:
    """Compare the time of every row with that of the rows its keys point to, linked or not."""
    for link in context.schema.links:
        child, parent = context.schema.table(link.table), context.schema.table(link.parent)
        if child.time_column and context.num_timed(parent.name):
            found = _count_later(context, link)
            if found.matched >= _MIN_ROWS and found.later >= _NOTE_SHARE:
                yield _finding(found)
    for table in context.schema.tables:
        if table.time_column:
            for column in _unlinked(context, table):
                yield from _find_unlinked(context, table, column)


def _unlinked(context: AuditContext, table: Table) -> list[Column]:
    return [
        c
        for c in context.plain_columns(table)
        if c.dtype in (Dtype.INT, Dtype.STRING)
        and (c.stype is Stype.ID or (c.stype is Stype.NUMERICAL and key_stem(c.name) is not None))
    ]


def _find_unlinked(context: AuditContext, table: Table, column: Column) -> Iterator[Finding]:
    for parent in context.schema.tables:
        key = parent.primary_key
        if len(key) != 1 or not parent.time_column or parent.column(key[0]).dtype is not column.dtype:
            continue
        link = Link(table.name, (column.name,), parent.name, key)
        found = _count_later(context, link, context.sampled(table.name))
        is_contained = found.distinct >= _MIN_VALUES and found.matched >= _MIN_CONTAINED * found.keyed
        if is_contained and found.later >= _UNLINKED_SHARE:
            yield _finding(found)


@dataclass(frozen=True)
class _Count:
    """Rows of a child: all, with a key, with a parent, and the share of those whose parent came later."""

    link: Link
    rows: int
    keyed: int
    distinct: int
    matched: int
    later: float


def _count_later(context: AuditContext, link: Link, source: Any = None) -> _Count:
    child = context.tables.table(link.table) if source is None else source
    parent = context.tables.table(link.parent)
    keys = [f"k{i}" for i in range(len(link.columns))]
    left = child.select(
        own=epoch_us(child[TIME]), **{k: child[c] for k, c in zip(keys, link.columns, strict=True)}
    )
    right = parent.select(
        other=epoch_us(parent[TIME]),
        **{f"p{k}": parent[c] for k, c in zip(keys, link.parent_columns, strict=True)},
    )
    joined = left.left_join(right, [left[k] == right[f"p{k}"] for k in keys])
    own, other = joined.own, joined.other
    if context.is_by_day(link.table) or context.is_by_day(link.parent):
        own, other = by_day(own), by_day(other)
    row = context.tables.fetch(
        joined.aggregate(
            rows=joined.count(),
            keyed=joined.k0.count(),
            distinct=joined.k0.nunique(),
            matched=(other.notnull() & own.notnull()).sum(),
            later=(other > own).cast("float64").mean(),
        )
    ).to_pylist()[0]
    return _Count(
        link, row["rows"], row["keyed"], row["distinct"], int(row["matched"] or 0), row["later"] or 0.0
    )


def _finding(found: _Count) -> Finding:
    link, later = found.link, found.later
    is_latest = any(set(split_words(c)) & _LATEST for c in link.columns)
    # A reference that no row lacks was there when the row was written: then it is the parent that is
    # dated ahead, as a scheduled event is.
    is_filled_later = found.keyed < _MAX_FILLED * found.rows
    is_alarm = (later >= _ALARM_SHARE and is_filled_later) or (is_latest and later >= _NAMED_SHARE)
    evidence = f"in {later:.1%} of {found.matched:,} rows it points to a row of {link.parent} that came later"
    if is_latest and later < _ALARM_SHARE:
        evidence += ", and its name says that only the latest value is kept"
    elif is_alarm:
        evidence += f"; {1 - found.keyed / found.rows:.1%} of the rows have none yet"
    advice = (
        "it was not known when the row came to be: drop it, or give the time from which it may be used"
        if is_alarm
        else "a schedule, a clock or a merged row; rows not yet there at an anchor are not followed"
    )
    severity = Severity.ALARM if is_alarm else Severity.NOTE
    return Finding(RULE, severity, link.table, link.columns, evidence, advice, min(1.0, 0.5 + later))
