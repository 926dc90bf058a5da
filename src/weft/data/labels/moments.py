"""The moments at which a query is evaluated, and which rows fall into their windows.

A moment is an anchor, for forecasting an anchor and a coming frame; it has a number. Rows are matched to
windows by way of cells: the spans between neighboring window bounds, each in the same windows from its
start to its end. A row finds its cell by an equality join on a coarse time bucket, so that a fact is
compared with a few bounds and not with every anchor.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyarrow as pa

from weft.core import Offset, to_datetime
from weft.data.labels.horizon import BEGIN_US, shift
from weft.data.tables import Tables
from weft.pql.query import Window

_NUMBERS = itertools.count()
_SECOND = 1_000_000


@dataclass(frozen=True)
class Moment:
    """One anchor and one coming frame, the first of which is 0."""

    anchor_us: int
    frame: int = 0


@dataclass(frozen=True)
class Cells:
    """How the rows of a table reach the moments in whose window they are.

    Attributes:
        cells: Ibis table ``bucket, low, high, cell``, and where no windows overlap ``moment, sight``.
        windows: Ibis table ``cell, moment, sight``; ``None`` where no windows overlap.
        origin_s: Seconds since 1970 at which bucket 0 starts.
        width_s: Length of a bucket.
        num_buckets: Rows outside the buckets are counted to the first or last.
        low_us: Rows at or before this instant are in no window; ``None`` when windows start at -INF.
        high_us: Rows after this instant are in no window.
    """

    cells: Any
    windows: Any | None
    origin_s: int
    width_s: int
    num_buckets: int
    low_us: int | None
    high_us: int


class Moments:
    """Moments in order, with the small tables that join rows to them.

    Args:
        tables: Whose engine holds the small tables.
        moments: By anchor, then frame.
        frame: Length of one frame, for more than one.
    """

    def __init__(self, tables: Tables, moments: Iterable[Moment], frame: Offset | None = None) -> None:
        self.moments = tuple(moments)
        self._backend = tables.backend
        self._frame = frame
        self._made: list[str] = []
        self._cells: dict[tuple[Window, bool], Cells] = {}

    def __enter__(self) -> Moments:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._made:
            self._backend.raw_sql(f'DROP TABLE "{name}"')
        self._made.clear()

    def table(self) -> Any:
        """Return the moments as an Ibis table ``moment, anchor``."""
        return self._store(
            {
                "moment": pa.array(range(len(self.moments)), pa.int64()),
                "anchor": _times([m.anchor_us for m in self.moments]),
            }
        )

    def cells(self, window: Window, *, by_frame: bool) -> Cells:
        """Return the cells of a window around every moment; ``by_frame`` moves it on with the frame."""
        key = (window, by_frame and self._frame is not None)
        if key not in self._cells:
            self._cells[key] = self._make_cells(*key)
        return self._cells[key]

    def is_disjoint(self, window: Window, *, by_frame: bool) -> bool:
        """Return whether no row can be in the windows of two moments."""
        return self.cells(window, by_frame=by_frame).windows is None

    def find_cells(self, rows: Any, window: Window, *, by_frame: bool) -> Any:
        """Add ``cell`` to rows with a time ``t``, and ``moment, sight`` where windows are disjoint.

        Rows in no window are left out.
        """
        import ibis

        cells = self.cells(window, by_frame=by_frame)
        rows = rows.filter(rows["t"] <= _instant(cells.high_us))
        if cells.low_us is not None:
            rows = rows.filter(rows["t"] > _instant(cells.low_us))
        bucket = (rows["t"].epoch_seconds().cast("int64") - cells.origin_s) // cells.width_s
        last = cells.num_buckets - 1
        rows = rows.mutate(row_bucket=ibis.greatest(ibis.least(bucket, last), 0).cast("int64"))
        right = cells.cells
        inside = [rows["row_bucket"] == right["bucket"], rows["t"] > right["low"], rows["t"] <= right["high"]]
        return rows.join(right, inside)

    def spread(self, partials: Any, window: Window, *, by_frame: bool) -> Any:
        """Turn each row with a ``cell`` into one per window that covers it, with ``moment, sight``."""
        cells = self.cells(window, by_frame=by_frame)
        return partials if cells.windows is None else partials.join(cells.windows, "cell")

    def match(self, rows: Any, window: Window, *, by_frame: bool) -> Any:
        """Join rows with a time ``t`` to every moment in whose window they are."""
        return self.spread(self.find_cells(rows, window, by_frame=by_frame), window, by_frame=by_frame)

    def _make_cells(self, window: Window, by_frame: bool) -> Cells:
        spans = [self._span(moment, window, by_frame) for moment in self.moments]
        bounds = sorted({bound for span in spans for bound in span})
        covers = [(bisect.bisect_left(bounds, low), bisect.bisect_left(bounds, high)) for low, high in spans]
        sights = [max(m.anchor_us, high) for m, (_, high) in zip(self.moments, spans, strict=True)]
        pairs = [(cell, moment) for moment, cover in enumerate(covers) for cell in range(*cover)]
        is_disjoint = len({cell for cell, _ in pairs}) == len(pairs)
        finite = [b for b in bounds if b > BEGIN_US] or bounds[-1:]
        origin_s = finite[0] // _SECOND
        width_s = max(1, -(-(finite[-1] // _SECOND - origin_s) // len(bounds)))
        num_buckets = (finite[-1] // _SECOND - origin_s) // width_s + 1
        rows = _bucketed(sorted({cell for cell, _ in pairs}), bounds, origin_s, width_s, num_buckets)
        columns = {
            "bucket": pa.array([bucket for _, bucket in rows], pa.int64()),
            "low": _times([bounds[cell] for cell, _ in rows]),
            "high": _times([bounds[cell + 1] for cell, _ in rows]),
            "cell": pa.array([cell for cell, _ in rows], pa.int64()),
        }
        windows = None
        if is_disjoint:
            moment_by_cell = dict(pairs)
            moments = [moment_by_cell[cell] for cell, _ in rows]
            columns |= {
                "moment": pa.array(moments, pa.int64()),
                "sight": _times([sights[moment] for moment in moments]),
            }
        else:
            windows = self._store(
                {
                    "cell": pa.array([cell for cell, _ in pairs], pa.int64()),
                    "moment": pa.array([moment for _, moment in pairs], pa.int64()),
                    "sight": _times([sights[moment] for _, moment in pairs]),
                }
            )
        low_us = None if window.start is None else bounds[0]
        return Cells(self._store(columns), windows, origin_s, width_s, num_buckets, low_us, bounds[-1])

    def _span(self, moment: Moment, window: Window, by_frame: bool) -> tuple[int, int]:
        later = moment.frame if by_frame else 0
        end = self._moved(window.end, later)
        if window.start is None:
            return BEGIN_US, shift(end, moment.anchor_us)
        return shift(self._moved(window.start, later), moment.anchor_us), shift(end, moment.anchor_us)

    def _moved(self, offset: Offset, frames: int) -> Offset:
        if not frames or self._frame is None:
            return offset
        # A bound of zero has no unit of its own to keep: 0 days and one month make a month.
        unit = offset.unit if offset.value else self._frame.unit
        return Offset(offset.value + frames * self._frame.value, unit)

    def _store(self, columns: dict[str, pa.Array]) -> Any:
        import ibis

        table = pa.table(columns)
        name = f"weft_moments_{next(_NUMBERS)}"
        self._backend.create_table(name, schema=ibis.Schema.from_pyarrow(table.schema))
        self._made.append(name)
        self._backend.insert(name, table)
        return self._backend.table(name)


def _bucketed(
    cells: list[int], bounds: list[int], origin_s: int, width_s: int, num_buckets: int
) -> list[tuple[int, int]]:
    """Pair each cell with the buckets its rows may lie in, one more on either side.

    The margin makes up for back ends that divide in floating point.
    """
    found = []
    for cell in cells:
        first, last = (
            min(max((b // _SECOND - origin_s) // width_s, 0), num_buckets - 1)
            for b in (bounds[cell], bounds[cell + 1])
        )
        around = range(max(first - 1, 0), min(last + 2, num_buckets))
        found += [(cell, bucket) for bucket in around]
    return found


def _instant(time_us: int) -> Any:
    import ibis

    return ibis.literal(to_datetime(time_us).replace(tzinfo=None), type="timestamp(6)")


def _times(micros: list[int]) -> pa.Array:
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us"))
