"""The columns of a linear model: features spread evenly, marks for what is missing and for categories."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from weft.core import Feature, FeatureKind, one_blas_thread
from weft.learn.encoder import UNKNOWN_CODE

_NUM_KNOTS = 33
_MOST_CODES = 12
_CHUNK_ROWS = 8_192


@dataclass(frozen=True)
class Term:
    """One column of the design.

    Attributes:
        feature: Position of the feature.
        knots: Ascending quantiles of train that spread a number like a normal variable; empty for marks.
        code: The category that is marked by 1; ``None`` for others.
        is_missing: Marks rows where the number is missing by 1.
    """

    feature: int
    knots: tuple[float, ...] = ()
    code: int | None = None
    is_missing: bool = False

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Compute the column from the values of the feature; a missing number is in the middle."""
        if self.code is not None:
            return np.asarray(values == self.code, dtype=np.float64)
        missing = np.isnan(values)
        if self.is_missing:
            return np.asarray(missing, dtype=np.float64)
        places = np.interp(np.where(missing, 0, values), self.knots, _normal_scores(len(self.knots)))
        return np.where(missing, 0.0, places)


def list_terms(position: int, feature: Feature, values: np.ndarray) -> list[Term]:
    """Make the terms of one feature from its values on train."""
    if feature.kind is FeatureKind.CATEGORICAL:
        codes, counts = np.unique(values, return_counts=True)
        if len(codes) < 2:
            return []
        frequent = codes[np.argsort(-counts, kind="stable")][:_MOST_CODES]
        return [Term(position, code=int(c)) for c in sorted(frequent) if c != UNKNOWN_CODE]
    known = values[np.isfinite(values)].astype(np.float64)
    terms = []
    if len(known) and known.min() < known.max():
        grid = np.unique(np.quantile(known, np.linspace(0, 1, _NUM_KNOTS)))
        terms.append(Term(position, knots=tuple(grid.tolist())))
    if 0 < len(known) < len(values):
        terms.append(Term(position, is_missing=True))
    return terms


def design(
    terms: Sequence[Term], matrix: np.ndarray, means: np.ndarray, rows: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """Compute the columns of the terms less their means for some rows, float32 ``(n, terms)``."""
    num = len(matrix[:, 0][rows])
    columns = np.empty((num, len(terms)), dtype=np.float32, order="F")
    for place, term in enumerate(terms):
        columns[:, place] = term.apply(matrix[:, term.feature][rows]) - means[place]
    return columns


def add_up(terms: Sequence[Term], matrix: np.ndarray, means: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sums, float64 ``(n, outputs)``; the last row of ``weights`` is the offset."""
    total = np.empty((len(matrix), weights.shape[1]))
    with one_blas_thread():
        for rows, columns in design_chunks(terms, matrix, means):
            total[rows] = columns.astype(np.float64) @ weights[:-1] + weights[-1]
    return total


def design_chunks(
    terms: Sequence[Term], matrix: np.ndarray, means: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Compute the design some rows at a time, so that it is never in memory as a whole."""
    for start in range(0, len(matrix), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        yield rows, design(terms, matrix, means, rows)


def strength(term: Term, values: np.ndarray, goals: np.ndarray) -> float:
    """Return the largest correlation of a term with the goals, ``(n, outputs)`` less their means."""
    column = term.apply(values)
    column = column - column.mean()
    spread = np.sqrt((column @ column) * (goals**2).sum(axis=0))
    return float((np.abs(column @ goals) / np.where(spread > 0, spread, np.inf)).max())


@functools.cache
def _normal_scores(num: int) -> np.ndarray:
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / num) for i in range(num)])
