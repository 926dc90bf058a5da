"""Choosing the winner on val."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weft.core import Split, TaskType
from weft.learn.candidate import Candidate, read_predictions
from weft.learn.folds import number_folds
from weft.learn.metrics import Metric
from weft.learn.registry import get_rung
from weft.learn.scoring import ValScore, score_val

ERROR_FOLDS = 10


def choose(
    data: Any,
    metric: Metric,
    usable: Sequence[tuple[Candidate, Path]],
    passed_over: Collection[int] = (),
) -> int:
    """Return the position of the winner: the best on val, or a mean of models that val cannot tell from it.

    The best of several on a small val is often the luckiest. A mean of them hedges, so it is preferred while
    it is at most one standard error worse.

    Args:
        data: `TrainingData` or `RankingData`.
        metric: What candidates are chosen by.
        usable: The candidates that were fitted, with their folders.
        passed_over: Positions of those that another of their search is better than, by what it compared.
    """
    eligible = [i for i in range(len(usable)) if i not in passed_over]
    best = eligible[best_on_val(metric, [usable[i][0] for i in eligible])]
    means = [i for i, (c, _) in enumerate(usable) if i != best and is_combining(c.rung)]
    if not means:
        return best
    folds = number_folds(data.val.seeds, ERROR_FOLDS)

    def scored(place: int) -> ValScore:
        prediction = read_predictions(usable[place][1], Split.VAL)
        if data.task.type is TaskType.LINK_PREDICTION:
            # Scores are per candidate, and val is divided by lists.
            prediction = data.val.form(metric, prediction)
        return score_val(metric.name, data.task.type, data.val.targets, prediction, folds)

    top = scored(best)
    return next((i for i in means if top.is_matched_by(scored(i))), best)


def best_on_val(metric: Metric, candidates: Sequence[Candidate]) -> int:
    """Return the position of the candidate that is best on val; of equals the cheapest."""
    return min(range(len(candidates)), key=lambda i: rank_on_val(metric, candidates[i]))


def rank_on_val(metric: Metric, candidate: Candidate) -> tuple[float, float, int]:
    """Return a key that sorts candidates, the best on val first."""
    value = -np.inf if candidate.val is None else metric.gain(candidate.val, 0.0)
    fallback = candidate.val_fallback
    return -value, np.inf if fallback is None else fallback, candidate.cost


def is_combining(rung: str) -> bool:
    """Return whether a rung combines finished candidates."""
    return bool(getattr(get_rung(rung), "combines", False))
