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

    The best of several on a small val is often the luckiest. Two ways to predict are therefore compared by
    what they give on parts of val that they have not seen: to take the model that is best on the other
    parts, and the mean with weights from the other parts. The mean hedges, so it is preferred while it is
    at most one standard error worse.

    Args:
        data: `TrainingData` or `RankingData`.
        metric: What candidates are chosen by.
        usable: The candidates that were fitted, with their folders.
        passed_over: Positions of those that another of their search is better than, by what it compared.
    """
    eligible = [i for i in range(len(usable)) if i not in passed_over]
    best = eligible[best_on_val(metric, [usable[i][0] for i in eligible])]
    means = [i for i, (c, _) in enumerate(usable) if is_combining(c.rung)]
    if best in means or not means:
        return best
    folds = number_folds(data.val.seeds)

    def by_part(place: int) -> np.ndarray:
        prediction = read_predictions(usable[place][1], Split.VAL)
        if data.task.type is TaskType.LINK_PREDICTION:
            # Scores are per candidate, and val is divided by lists.
            prediction = data.val.form(metric, prediction)
        return score_val(metric.name, data.task.type, data.val.targets, prediction, folds).by_fold

    singles = np.array([by_part(i) for i in eligible if i not in means])
    top = ValScore.of_parts(best_of_other_parts(singles))
    return next((i for i in means if top.is_matched_by(ValScore.of_parts(by_part(i)))), best)


def best_of_other_parts(by_part: np.ndarray) -> np.ndarray:
    """Score each part of val by the candidate that is best on the mean of the other parts.

    Args:
        by_part: Higher is better, NaN where undefined, ``(candidates, parts)``.

    Returns:
        Scores ``(parts,)``; NaN where no other part is defined.
    """
    known = np.isfinite(by_part)
    filled = np.where(known, by_part, 0.0)
    others = known.sum(axis=1, keepdims=True) - known
    sums = filled.sum(axis=1, keepdims=True) - filled
    means = np.divide(sums, others, out=np.full(by_part.shape, -np.inf), where=others > 0)
    chosen = means.argmax(axis=0)
    parts = np.arange(by_part.shape[1])
    return np.where((others > 0)[chosen, parts], by_part[chosen, parts], np.nan)


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
