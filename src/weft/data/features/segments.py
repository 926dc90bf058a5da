"""Rows sorted by key and time, and sums over slices of them, for all seeds at once.

Why numpy and not one GROUP BY: a seed is an (entity, instant) pair, and an entity with many anchors would
have its rows joined again for every anchor and every window. Over rows sorted once, a window is a pair of
positions, and a sum over it is one subtraction, so the cost is rows + seeds instead of rows × anchors.

Sums restart at each key. What a seed gets is therefore a function of the rows of its own key up to its own
cutoff, to the last bit: rows that come later, or belong to others, cannot change a rounding.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_EXACT = 2.0**53  # below it whole numbers and their sums are exact in float64 too


@dataclass(frozen=True)
class Slices:
    """Half-open ranges of rows, one per seed; ``first`` is where the seed's key begins."""

    first: Ints
    starts: Ints
    stops: Ints

    @property
    def sizes(self) -> Ints:
        """Number of rows of each slice."""
        return self.stops - self.starts

    def last(self, k: int) -> Slices:
        """Return the last ``k`` rows of each slice."""
        return Slices(self.first, np.maximum(self.starts, self.stops - k), self.stops)


class Segments:
    """Where the keys begin in sorted rows, and running totals that restart there.

    Args:
        keys: Shape ``(num_rows,)``, ascending.
    """

    def __init__(self, keys: Ints) -> None:
        self.num_rows = len(keys)
        new = np.ones(len(keys), bool)
        new[1:] = keys[1:] != keys[:-1]
        self.starts = np.flatnonzero(new)
        self.lengths = np.diff(np.append(self.starts, len(keys)))

    @functools.cached_property
    def first_of_row(self) -> Ints:
        """Shape ``(num_rows,)``: the position at which the row's key begins."""
        return np.repeat(self.starts, self.lengths)

    @functools.cached_property
    def _blocks(self) -> list[tuple[Ints, Bools]]:
        """Keys of similar length as rows of one padded matrix, at most twice their size."""
        blocks = []
        order = np.ceil(np.log2(np.maximum(self.lengths, 1))).astype(np.int64)
        for power in np.unique(order):
            chosen = order == power
            lengths = self.lengths[chosen]
            steps = np.arange(lengths.max())
            at = self.starts[chosen][:, None] + steps
            inside = steps < lengths[:, None]
            blocks.append((np.minimum(at, self.num_rows - 1), inside))
        return blocks

    def accumulate(self, values: npt.NDArray[Any], ufunc: np.ufunc = np.add) -> npt.NDArray[Any]:
        """Return running totals (or minima, maxima) of ``values`` that restart at each key."""
        result = np.empty_like(values)
        for at, inside in self._blocks:
            result[at[inside]] = ufunc.accumulate(values[at], axis=1)[inside]
        return result

    def running_sum(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return running sums that restart at each key, exact for whole numbers."""
        if self.num_rows and values.dtype.kind == "f":
            largest = float(np.abs(values).max())
            if largest * self.num_rows >= _EXACT or not np.array_equal(values, np.trunc(values)):
                return self.accumulate(values)
        total = np.cumsum(values.astype(np.int64))
        total -= np.repeat(total[self.starts] - values[self.starts].astype(np.int64), self.lengths)
        return total


def sum_slices(running: npt.NDArray[Any], slices: Slices) -> npt.NDArray[Any]:
    """Sum over slices from the running sums that restart at each key; 0 for an empty slice."""
    if len(running) == 0:
        return np.zeros(len(slices.stops), running.dtype)
    high = running[np.maximum(slices.stops - 1, 0)]
    low = np.where(slices.starts > slices.first, running[np.maximum(slices.starts - 1, 0)], 0)
    return np.where(slices.stops > slices.starts, high - low, 0)


def reduce_slices(values: Floats, slices: Slices, ufunc: np.ufunc) -> Floats:
    """Reduce each slice by minimum or maximum; NaN for an empty slice."""
    result = np.full(len(slices.stops), np.nan)
    some = np.flatnonzero(slices.stops > slices.starts)
    if len(some):
        edges = np.column_stack([slices.starts[some], slices.stops[some]]).ravel()
        result[some] = ufunc.reduceat(np.append(values, 0.0), edges)[::2]
    return result


def find_after(times: Ints, low: Ints, high: Ints, instants: Ints) -> Ints:
    """Return for each ``[low, high)`` the first position whose time is later than the instant."""
    low, high = low.copy(), high.copy()
    if len(times) == 0:
        return low
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        seen = open_ & (times[np.minimum(middle, len(times) - 1)] <= instants)
        low = np.where(seen, middle + 1, low)
        high = np.where(open_ & ~seen, middle, high)
    return low
