"""How sure a score is: bootstrap intervals, and of differences between models on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from weft.core import one_blas_thread
from weft.learn.metrics import Metric
from weft.learn.targets import Targets

NUM_RESAMPLES = 1000
_LEAST_RESAMPLES = 200
_MOST_WEIGHTS = 25_000_000
_CHUNK_WEIGHTS = 2_000_000


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of what resampling gives."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def num_resamples(num_rows: int, num_columns: int = 1) -> int:
    """Return how many resamples are drawn: 1,000, and fewer for large tables, 200 at least."""
    return int(np.clip(_MOST_WEIGHTS // max(num_rows * num_columns, 1), _LEAST_RESAMPLES, NUM_RESAMPLES))


def resample(
    metric: Metric,
    targets: Targets,
    predictions: Sequence[np.ndarray],
    clusters: np.ndarray,
    *,
    seed: int,
    resamples: int | None = None,
) -> np.ndarray:
    """Score each of ``predictions`` on the same bootstrap samples.

    Whole clusters are drawn with replacement, so that rows of one entity, which are alike, do not pass for
    independent evidence (Field and Welsh, 2007).

    Args:
        metric: What to score.
        targets: The labels, ``n`` of them.
        predictions: In the form that the metric needs, ``n`` rows each.
        clusters: Shape ``(n,)``, numbers from 0 that say which rows belong together.
        seed: The same seed draws the same samples.
        resamples: How many; by `num_resamples` when left out.

    Returns:
        Shape ``(len(predictions), resamples)``, NaN where a sample has no score.
    """
    columns = max(p.shape[1] if p.ndim == 2 and targets.values.ndim == 2 else 1 for p in predictions)
    count = resamples or num_resamples(len(targets), columns)
    rng = np.random.default_rng(seed)
    num_clusters = int(clusters.max()) + 1
    scores = np.empty((len(predictions), count))
    step = max(1, _CHUNK_WEIGHTS // max(len(targets), num_clusters))
    for start in range(0, count, step):
        stop = min(start + step, count)
        weights = _draw(rng, stop - start, num_clusters)[:, clusters]
        with one_blas_thread():
            for i, prediction in enumerate(predictions):
                scores[i, start:stop] = metric.weighted(targets, prediction, weights)
    return scores


def interval(samples: np.ndarray) -> Interval | None:
    """Return the 2.5 and 97.5 percentiles; ``None`` when fewer than half the samples have a score."""
    known = samples[np.isfinite(samples)]
    if not len(known) or 2 * len(known) < len(samples):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(low), float(high))


def _draw(rng: np.random.Generator, count: int, num_clusters: int) -> np.ndarray:
    drawn = rng.integers(0, num_clusters, size=(count, num_clusters))
    drawn += np.arange(count)[:, None] * num_clusters
    return (
        np.bincount(drawn.ravel(), minlength=count * num_clusters).reshape(count, num_clusters).astype(float)
    )
