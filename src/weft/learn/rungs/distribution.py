"""The share of each class among the train rows with the same value of one feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.learn.data import Rows

# A category's code is its own bin; numbers are cut at quantiles of train.
MAX_BINS = 20


@dataclass(frozen=True)
class Distribution:
    """Class shares by bin of one feature.

    Attributes:
        feature: Position of the feature.
        edges: Ascending cuts between bins of a numerical feature; empty for a categorical one.
        shares: Per bin one share per class; bin 0 holds missing values.
        prior: The shares of all rows, for codes never seen.
    """

    feature: int
    edges: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]
    prior: tuple[float, ...]

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        """Predict the shares of each row's bin, shape ``(n, classes)``."""
        bins = assign_bins(matrix[:, self.feature], self.edges)
        table = np.vstack([np.asarray(self.shares), np.asarray(self.prior)])
        return np.asarray(table[np.minimum(bins, len(self.shares))])


def assign_bins(column: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Return the bin of each value: its code, or 1 + its place among the cuts, 0 for NaN."""
    if not edges:
        return np.asarray(np.nan_to_num(column).astype(np.int64))
    places = np.searchsorted(np.asarray(edges), column, side="right")
    return np.asarray(np.where(np.isnan(column), 0, 1 + places))


def find_edges(column: np.ndarray, num_bins: int = MAX_BINS) -> tuple[float, ...]:
    """Cut a numerical column at quantiles; each cut is a value that occurs.

    A column with a single value gets one cut, so that missing and present still differ.
    """
    known = column[np.isfinite(column)].astype(np.float64)
    if not len(known):
        return (0.0,)
    cuts = np.unique(np.quantile(known, np.arange(1, num_bins) / num_bins, method="higher"))
    return tuple(float(c) for c in cuts)


def fit_distribution(
    rows: Rows, feature: int, prior: np.ndarray, strength: float, edges: tuple[float, ...] = ()
) -> Distribution:
    """Count the classes of ``rows`` in each bin; the prior counts for ``strength`` rows."""
    bins = assign_bins(rows.matrix[:, feature], edges)
    num_bins = max(int(bins.max(initial=0)) + 1, len(edges) + 2 if edges else 1)
    counts = np.zeros((num_bins, len(prior)))
    values = rows.targets.values
    if values.ndim == 2:
        np.add.at(counts, bins, values)
    else:
        known = values >= 0
        np.add.at(counts, (bins[known], values[known]), 1)
    totals = np.bincount(bins, minlength=num_bins)[:, None]
    shares = (counts + strength * prior) / (totals + strength)
    return Distribution(
        feature, edges, tuple(tuple(row) for row in shares.tolist()), tuple(np.asarray(prior).tolist())
    )
