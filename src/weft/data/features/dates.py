"""Which dates of a row were known when the row came to be.

A row that is visible at a cutoff may hold a date that lies after it: a plan, known all along, or an event
that was written into the row when it happened. Read as it is, the second tells the future.
"""

from __future__ import annotations

from weft.core import TIME, Dtype, Table
from weft.data.profile.engine import epoch_us
from weft.data.profile.names import split_words
from weft.data.profile.times import is_end_of
from weft.data.profile.vocabulary import word_set
from weft.data.tables import Tables

_MIN_FILLED = 0.99
_MIN_BEYOND = 0.002
_RECORDS = word_set("last latest update updated modified modification changed edited accessed seen activity")


def planned_dates(tables: Tables) -> frozenset[tuple[str, str]]:
    """Return the pairs (table, column) of dates that may be read although they lie after the cutoff.

    A plan is there from the start, so nearly every row has one, and in some rows it lies beyond the newest
    row of any table, where nothing can have happened yet. Ends of the row's own span, and columns whose name
    speaks of a last change, are no plans. Where in doubt a date is none, so that it is null after the cutoff.
    """
    times = [tables.newest_time_us(t.name) for t in tables.schema.tables]
    end = max((t for t in times if t is not None), default=None)
    if end is None:
        return frozenset()
    found: set[tuple[str, str]] = set()
    for table in tables.schema.tables:
        columns = [
            c.name for c in table.columns if c.dtype is Dtype.TIMESTAMP and _may_be_plan(table, c.name)
        ]
        found |= {(table.name, c) for c in columns if _is_plan(tables, table.name, c, end)}
    return frozenset(found)


def _may_be_plan(table: Table, column: str) -> bool:
    if column in (table.time_column, table.end_time_column) or set(split_words(column)) & _RECORDS:
        return False
    return table.time_column is None or not is_end_of(table.time_column, column)


def _is_plan(tables: Tables, table: str, column: str, end_us: int) -> bool:
    source = tables.table(table)
    value = epoch_us(source[column])
    counts: dict[str, int] = tables.fetch(
        source.agg(
            rows=source.count(),
            filled=value.count(),
            beyond=(value > end_us).sum().fill_null(0),
            at_once=(value == epoch_us(source[TIME])).sum().fill_null(0),
        )
    ).to_pylist()[0]
    rows, beyond = counts["rows"], counts["beyond"]
    if counts["filled"] < _MIN_FILLED * rows or counts["at_once"] > (1 - _MIN_FILLED) * rows:
        return False
    if beyond < max(1, _MIN_BEYOND * rows):
        return False
    # One date in most rows, such as the end of 9999, stands for none.
    dates = source.select(value=value)
    alike = dates.filter(dates["value"] > end_us).group_by("value").agg(n=lambda t: t.count())
    most: int = tables.fetch(alike.agg(most=alike["n"].max()))["most"][0].as_py()
    return 2 * most <= beyond
