"""What a query looks at in time: the windows of its target, and what its history demands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weft.core import TIME, Offset, TaskType, UserError
from weft.data.labels.tree import aggregates
from weft.data.tables import Tables
from weft.pql.query import Aggregate, Query

BEGIN_US = -62_135_596_800_000_000
END_US = 253_402_300_799_999_999


def shift(offset: Offset, time_us: int, times: int = 1) -> int:
    """Return the instant ``times`` offsets after ``time_us``, kept within the years 1 to 9999."""
    whole = Offset(offset.value * times, offset.unit)
    try:
        moved = whole.after(time_us)
    except (OverflowError, ValueError):
        return END_US if whole.value > 0 else BEGIN_US
    return min(max(moved, BEGIN_US), END_US)


@dataclass(frozen=True)
class Horizon:
    """The windows of a query with windows, and the times of the tables they are over.

    Attributes:
        window: The longest window of the target, the default step.
        starts: Starts of the target's windows.
        ends: Ends of the windows of the target, its last frame, and ASSUMING.
        num_frames: Coming frames; 1 without FORECAST.
        first_fact_us: The earliest time of the tables that target and ASSUMING aggregate.
        last_fact_us: The smallest of their newest times.
        demanded_us: The first instant with a window of history before it and all that WHERE looks back on.
    """

    window: Offset
    starts: tuple[Offset, ...]
    ends: tuple[Offset, ...]
    num_frames: int
    first_fact_us: int
    last_fact_us: int
    demanded_us: int

    def end_us(self, anchor_us: int) -> int:
        """Return where the label window of an anchor ends."""
        return max(shift(end, anchor_us) for end in self.ends)

    def newest_anchor_us(self, last_us: int) -> int:
        """Return the newest anchor whose windows end by ``last_us``."""
        return min(shift(end, last_us, -1) for end in self.ends)


def horizon_of(query: Query, tables: Tables) -> Horizon:
    """Find what a query looks at in time.

    Raises:
        UserError: ``DATA072`` when a table that the target or ASSUMING aggregates has no times.
    """
    target = [a for a in aggregates(query.target) if a.window is not None]
    assumed = [a for a in aggregates(query.assuming) if a.window is not None]
    window = max((_length(a) for a in target), key=lambda length: length.nominal_us)
    num_frames = query.task.num_frames or 1 if query.task.type is TaskType.FORECASTING else 1
    later = Offset(window.value * (num_frames - 1), window.unit)
    ends = [_plus(_window_end(a), later) for a in target] + [_window_end(a) for a in assumed]
    times = {name: _fact_times(tables, name) for name in sorted({a.table for a in target + assumed})}
    first = min(times[a.table][0] for a in target + assumed)
    return Horizon(
        window=window,
        starts=_unique(a.window.start for a in target if a.window and a.window.start),
        ends=_unique(ends),
        num_frames=num_frames,
        first_fact_us=first,
        last_fact_us=min(newest for _, newest in times.values()),
        demanded_us=max([shift(window, first), *_looked_back(query, tables)]),
    )


def fact_end_us(query: Query, tables: Tables) -> int | None:
    """Return the last fact time of a query with windows; ``None`` when nothing it aggregates has a time."""
    names = {
        a.table for part in (query.target, query.assuming) for a in aggregates(part) if a.window is not None
    }
    return min((_fact_times(tables, name)[1] for name in sorted(names)), default=None)


def time_range_us(tables: Tables, name: str) -> tuple[int, int] | None:
    """Return the earliest and the newest effective time of a table, ``None`` where it has none."""
    table = tables.table(name)
    found: Any = tables.fetch(table.agg(first=table[TIME].min(), last=table[TIME].max()))
    first, last = (found.column(i).cast("int64").to_pylist()[0] for i in range(2))
    return None if first is None else (first, last)


def earliest_us(tables: Tables) -> int:
    """Return the earliest time in any table's time column."""
    names = [t.name for t in tables.schema.tables if t.time_column]
    ranges = [found for name in names if (found := time_range_us(tables, name))]
    return min((first for first, _ in ranges), default=BEGIN_US)


def newest_us(tables: Tables) -> int | None:
    """Return the newest time of the whole database, ``None`` where nothing has a time."""
    ranges = [found for t in tables.schema.tables if (found := time_range_us(tables, t.name))]
    return max((last for _, last in ranges), default=None)


def latest_us(last_fact_us: int, end_us: int | None) -> int:
    """Return the end of the usable facts: the last one, or the end of a given range before it."""
    return last_fact_us if end_us is None else min(last_fact_us, end_us)


def _fact_times(tables: Tables, name: str) -> tuple[int, int]:
    found = time_range_us(tables, name)
    if found is None:
        raise UserError(
            "DATA072",
            f"table '{name}', which the query aggregates over a window, holds no row with a time.",
            "check that the table is not empty and that its time column is the right one.",
        )
    return found


def _looked_back(query: Query, tables: Tables) -> Iterator[int]:
    for aggregate in aggregates(query.where):
        window = aggregate.window
        found = time_range_us(tables, aggregate.table) if window and window.start else None
        if window and window.start and found:
            yield shift(window.start, found[0], -1)


def _length(aggregate: Aggregate) -> Offset:
    window = aggregate.window
    assert window is not None and window.start is not None
    if window.start.unit is not window.end.unit:
        return window.end
    return Offset(window.end.value - window.start.value, window.end.unit)


def _window_end(aggregate: Aggregate) -> Offset:
    assert aggregate.window is not None
    return aggregate.window.end


def _plus(end: Offset, later: Offset) -> Offset:
    return Offset(end.value + later.value, end.unit) if later.value else end


def _unique(offsets: Any) -> tuple[Offset, ...]:
    return tuple(dict.fromkeys(offsets))
