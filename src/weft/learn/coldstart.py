"""Cold start: how good models are for entities without any history, apart from all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.learn.bootstrap import Interval, interval, resample
from weft.learn.metrics import Metric

# A score of fewer entities says more of them than of the model.
LEAST_ENTITIES = 10


@dataclass(frozen=True)
class GroupScore:
    """How good a model is on some rows of a split.

    Attributes:
        num_rows: How many there are.
        num_entities: Of how many entities.
        value: The metric; ``None`` where ``note`` says why there is none.
        interval: The 95 % bootstrap interval over entities, of the winner alone.
        note: Why there is no score; empty when there is one.
    """

    num_rows: int
    num_entities: int
    value: float | None = None
    interval: Interval | None = None
    note: str = ""


@dataclass(frozen=True)
class ColdStart:
    """How good one model is on one split, with and without history; each row is in one of the groups.

    Attributes:
        model: Name of the model.
        split: ``val`` or ``test``.
        without: The rows whose entity had no history when the prediction was due.
        others: All other rows.
    """

    model: str
    split: str
    without: GroupScore
    others: GroupScore


def measure_cold_start(
    metric: Metric,
    rows: Any,
    has_history: np.ndarray,
    predictions: dict[str, np.ndarray],
    winner: str,
    *,
    split: str,
    seed: int,
) -> tuple[ColdStart, ...]:
    """Score models apart on the rows of entities without history and on all others.

    Args:
        metric: What candidates are chosen by.
        rows: `Rows` or `RankingRows` of the split.
        has_history: Bool ``(n,)``.
        predictions: Model → what it predicted for the rows, as it was scored on all of them.
        winner: The model that gets intervals.
        split: Name of the split.
        seed: For the bootstrap.
    """
    groups = [np.flatnonzero(~has_history), np.flatnonzero(has_history)]
    clusters, found = rows.clusters(), []
    for model, prediction in predictions.items():
        form = rows.form(metric, prediction) if len(rows) else prediction
        drawn = seed if model == winner else None
        scores = [_score(metric, rows.targets, form, clusters, group, drawn) for group in groups]
        found.append(ColdStart(model, split, *scores))
    return tuple(found)


def _score(
    metric: Metric, targets: Any, form: np.ndarray, clusters: np.ndarray, group: np.ndarray, seed: int | None
) -> GroupScore:
    """Score one group; without a seed there is no interval."""
    inside, numbers = np.unique(clusters[group], return_inverse=True)
    sizes = len(group), len(inside)
    if note := _why_few(*sizes):
        return GroupScore(*sizes, note=note)
    chosen, said = targets.take(group), form[group]
    value = metric.score(chosen, said)
    if value is None:
        return GroupScore(*sizes, note=_why_undefined(metric, chosen.values))
    if seed is None:
        return GroupScore(*sizes, value)
    return GroupScore(*sizes, value, interval(resample(metric, chosen, [said], numbers, seed=seed)[0]))


def _why_few(num_rows: int, num_entities: int) -> str:
    if not num_rows:
        return "no rows"
    if num_entities >= LEAST_ENTITIES:
        return ""
    entities = "1 entity is" if num_entities == 1 else f"{num_entities} entities are"
    return f"{entities} too few to score"


def _why_undefined(metric: Metric, values: np.ndarray) -> str:
    if values.ndim == 1 and len(np.unique(values)) == 1:
        return f"{metric.name} is undefined: all {len(values):,} labels are the same"
    return f"{metric.name} is undefined on these {len(values):,} rows"
