"""A date later than the row's own time: known only later, unless it is a plan or the end of a span."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weft.core import MICROSECONDS_PER_DAY, TIME, Dtype, Finding, Severity, Table
from weft.data.audit.context import AuditContext, by_day
from weft.data.profile.engine import epoch_us
from weft.data.profile.names import split_words
from weft.data.profile.times import is_end_of
from weft.data.profile.vocabulary import word_set

RULE = "later_than_row"
_MIN_ROWS = 20
_MIN_NOT_BEFORE = 0.95
_MIN_LATER = 0.05
_MIN_GAP_US = 60_000_000
_MIN_BEYOND = 0.002
_MIN_FILLED = 0.99
_RECORDS = word_set("last latest update updated modified modification changed edited accessed seen activity")
PLANS = word_set(
    "due deadline limit required estimated expected planned scheduled expiry expires expiration target "
    "forecast promised valid renewal next faellig geplant"
)


def find(context: AuditContext) -> Iterator[Finding]:
    """Compare every time of a row with when the row came to be."""
    for table in context.schema.tables:
        columns = [c.name for c in context.plain_columns(table) if c.dtype is Dtype.TIMESTAMP]
        if columns and context.num_timed(table.name):
            for column in columns:
                finding = _judge(context, table, column, _compare(context, table, column))
                if finding:
                    yield finding


def _compare(context: AuditContext, table: Table, column: str) -> dict[str, Any]:
    source = context.tables.table(table.name)
    source = source.filter([source[TIME].notnull(), source[column].notnull()])
    value, own = epoch_us(source[column]), epoch_us(source[TIME])
    is_by_day = context.is_by_day(table.name)
    rest = (
        context.tables.fetch(source.aggregate(rest=(value % MICROSECONDS_PER_DAY).max())).column(0)[0].as_py()
    )
    if is_by_day or rest == 0:
        gap = (by_day(value) - by_day(own)) * MICROSECONDS_PER_DAY
    else:
        gap = value - own
    end = context.data_end_us or 0
    row: dict[str, Any] = context.tables.fetch(
        source.aggregate(
            rows=source.count(),
            not_before=(gap >= 0).cast("float64").mean(),
            later=(gap >= _MIN_GAP_US).cast("float64").mean(),
            beyond=(value > end).cast("float64").mean(),
            equal=(gap == 0).cast("float64").mean(),
            median_us=gap.median(),
        )
    ).to_pylist()[0]
    return row


def _judge(context: AuditContext, table: Table, column: str, found: dict[str, Any]) -> Finding | None:
    rows = found["rows"]
    if rows < _MIN_ROWS or found["not_before"] < _MIN_NOT_BEFORE or found["later"] < _MIN_LATER:
        return None
    own = f"'{table.time_column}'" if table.time_column else "the time it takes from its parents"
    days = found["median_us"] / MICROSECONDS_PER_DAY
    evidence = (
        f"in {found['later']:.1%} of {rows:,} rows it is later than {own}, "
        f"and in {1 - found['not_before']:.1%} before it; half are at least {days:,.1f} days later"
    )
    if table.time_column and is_end_of(table.time_column, column):
        advice = (
            "it looks like the end of the row's span: set it as end_time_column, or drop it if it was no plan"
        )
        return _make(table, column, Severity.NOTE, evidence, advice, 0.6)
    words = set(split_words(column))
    # A plan is there from the start: in every row, never the row's own time, and past the end of the data.
    is_always = rows >= _MIN_FILLED * context.num_timed(table.name) and found["equal"] <= 1 - _MIN_FILLED
    if found["beyond"] >= _MIN_BEYOND and is_always and not words & _RECORDS:
        evidence += f"; every row has one, and {found['beyond']:.1%} lie beyond the newest row of any table"
        return _make(table, column, Severity.NOTE, evidence, "drop it if it was not planned beforehand", 0.5)
    if words & PLANS:
        advice = "its name says that it was planned; drop it if it was not"
        return _make(table, column, Severity.NOTE, evidence, advice, 0.5)
    advice = "it was not known when the row came to be: drop it, or give the time from which it may be used"
    return _make(table, column, Severity.ALARM, evidence, advice, min(1.0, 0.7 + 0.3 * found["later"]))


def _make(
    table: Table, column: str, severity: Severity, evidence: str, advice: str, confidence: float
) -> Finding:
    return Finding(RULE, severity, table.name, (column,), evidence, advice, confidence)
