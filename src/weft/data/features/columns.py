"""Columns of sorted rows, with the running totals that their aggregates share."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weft.data.features.segments import (
    Bools,
    Floats,
    Ints,
    Segments,
    Slices,
    reduce_slices,
    sum_slices,
)


class Numbers:
    """A numerical column; NaN is null.

    Squares are taken around the key's first value, so that a large mean does not swamp a small spread.
    """

    def __init__(self, values: Floats, segments: Segments) -> None:
        self.values = values
        self.segments = segments

    @functools.cached_property
    def valid(self) -> Bools:
        """Which rows are not null."""
        return ~np.isnan(self.values)

    @functools.cached_property
    def _counts(self) -> Ints:
        return self.segments.running_sum(self.valid)

    @functools.cached_property
    def _origin(self) -> Floats:
        """The first value of each row's key."""
        found = np.where(self.valid, np.arange(len(self.values)), len(self.values))
        firsts = np.minimum.reduceat(found, self.segments.starts) if len(found) else found
        values = np.append(self.values, 0.0)[np.minimum(firsts, len(self.values))]
        return np.repeat(values, self.segments.lengths)

    @functools.cached_property
    def _filled(self) -> Floats:
        return np.where(self.valid, self.values - self._origin, 0.0)

    @functools.cached_property
    def _sums(self) -> npt.NDArray[Any]:
        return self.segments.running_sum(self._filled)

    @functools.cached_property
    def _squares(self) -> npt.NDArray[Any]:
        return self.segments.running_sum(np.square(self._filled))

    def count(self, slices: Slices) -> Floats:
        """Count the values that are not null."""
        return sum_slices(self._counts, slices).astype(np.float64)

    def mean(self, slices: Slices) -> Floats:
        """Return the mean of the values; NaN where there is none."""
        count = self.count(slices)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._origin_of(slices) + sum_slices(self._sums, slices) / _positive(count)

    def sum(self, slices: Slices) -> Floats:
        """Return the sum of the values; 0 where there is none."""
        count = self.count(slices)
        return np.where(count > 0, sum_slices(self._sums, slices) + count * self._origin_of(slices), 0.0)

    def std(self, slices: Slices) -> Floats:
        """Return the sample deviation; NaN for fewer than two values."""
        count = self.count(slices)
        enough = np.where(count > 1, count, np.nan)
        total = sum_slices(self._sums, slices)
        spread = sum_slices(self._squares, slices) - total * (total / enough)
        # What is left of a spread of zero after rounding must not become a tiny positive number.
        spread = np.where(spread > 1e-9 * np.abs(sum_slices(self._squares, slices)), spread, 0.0)
        return np.asarray(np.sqrt(np.where(np.isnan(enough), np.nan, spread) / (enough - 1)))

    def minimum(self, slices: Slices) -> Floats:
        """Return the smallest value; NaN where there is none."""
        return self._extreme(slices, np.minimum, self._for_minimum)

    def maximum(self, slices: Slices) -> Floats:
        """Return the largest value; NaN where there is none."""
        return self._extreme(slices, np.maximum, self._for_maximum)

    def at(self, position: Ints, inside: Bools) -> Floats:
        """Return the values at positions; NaN where not ``inside``."""
        result = np.full(len(position), np.nan)
        result[inside] = self.values[position[inside]]
        return result

    def recent(self, slices: Slices, k: int) -> Floats:
        """Return the last ``k`` values, newest first, shape ``(num_seeds, k)``; NaN is none."""
        at = slices.stops[:, None] - 1 - np.arange(k)
        inside = at >= slices.starts[:, None]
        if len(self.values) == 0:
            return np.full(at.shape, np.nan)
        return np.where(inside, self.values[np.maximum(at, 0)], np.nan)

    @functools.cached_property
    def _for_minimum(self) -> Floats:
        return np.where(self.valid, self.values, np.inf)

    @functools.cached_property
    def _for_maximum(self) -> Floats:
        return np.where(self.valid, self.values, -np.inf)

    @functools.cached_property
    def _running_extremes(self) -> dict[str, Floats]:
        return {}

    def _extreme(self, slices: Slices, ufunc: np.ufunc, values: Floats) -> Floats:
        if len(values) == 0:
            return np.full(len(slices.stops), np.nan)
        if np.array_equal(slices.starts, slices.first):
            name = ufunc.__name__
            if name not in self._running_extremes:
                self._running_extremes[name] = self.segments.accumulate(values, ufunc)
            found = self._running_extremes[name][np.maximum(slices.stops - 1, 0)]
            found = np.where(slices.sizes > 0, found, np.nan)
        else:
            found = reduce_slices(values, slices, ufunc)
        return np.where(np.isfinite(found), found, np.nan)

    def _origin_of(self, slices: Slices) -> Floats:
        if len(self.values) == 0:
            return np.full(len(slices.stops), np.nan)
        return self._origin[np.minimum(slices.first, len(self.values) - 1)]


