"""From what a rung predicts to what a metric needs."""

from __future__ import annotations

import numpy as np

from weft.core import TaskType
from weft.learn.metrics import Metric, Needs, named_of_classes
from weft.learn.targets import Targets


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
