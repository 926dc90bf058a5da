"""Metrics of tasks whose answer is a class or a set of classes."""

from __future__ import annotations

import numpy as np

from weft.core import TaskType
from weft.learn.metrics.metric import Metric, Needs, mean_metric
from weft.learn.targets import Targets

_SMALLEST = 1e-7
_BINARY = frozenset({TaskType.BINARY})
_LISTS = frozenset({TaskType.MULTILABEL, TaskType.MULTILABEL_RANKING})
_CLASSES = frozenset({TaskType.BINARY, TaskType.MULTICLASS})


def auroc(targets: Targets, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Score by the rank sum: the chance that a true row scores above a false one, ties half."""
    order, starts = _groups(prediction)
    positive = targets.values[order]
    taken = weights[:, order]
    pos = np.add.reduceat(taken * positive, starts, axis=1)
    neg = np.add.reduceat(taken * (1 - positive), starts, axis=1)
    below = np.cumsum(neg, axis=1) - neg
    pairs = pos.sum(axis=1) * neg.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((pos * (below + 0.5 * neg)).sum(axis=1) / np.where(pairs > 0, pairs, np.nan))


def average_precision(targets: Targets, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Score the mean precision over the recall steps, going down the distinct scores."""
    order, starts = _groups(-prediction)
    positive = targets.values[order]
    taken = weights[:, order]
    pos = np.add.reduceat(taken * positive, starts, axis=1)
    seen = np.cumsum(np.add.reduceat(taken, starts, axis=1), axis=1)
    total = pos.sum(axis=1)
    precision = np.cumsum(pos, axis=1) / np.maximum(seen, _SMALLEST)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((precision * pos).sum(axis=1) / np.where(total > 0, total, np.nan))


def macro_average_precision(targets: Targets, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Score the mean average precision over the classes that are true somewhere."""
    scores = np.full((targets.values.shape[1], len(weights)), np.nan)
    for c in np.flatnonzero(targets.values.any(axis=0)):
        one = Targets(targets.values[:, c].astype(np.float64), targets.num_true)
        scores[c] = average_precision(one, prediction[:, c], weights)
    known = np.isfinite(scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, scores, 0).sum(axis=0) / known.sum(axis=0))


def macro_f1(targets: Targets, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Score F1: of TRUE for binary, else the mean over the classes that are true or predicted."""
    truth, guess = _one_hot(targets, prediction)
    hits, true, guessed = (weights @ m for m in (truth * guess, truth, guess))
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(true + guessed > 0, 2 * hits / (true + guessed), np.nan)
        known = np.isfinite(f1)
        return np.asarray(np.where(known, f1, 0).sum(axis=1) / known.sum(axis=1))


def log_losses(targets: Targets, prediction: np.ndarray) -> np.ndarray:
    """Return ``-log`` of the probability given to what came true, per row."""
    if prediction.ndim == 1 or targets.values.ndim == 2:
        p = np.clip(prediction, _SMALLEST, 1 - _SMALLEST)
        y = targets.values
        losses = -(y * np.log(p) + (1 - y) * np.log1p(-p))
        return np.asarray(losses.mean(axis=1) if losses.ndim == 2 else losses)
    given = prediction[np.arange(len(prediction)), np.maximum(targets.values, 0)]
    return np.asarray(-np.log(np.maximum(np.where(targets.values >= 0, given, 0), _SMALLEST)))


def brier_losses(targets: Targets, prediction: np.ndarray) -> np.ndarray:
    """Return the squared distance of the probabilities from what came true, per row."""
    if prediction.ndim == 1:
        return np.asarray((prediction - targets.values) ** 2)
    truth = np.zeros_like(prediction, dtype=np.float64)
    known = targets.values >= 0
    truth[np.flatnonzero(known), targets.values[known]] = 1
    return np.asarray(((prediction - truth) ** 2).sum(axis=1))


def hits(targets: Targets, prediction: np.ndarray) -> np.ndarray:
    """Return 1 for a row whose class was named, else 0."""
    return np.asarray(targets.values == prediction, dtype=np.float64)


CLASSIFICATION_METRICS = (
    Metric("auroc", Needs.SCORE, True, _BINARY, auroc),
    Metric("average_precision", Needs.SCORE, True, _BINARY, average_precision),
    Metric("map", Needs.PROBABILITY, True, _LISTS, macro_average_precision),
    Metric("log_loss", Needs.PROBABILITY, False, _CLASSES | _LISTS, mean_metric(log_losses), upper=None),
    Metric("brier", Needs.PROBABILITY, False, _CLASSES, mean_metric(brier_losses), upper=2.0),
    Metric("accuracy", Needs.LABEL, True, _CLASSES, mean_metric(hits)),
    Metric("f1", Needs.LABEL, True, _CLASSES | _LISTS, macro_f1),
)


def _groups(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in ascending order of score and where each distinct score starts."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    return order, np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _one_hot(targets: Targets, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if targets.values.ndim == 2:
        return targets.values.astype(np.float64), prediction.astype(np.float64)
    if targets.values.dtype.kind == "f":
        return targets.values[:, None], prediction.astype(np.float64)[:, None]
    classes = np.arange(max(targets.values.max(initial=0), prediction.max(initial=0)) + 1)
    return (
        (targets.values[:, None] == classes).astype(np.float64),
        (prediction[:, None] == classes).astype(np.float64),
    )
