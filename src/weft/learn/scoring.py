"""From what a rung predicts to what a metric needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.core import TaskType
from weft.learn.metrics import Metric, Needs, get_metric, named_of_classes
from weft.learn.targets import Targets

_LEAST_FOLDS = 3


def prepare(metric: Metric, targets: Targets, prediction: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Turn predictions into the form that ``metric`` is computed from.

    Args:
        metric: The metric.
        targets: The labels; needed to mark the true items of a ranking.
        prediction: As rungs give it. A bool array ``(n, k)`` is a ranking already.
        threshold: Probability from which a class is named.
    """
    if metric.needs is Needs.RANKING and prediction.dtype != bool:
        return named_of_classes(prediction, targets.values, metric.k or prediction.shape[1])
    if metric.needs is not Needs.LABEL:
        return prediction
    if prediction.ndim == 1 or targets.values.ndim == 2:
        return (prediction >= threshold).astype(np.int64)
    return np.asarray(prediction.argmax(axis=1))


def score(metric: Metric, targets: Targets, prediction: np.ndarray, threshold: float = 0.5) -> float | None:
    """Score predictions; ``None`` where the metric is undefined."""
    return metric.score(targets, prepare(metric, targets, prediction, threshold))


def fallback_metric(task_type: TaskType) -> str:
    """Name the metric that decides where the task's own is undefined, as AUROC of one class is."""
    numbers = (TaskType.REGRESSION, TaskType.FORECASTING)
    return "mae" if task_type in numbers else "log_loss"


@dataclass(frozen=True)
class ValScore:
    """How good predictions for val are, as a whole and by parts of val.

    Attributes:
        value: Higher is better; 0 where nothing is defined.
        by_fold: The same for parts that are nearly independent, NaN where undefined.
    """

    value: float
    by_fold: np.ndarray

    @classmethod
    def of_parts(cls, by_fold: np.ndarray) -> ValScore:
        """Take the mean of the parts that are defined for the whole; 0 where none is."""
        known = by_fold[np.isfinite(by_fold)]
        return cls(float(known.mean()) if len(known) else 0.0, by_fold)

    def is_matched_by(self, other: ValScore) -> bool:
        """Say whether ``other`` is at most one standard error worse.

        The error is that of the difference, from its spread over the parts; where fewer than three parts
        are defined nothing can be told apart.
        """
        difference = self.by_fold - other.by_fold
        known = difference[np.isfinite(difference)]
        if len(known) < _LEAST_FOLDS:
            return True
        return self.value - other.value <= float(known.std(ddof=1) / np.sqrt(len(known)))


def score_val(
    chosen_metric: str, task_type: TaskType, targets: Targets, prediction: np.ndarray, folds: np.ndarray
) -> ValScore:
    """Score predictions for val by the chosen metric, or the fallback where that one is undefined.

    Args:
        chosen_metric: Name of the metric that candidates are chosen by.
        task_type: Of the task.
        targets: The labels of val.
        prediction: As rungs give it.
        folds: Number of the part that each row belongs to, ``(n,)``.
    """
    metric, whole = _decide(chosen_metric, task_type, targets, prediction)
    parts = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    if metric is None:
        return ValScore(0.0, np.full(len(parts), np.nan))
    values = [score(metric, targets.take(part), prediction[part]) for part in parts]
    by_fold = [np.nan if v is None else metric.gain(v, 0.0) for v in values]
    return ValScore(whole, np.array(by_fold))


def gain_of(chosen_metric: str, task_type: TaskType, targets: Targets, prediction: np.ndarray) -> float:
    """Score all rows so that higher is better; 0 where neither the metric nor its fallback is defined."""
    return _decide(chosen_metric, task_type, targets, prediction)[1]


def deciding_metric(chosen_metric: str, task_type: TaskType, targets: Targets, num_classes: int) -> str:
    """Name the metric that `gain_of` scores by: whether it is defined depends on the targets alone.

    Args:
        chosen_metric: Name of the metric that candidates are chosen by.
        task_type: Of the task.
        targets: The labels.
        num_classes: Of the task; 0 where predictions are one number each.
    """
    shape = (len(targets), num_classes) if num_classes else (len(targets),)
    metric, _ = _decide(chosen_metric, task_type, targets, np.full(shape, 1 / max(2, num_classes)))
    return metric.name if metric else chosen_metric


def _decide(
    chosen_metric: str, task_type: TaskType, targets: Targets, prediction: np.ndarray
) -> tuple[Metric | None, float]:
    for name in (chosen_metric, fallback_metric(task_type)):
        metric = get_metric(name)
        value = score(metric, targets, prediction)
        if value is not None:
            return metric, metric.gain(value, 0.0)
    return None, 0.0