class Categories:
    """A categorical column as codes into its own words; -1 is null."""

    def __init__(self, codes: Ints, words: npt.NDArray[np.object_], segments: Segments) -> None:
        self.codes = codes
        self.words = words
        self.segments = segments
        self._indicators: dict[str, Numbers] = {}

    @staticmethod
    def encode(values: pa.Array | pa.ChunkedArray, segments: Segments) -> Categories:
        """Encode text; equal values get equal codes."""
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        encoded = values.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        words = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
        return Categories(codes, words, segments)

    def indicator(self, value: str) -> Numbers:
        """Return 1 where the value is ``value``, 0 where it is another, null where it is null."""
        if value not in self._indicators:
            found = np.flatnonzero(self.words[:-1] == value)
            code = int(found[0]) if len(found) else -2
            values = np.where(self.codes < 0, np.nan, (self.codes == code).astype(np.float64))
            self._indicators = {value: Numbers(values, self.segments)}
        return self._indicators[value]

    @functools.cached_property
    def _seen_before(self) -> Floats:
        """How often the row's value came before within its key; NaN for null."""
        order = np.lexsort((self.codes, self.segments.first_of_row))
        codes, firsts = self.codes[order], self.segments.first_of_row[order]
        new = np.ones(len(order), bool)
        new[1:] = (codes[1:] != codes[:-1]) | (firsts[1:] != firsts[:-1])
        begin = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        seen = np.empty(len(order))
        seen[order] = np.arange(len(order)) - begin
        return np.where(self.codes < 0, np.nan, seen)

    @functools.cached_property
    def _distinct(self) -> Numbers:
        return Numbers((self._seen_before == 0).astype(np.float64), self.segments)

    @functools.cached_property
    def _disorder(self) -> Numbers:
        """What each row adds to the sum of c·log c over the counts c of the values."""
        seen = np.nan_to_num(self._seen_before)
        more = (seen + 1) * np.log(seen + 1) - seen * np.log(np.maximum(seen, 1))
        return Numbers(np.where(self.codes < 0, np.nan, more), self.segments)

    @functools.cached_property
    def _leader(self) -> tuple[Ints, Floats]:
        """For each row the position where the most frequent value so far took the lead, and its count."""
        count = np.where(self.codes < 0, 0.0, np.nan_to_num(self._seen_before) + 1)
        best = self.segments.accumulate(count, np.maximum) if len(count) else count
        before = np.zeros(len(count))
        before[1:] = best[:-1]
        before[self.segments.starts] = -1.0
        rows = np.arange(len(count))
        return np.maximum.accumulate(np.where(best > before, rows, 0)), best

    def count(self, slices: Slices) -> Floats:
        """Count the values that are not null, over whole histories."""
        return self._disorder.count(slices)

    def distinct(self, slices: Slices) -> Floats:
        """Count the distinct values of whole histories."""
        return self._distinct.sum(slices)

    def entropy(self, slices: Slices) -> Floats:
        """Return the entropy (nats) of the values of whole histories; NaN where there is none."""
        count = _positive(self.count(slices))
        return np.maximum(np.log(count) - self._disorder.sum(slices) / count, 0.0)

    def mode(self, slices: Slices) -> npt.NDArray[np.object_]:
        """Return the most frequent value of whole histories; of equals the one that led first."""
        return self.words[np.where(self.mode_count(slices) > 0, self._mode_codes(slices), -1)]

    def mode_count(self, slices: Slices) -> Floats:
        """Return how often the most frequent value occurs."""
        if len(self.codes) == 0:
            return np.zeros(len(slices.stops))
        return np.where(slices.sizes > 0, self._leader[1][np.maximum(slices.stops - 1, 0)], 0.0)

    def last(self, slices: Slices) -> npt.NDArray[np.object_]:
        """Return the value of the last row."""
        if len(self.codes) == 0:
            return np.full(len(slices.stops), None, dtype=object)
        codes = np.where(slices.sizes > 0, self.codes[np.maximum(slices.stops - 1, 0)], -1)
        return self.words[codes]

    def _mode_codes(self, slices: Slices) -> Ints:
        if len(self.codes) == 0:
            return np.full(len(slices.stops), -1)
        return self.codes[self._leader[0][np.maximum(slices.stops - 1, 0)]]


def _positive(count: Floats) -> Floats:
    return np.where(count > 0, count, np.nan)
