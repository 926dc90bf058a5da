"""Metrics of tasks whose answer is a number."""

from __future__ import annotations

import numpy as np

from weft.core import TaskType
from weft.learn.metrics.metric import Metric, Needs, mean_metric
from weft.learn.targets import Targets

_NUMBERS = frozenset({TaskType.REGRESSION, TaskType.FORECASTING})


def _absolute(targets: Targets, prediction: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(prediction - targets.values))


def _squared(targets: Targets, prediction: np.ndarray) -> np.ndarray:
    return np.asarray((prediction - targets.values) ** 2)


def _relative(targets: Targets, prediction: np.ndarray) -> np.ndarray:
    """Return the error as a share of the true value; rows whose true value is 0 are left out."""
    size = np.abs(targets.values)
    return np.asarray(
        np.where(size > 0, np.abs(prediction - targets.values) / np.where(size > 0, size, 1), np.nan)
    )


def rmse(targets: Targets, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Score the root of the mean squared error."""
    return np.asarray(np.sqrt(mean_metric(_squared)(targets, prediction, weights)))


def r2(targets: Targets, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Score the share of the variance that is explained; undefined when the labels are all equal."""
    total = weights.sum(axis=1)
    # Centered first: a large mean would drown the variance in rounding.
    values = targets.values - targets.values.mean()
    mean = weights @ values / total
    variance = weights @ values**2 / total - mean**2
    error = mean_metric(_squared)(targets, prediction, weights)
    scale = max(float(np.abs(values).max(initial=0)), 1e-300) ** 2
    return np.asarray(1 - error / np.where(variance > 1e-14 * scale, variance, np.nan))


REGRESSION_METRICS = (
    Metric("mae", Needs.VALUE, False, _NUMBERS, mean_metric(_absolute), upper=None),
    Metric("rmse", Needs.VALUE, False, _NUMBERS, rmse, upper=None),
    Metric("r2", Needs.VALUE, True, _NUMBERS, r2, lower=None),
    Metric("mape", Needs.VALUE, False, _NUMBERS, mean_metric(_relative), upper=None),
)
