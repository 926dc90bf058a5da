"""Probabilities that mean what they say, and the threshold from which the answer is yes.

Both are fitted on val. A calibration is kept only if it lowers the log loss of rows it was not fitted on, and
none changes the order of the rows, so ranks and AUROC stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from weft.core import Task, TaskType, UserError
from weft.learn.folds import number_folds
from weft.learn.metrics.classification import log_losses
from weft.learn.rung import log_odds, sigmoid
from weft.learn.targets import MULTILABEL, Targets

NONE, PLATT, ISOTONIC, TEMPERATURE = "none", "platt", "isotonic", "temperature"
CRITERIA = ("f1", "accuracy", "balanced_accuracy")
_LEAST_ROWS = 50
_LEAST_ISOTONIC_ROWS = 500
_LEAST_GAIN = {NONE: 0.0, PLATT: 1e-4, TEMPERATURE: 1e-4, ISOTONIC: 1e-3}


@dataclass(frozen=True)
class Calibration:
    """How raw probabilities become calibrated ones.

    Attributes:
        method: ``none``, ``platt`` (a line in log-odds), ``isotonic`` (a rising curve through the knots) or
            ``temperature`` (multiclass: log-odds over a number).
        x: Slope and offset, or the knots in log-odds, or the temperature.
        y: The log-odds at the knots.
        threshold: Probability from which the answer is yes; ``None`` where there is no yes.
        criterion: What the threshold is best for on val.
    """

    method: str = NONE
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    threshold: float | None = None
    criterion: str = ""

    @property
    def line(self) -> tuple[float, float] | None:
        """Slope and offset by which log-odds are calibrated; ``None`` where no line does it."""
        if self.method == ISOTONIC:
            return None
        if self.method == TEMPERATURE:
            return 1 / self.x[0], 0.0
        return (self.x[0], self.x[1]) if self.method == PLATT else (1.0, 0.0)

    def apply(self, prediction: np.ndarray) -> np.ndarray:
        """Calibrate predictions as rungs give them."""
        if self.method == NONE:
            return prediction
        if self.method == TEMPERATURE:
            powered = np.maximum(prediction, 1e-12) ** (1 / self.x[0])
            return np.asarray(powered / powered.sum(axis=1, keepdims=True))
        raw = log_odds(prediction)
        if self.method == PLATT:
            return sigmoid(self.x[0] * raw + self.x[1])
        return sigmoid(_curve(raw, np.asarray(self.x), np.asarray(self.y)))


def calibrate(
    task: Task, targets: Targets, prediction: np.ndarray, seeds: pa.Table, criterion: str = "f1"
) -> Calibration:
    """Choose a calibration and a threshold on val.

    Args:
        task: Numbers and rankings of items are left as they are.
        targets: The labels of val.
        prediction: What the model gives for val.
        seeds: The rows of val; anchors are held out in turn to compare methods.
        criterion: What the threshold of a binary task is to be best for: one of `CRITERIA`.
    """
    if criterion not in CRITERIA:
        raise UserError(
            "LEARN012", f"there is no criterion '{criterion}'.", f"choose among {', '.join(CRITERIA)}."
        )
    methods = _methods(task, targets)
    if not methods:
        return Calibration(threshold=0.5 if task.type is TaskType.BINARY else None)
    folds = number_folds(seeds)
    losses = {NONE: float(log_losses(targets, prediction).mean())}
    losses |= {m: _cross_fitted_loss(fit, targets, prediction, folds) for m, fit in methods.items()}
    best = NONE
    for method, loss in losses.items():
        # From the simplest to the most flexible: more freedom has to earn its place.
        if loss < losses[best] - _LEAST_GAIN[method]:
            best = method
    found = methods[best](targets, prediction) if best != NONE else Calibration()
    if task.type is not TaskType.BINARY:
        return found
    threshold = best_threshold(targets.values, found.apply(prediction), criterion)
    return Calibration(found.method, found.x, found.y, threshold, criterion)


def best_threshold(truth: np.ndarray, probability: np.ndarray, criterion: str) -> float:
    """Return the probability from which answering yes is best by ``criterion``."""
    order = np.argsort(-probability, kind="stable")
    ordered = probability[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    true = np.cumsum(truth[order])[last]
    named = last + 1.0
    total, num = truth.sum(), len(truth)
    right = true + (num - total) - (named - true)
    values = {
        "f1": 2 * true / (named + total),
        "accuracy": right / num,
        "balanced_accuracy": true / max(total, 1) - (named - true) / max(num - total, 1),
    }[criterion]
    place = int(np.argmax(values))
    # Half way to the next lower probability, so that rounding does not flip the row at the edge.
    below = ordered[last[place + 1]] if place + 1 < len(last) else 0.0
    return float((ordered[last[place]] + below) / 2)


def _methods(task: Task, targets: Targets) -> dict[str, Callable[[Targets, np.ndarray], Calibration]]:
    values = targets.values
    if task.type is TaskType.MULTICLASS:
        return {TEMPERATURE: _fit_temperature} if len(values) >= _LEAST_ROWS else {}
    if task.type is not TaskType.BINARY and task.type not in MULTILABEL:
        return {}
    rarest = min(values.sum(), values.size - values.sum())
    if len(values) < _LEAST_ROWS or rarest < 5:
        return {}
    methods: dict[str, Callable[[Targets, np.ndarray], Calibration]] = {PLATT: _fit_platt}
    if task.type is TaskType.BINARY and len(values) >= _LEAST_ISOTONIC_ROWS:
        methods[ISOTONIC] = _fit_isotonic
    return methods


def _cross_fitted_loss(
    fit: Callable[[Targets, np.ndarray], Calibration],
    targets: Targets,
    prediction: np.ndarray,
    folds: np.ndarray,
) -> float:
    calibrated = np.array(prediction, dtype=np.float64)
    for fold in np.unique(folds):
        held = folds == fold
        rest = targets.take(np.flatnonzero(~held))
        if not len(rest) or len(np.unique(rest.values)) < 2:
            return float("inf")
        calibrated[held] = fit(rest, prediction[~held]).apply(prediction[held])
    return float(log_losses(targets, calibrated).mean())


def _fit_platt(targets: Targets, prediction: np.ndarray) -> Calibration:
    """Fit a line in log-odds by Newton's method (Platt, 1999, with his smoothed targets)."""
    raw, truth = log_odds(prediction).ravel(), targets.values.astype(np.float64).ravel()
    positive, negative = truth.sum(), len(truth) - truth.sum()
    goal = np.where(truth > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
    design = np.column_stack([raw, np.ones_like(raw)])
    line = np.array([1.0, 0.0])
    for _ in range(30):
        p = sigmoid(design @ line)
        gradient = design.T @ (p - goal) + 1e-6 * (line - [1.0, 0.0])
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        line -= np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    # A falling line would turn the order round: such a model knows nothing that val confirms.
    return Calibration(PLATT, (max(float(line[0]), 1e-3), float(line[1])))


def _fit_isotonic(targets: Targets, prediction: np.ndarray) -> Calibration:
    """Fit a rising curve through the centers of the pools, so that no two rows are made equal."""
    from sklearn.isotonic import isotonic_regression

    raw, truth = log_odds(prediction), targets.values
    order = np.argsort(raw, kind="stable")
    fitted = isotonic_regression(truth[order], y_min=0.0, y_max=1.0)
    levels, starts = np.unique(fitted, return_index=True)
    sizes = np.diff(np.append(starts, len(fitted)))
    centers = np.add.reduceat(raw[order], starts) / sizes
    smoothed = (levels * sizes + 0.5) / (sizes + 1)
    heights = np.maximum.accumulate(log_odds(smoothed))
    return Calibration(ISOTONIC, tuple(centers.tolist()), tuple(heights.tolist()))


def _fit_temperature(targets: Targets, prediction: np.ndarray) -> Calibration:
    options = [
        Calibration(TEMPERATURE, (float(t),)) for t in np.exp(np.linspace(np.log(0.25), np.log(4.0), 41))
    ]
    return min(options, key=lambda c: float(log_losses(targets, c.apply(prediction)).mean()))


def _curve(raw: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Follow the knots; outside and on flat parts keep a slight slope, so that the order stays."""
    return np.asarray(np.interp(raw, x, y) + 1e-6 * raw)
