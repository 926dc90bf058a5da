"""Encoders of numbers. Missing numbers become the middle, and a mark of their own where train has any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from weft.learn.encoders.column import FIRST, MISSING, Array, Encoded, Plain, RawColumn

_FARTHEST = 5.0


@dataclass(frozen=True)
class _Scaled(Plain):
    """Numbers minus a middle, over a scale, within ±5."""

    middle: float
    scale: float
    has_missing: bool

    @property
    def width(self) -> int:
        """The number, and the mark of a missing one."""
        return 1 + self.has_missing

    def encode(self, values: Array) -> Encoded:
        """Scale the numbers."""
        numbers = RawColumn(values).numbers()
        scaled = np.clip((numbers - self.middle) / self.scale, -_FARTHEST, _FARTHEST)
        return _with_mark(np.nan_to_num(scaled, nan=0.0)[:, None], numbers, self.has_missing)


@dataclass(frozen=True)
class StandardNumbers(_Scaled):
    """Numbers by their mean and standard deviation."""

    @classmethod
    def fit(cls, raw: RawColumn) -> Self:
        """Learn the mean and the standard deviation."""
        numbers = raw.numbers()
        known = numbers[~np.isnan(numbers)]
        if not len(known):
            return cls(0.0, 1.0, True)
        return cls(float(known.mean()), float(known.std()) or 1.0, len(known) < len(numbers))


@dataclass(frozen=True)
class RobustNumbers(_Scaled):
    """Numbers by their median and the distance of the quartiles, which a few huge ones do not move."""

    @classmethod
    def fit(cls, raw: RawColumn) -> Self:
        """Learn the median and the quartiles."""
        numbers = raw.numbers()
        known = numbers[~np.isnan(numbers)]
        if not len(known):
            return cls(0.0, 1.0, True)
        low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
        scale = float(high - low) / 1.349 or float(known.std()) or 1.0
        return cls(float(middle), scale, len(known) < len(numbers))


@dataclass(frozen=True)
class _Cut(Plain):
    """Numbers by where they lie among quantiles of train."""

    edges: tuple[float, ...]
    has_missing: bool

    @classmethod
    def fit(cls, raw: RawColumn, num_bins: int = 8) -> Self:
        """Learn the edges of equally full bins; equal edges are one."""
        numbers = raw.numbers()
        known = numbers[~np.isnan(numbers)]
        if not len(known):
            return cls((0.0, 1.0), True)
        edges = np.unique(np.quantile(known, np.linspace(0, 1, num_bins + 1)))
        if len(edges) < 2:
            edges = np.array([edges[0], edges[0] + max(1.0, abs(edges[0]))])
        return cls(tuple(edges.tolist()), len(known) < len(numbers))


@dataclass(frozen=True)
class QuantileBins(_Cut):
    """Numbers as the code of their bin."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Missing, never used, and the bins."""
        return (FIRST + len(self.edges) - 1,)

    def encode(self, values: Array) -> Encoded:
        """Find the bins."""
        numbers = RawColumn(values).numbers()
        bins = np.searchsorted(np.asarray(self.edges[1:-1]), numbers, side="right") + FIRST
        return Encoded.of(len(values), codes=np.where(np.isnan(numbers), MISSING, bins)[:, None])


@dataclass(frozen=True)
class PiecewiseLinear(_Cut):
    """Numbers as how far each bin is filled, so that a layer bends at every quantile (Gorishniy, 2022)."""

    @property
    def width(self) -> int:
        """A number per bin, and the mark of a missing one."""
        return len(self.edges) - 1 + self.has_missing

    def encode(self, values: Array) -> Encoded:
        """Fill the bins from below."""
        numbers = RawColumn(values).numbers()
        edges = np.asarray(self.edges)
        filled = np.clip((numbers[:, None] - edges[:-1]) / np.diff(edges), 0.0, 1.0)
        return _with_mark(np.nan_to_num(filled - 0.5, nan=0.0), numbers, self.has_missing)


@dataclass(frozen=True)
class Vectors(Plain):
    """Stored embeddings, each dimension by its mean and standard deviation."""

    middle: tuple[float, ...]
    scale: float
    has_missing: bool

    @property
    def width(self) -> int:
        """The dimensions, and the mark of a missing vector."""
        return len(self.middle) + self.has_missing

    @classmethod
    def fit(cls, raw: RawColumn) -> Vectors:
        """Learn the mean of each dimension and one scale for all, so that directions stay."""
        known = raw.values[~raw.is_missing].astype(np.float64)
        if not len(known):
            return cls((0.0,) * raw.values.shape[1], 1.0, True)
        middle = np.nan_to_num(known).mean(axis=0)
        scale = float(np.nan_to_num(known - middle).std()) or 1.0
        return cls(tuple(middle.tolist()), scale, len(known) < len(raw.values))

    def encode(self, values: Array) -> Encoded:
        """Scale the vectors; a missing one is the mean."""
        scaled = np.clip((values - np.asarray(self.middle)) / self.scale, -_FARTHEST, _FARTHEST)
        missing = np.where(RawColumn(values).is_missing, np.nan, 0.0)
        return _with_mark(np.nan_to_num(scaled, nan=0.0), missing, self.has_missing)


def _with_mark(dense: Array, numbers: Array, has_missing: bool) -> Encoded:
    if has_missing:
        dense = np.concatenate([dense, np.isnan(numbers)[:, None]], axis=1)
    return Encoded.of(len(dense), dense=dense.astype(np.float32))
