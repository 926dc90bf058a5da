"""Metrics of ranked lists, and the lists themselves.

A list is given as bool ``(n, k)``: whether the i-th item named for a row is true. How many items are true
in all is `Targets.num_true`. Rows without a true item are left out, as in RelBench (Robinson et al., 2024).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weft.core import TaskType
from weft.learn.metrics.metric import Metric, Needs, mean_metric
from weft.learn.targets import Targets

_RANKED = frozenset({TaskType.LINK_PREDICTION, TaskType.MULTILABEL_RANKING})


def average_precision_at(k: int, targets: Targets, named: np.ndarray) -> np.ndarray:
    """Return per row the mean precision at its true items, over ``min(k, true items)``."""
    top = named[:, :k].astype(np.float64)
    precision = np.cumsum(top, axis=1) / np.arange(1, top.shape[1] + 1)
    return _over((precision * top).sum(axis=1), np.minimum(targets.num_true, k))


def recall_at(k: int, targets: Targets, named: np.ndarray) -> np.ndarray:
    """Return per row the share of its true items that are named."""
    return _over(named[:, :k].sum(axis=1), targets.num_true)


def precision_at(k: int, targets: Targets, named: np.ndarray) -> np.ndarray:
    """Return per row the share of the ``k`` places that hold a true item."""
    return np.where(targets.num_true > 0, named[:, :k].sum(axis=1) / k, np.nan)


def hit_at(k: int, targets: Targets, named: np.ndarray) -> np.ndarray:
    """Return per row whether any true item is named."""
    return np.where(targets.num_true > 0, named[:, :k].any(axis=1), np.nan)


def ndcg_at(k: int, targets: Targets, named: np.ndarray) -> np.ndarray:
    """Return per row the discounted gain, over that of the best possible list."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    top = named[:, :k]
    best = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(targets.num_true, k)]
    return _over(top @ discounts[: top.shape[1]], best)


def reciprocal_rank(k: int, targets: Targets, named: np.ndarray) -> np.ndarray:
    """Return per row one over the place of the first true item, 0 if none is named."""
    top = named[:, :k]
    first = np.where(top.any(axis=1), 1 / (top.argmax(axis=1) + 1 if top.shape[1] else 1), 0.0)
    return np.where(targets.num_true > 0, first, np.nan)


_AT_K: dict[str, Callable[[int, Targets, np.ndarray], np.ndarray]] = {
    "map": average_precision_at,
    "recall": recall_at,
    "precision": precision_at,
    "hit": hit_at,
    "ndcg": ndcg_at,
    "mrr": reciprocal_rank,
}
RANKING_NAMES = tuple(f"{name}@k" for name in _AT_K)


def ranking_metric(name: str, k: int) -> Metric | None:
    """Make ``name@k``, such as ``map@12``; ``None`` when there is no such metric."""
    if name not in _AT_K or k < 1:
        return None
    per_row = _AT_K[name]
    weighted = mean_metric(lambda targets, named: per_row(k, targets, named))
    return Metric(f"{name}@{k}", Needs.RANKING, True, _RANKED, weighted, k=k)


def named_of_classes(scores: np.ndarray, values: np.ndarray, k: int) -> np.ndarray:
    """Rank the classes of each row by score and say which of the top ``k`` are true.

    Args:
        scores: Shape ``(n, classes)``; ties go to the class listed first.
        values: 0/1 of the same shape.
        k: Length of the list.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(values, order, axis=1).astype(bool)


def rank_items(seed: np.ndarray, scores: np.ndarray, tiebreak: np.ndarray | None = None) -> np.ndarray:
    """Return the place of each candidate row in its seed's list, from 0.

    Args:
        seed: Shape ``(rows,)``, which list a row belongs to.
        scores: Shape ``(rows,)``; NaN comes last.
        tiebreak: Orders equal scores, the larger first; row order when left out.
    """
    key = np.where(np.isnan(scores), -np.inf, scores)
    extra = np.zeros(len(seed)) if tiebreak is None else np.where(np.isnan(tiebreak), -np.inf, tiebreak)
    order = np.lexsort((-extra, -key, seed))
    ordered = seed[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(seed) else seed[:0]
    lengths = np.diff(np.append(starts, len(seed)))
    places = np.empty(len(seed), dtype=np.int64)
    places[order] = np.arange(len(seed)) - np.repeat(starts, lengths)
    return places


def named_of_items(
    seed: np.ndarray, places: np.ndarray, is_true: np.ndarray, num_seeds: int, k: int
) -> np.ndarray:
    """Say for each seed which of its top ``k`` candidates are true, bool ``(num_seeds, k)``."""
    named = np.zeros((num_seeds, k), dtype=bool)
    top = places < k
    named[seed[top], places[top]] = is_true[top]
    return named


def _over(value: np.ndarray, base: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(base > 0, value / np.where(base > 0, base, 1), np.nan))
