"""A date of a row without a time of its own that is later than the first row that refers to it.

The row was there when it was first referred to. A date in it that lies after that, such as a last access or a
closing, was written later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weft.core import MICROSECONDS_PER_DAY, TIME, Dtype, Finding, Link, Severity
from weft.data.audit.context import AuditContext, by_day
from weft.data.audit.later_than_row import PLANS
from weft.data.profile.engine import epoch_us
from weft.data.profile.names import split_words

RULE = "later_than_use"
_MIN_ROWS = 50
_MIN_NOT_BEFORE = 0.95
_MIN_LATER = 0.3


def find(context: AuditContext) -> Iterator[Finding]:
    """Compare every date of a table without a time with when its rows were first referred to."""
    found: dict[tuple[str, str], Finding] = {}
    for link in context.timed_links():
        if context.num_timed(link.parent) or link.table == link.parent:
            continue
        table = context.schema.table(link.parent)
        for column in context.plain_columns(table):
            if column.dtype is Dtype.TIMESTAMP and (table.name, column.name) not in found:
                finding = _judge(context, link, column.name)
                if finding:
                    found[table.name, column.name] = finding
    yield from found.values()


def _judge(context: AuditContext, link: Link, column: str) -> Finding | None:
    seen = _compare(context, link, column)
    if (
        seen["rows"] < _MIN_ROWS
        or seen["not_before"] < _MIN_NOT_BEFORE
        or seen["later"] < _MIN_LATER
        or set(split_words(column)) & PLANS
    ):
        return None
    days = seen["median_us"] / MICROSECONDS_PER_DAY
    return Finding(
        RULE,
        Severity.ALARM,
        link.parent,
        (column,),
        f"in {seen['later']:.1%} of {seen['rows']:,} rows it is later than the first row of {link.table} "
        f"that refers to them, and in {1 - seen['not_before']:.1%} before it; "
        f"half are at least {days:,.1f} days later",
        "it was written after the row came to be: drop it, or give the time from which it may be used",
        min(1.0, 0.7 + 0.3 * seen["later"]),
    )


def _compare(context: AuditContext, link: Link, column: str) -> dict[str, Any]:
    parents, children = context.sampled(link.parent), context.tables.table(link.table)
    keys = [f"__k{i}" for i in range(len(link.columns))]
    timed = children.filter(children[TIME].notnull())
    right = timed.select(
        **{"__at": epoch_us(timed[TIME])},
        **{k: timed[c] for k, c in zip(keys, link.columns, strict=True)},
    )
    first = right.group_by(keys).aggregate(__first=right["__at"].min())
    left = parents.filter(parents[column].notnull())
    left = left.select(
        **{"__value": epoch_us(left[column])},
        **{k: left[c] for k, c in zip(keys, link.parent_columns, strict=True)},
    )
    both = left.inner_join(first, keys)
    gap = (by_day(both["__value"]) - by_day(both["__first"])) * MICROSECONDS_PER_DAY
    row: dict[str, Any] = context.tables.fetch(
        both.aggregate(
            rows=both.count(),
            not_before=(gap >= 0).cast("float64").mean(),
            later=(gap > 0).cast("float64").mean(),
            median_us=gap.median(),
        )
    ).to_pylist()[0]
    return row
