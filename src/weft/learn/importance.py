"""What moves predictions: globally, for one row, and a check that it is true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import Feature, TaskType
from weft.learn.candidate import Predictor
from weft.learn.rung import Model
from weft.learn.view import Asked, asked

SAMPLE_ROWS = 1_000
_NUM_REMOVED = (1, 3, 10)
_NUM_RANDOM = 10
_BATCH_ROWS = 20_000
_ABLATED_ROWS = 200
_MOST_CLASSES = 10
LOG_ODDS, UNCALIBRATED = "log-odds", "log-odds before calibration"
_UNITS = {TaskType.REGRESSION: "value", TaskType.FORECASTING: "value", TaskType.LINK_PREDICTION: "score"}


@dataclass(frozen=True)
class Share:
    """A table, link, column or feature and its share of what moves predictions, 0 to 1."""

    name: str
    words: str
    value: float


@dataclass(frozen=True)
class Deletion:
    """How far predictions move when features are removed, made missing as far as the model can see.

    Attributes:
        removed: Numbers of features removed.
        important: Mean absolute change without the most important ones.
        random: Mean absolute change without as many random ones.
        is_faithful: Whether the important ones move predictions more, for every number.
    """

    removed: tuple[int, ...]
    important: tuple[float, ...]
    random: tuple[float, ...]
    is_faithful: bool


@dataclass(frozen=True)
class Importance:
    """Mean absolute contributions of the winner, as shares that add up to one.

    Attributes:
        model: The model explained.
        method: ``contributions`` (the model divides its scores itself) or ``ablation`` (features are left
            out one at a time).
        features: Most important first; those without any share are left out.
        tables: The same by table.
        links: By link walked.
        columns: By column, ``table.column``.
        deletion: The check.
        num_rows: Rows of val that it was measured on.
    """

    model: str
    method: str
    features: tuple[Share, ...]
    tables: tuple[Share, ...]
    links: tuple[Share, ...]
    columns: tuple[Share, ...]
    deletion: Deletion | None
    num_rows: int = 0


def measure_importance(predictor: Predictor, data: Any, *, seed: int) -> Importance | None:
    """Measure what moves a model's predictions on a sample of val rows; for classes, on average over them.

    Returns:
        ``None`` for a model that reads no feature, such as a constant.
    """
    rng = np.random.default_rng(seed)
    rows = _sample(asked(data, data.val), rng)
    matrix = rows.matrix
    if not matrix.size:
        return None
    weights, method = _weigh(predictor.model, rows)
    if not weights.sum() > 0:
        return None
    features: Sequence[Feature] = predictor.model.header.encoder.features
    shares = weights / weights.sum()
    return Importance(
        model=predictor.candidate.model,
        method=method,
        features=_ranked((f.name, f.words, s) for f, s in zip(features, shares, strict=True)),
        tables=_grouped(features, shares, lambda f: (f.table,) if f.table else ()),
        links=_grouped(features, shares, lambda f: f.links),
        columns=_grouped(features, shares, lambda f: f.columns),
        deletion=_check(predictor.model, rows, shares, rng),
        num_rows=len(matrix),
    )


def divide_row(
    model: Model, rows: Asked, calibrate: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, float, str]:
    """Divide the score of one row among the features.

    Args:
        model: The model.
        rows: The row, its matrix of shape ``(1, features)``.
        calibrate: What is done to its predictions before they are shown.

    Returns:
        Signed amounts ``(features,)``, the score that nothing is known of, and the unit's name:
        ``log-odds``, ``value``, ``score`` for items, or ``change of prediction`` where the model does not
        divide its scores.
    """
    index = _explained_class(model, rows)
    divided = model.contribution_matrix(rows.matrix, index)
    if divided is not None:
        unit = _UNITS.get(model.header.task.type, LOG_ODDS)
        return divided[0, :-1], float(divided[0, -1]), unit
    amounts = _ablate(model, rows, index, calibrate)[0]
    base = first_output(calibrate(model.score_rows(rows)), index)
    return amounts, float(base[0]), "change of prediction"


def first_output(prediction: np.ndarray, index: int | None = None) -> np.ndarray:
    """Return one number per row: the prediction, or the probability of one class."""
    return prediction if prediction.ndim == 1 else prediction[:, index or 0]


def _explained_class(model: Model, rows: Asked) -> int | None:
    prediction = model.score_rows(rows.first(1))
    return None if prediction.ndim == 1 else int(prediction[0].argmax())


def _weigh(model: Model, rows: Asked) -> tuple[np.ndarray, str]:
    """Return the mean absolute movement by each feature, shape ``(features,)``, and how it was measured."""
    total = np.zeros(rows.matrix.shape[1])
    for index in _told_classes(model, rows):
        divided = model.contribution_matrix(rows.matrix, index)
        if divided is None:
            few = rows.first(_ABLATED_ROWS)
            return np.abs(_ablate(model, few, None, np.asarray)).mean(axis=0), "ablation"
        total += np.abs(divided[:, :-1]).mean(axis=0)
    return total, "contributions"


def _told_classes(model: Model, rows: Asked) -> list[int | None]:
    """Return the classes that are predicted most; ``[None]`` for a model without classes."""
    if not model.header.classes:
        return [None]
    likeliest = np.argsort(-model.score_rows(rows).mean(axis=0), kind="stable")
    return [int(index) for index in likeliest[:_MOST_CLASSES]]


def _ablate(
    model: Model, rows: Asked, index: int | None, calibrate: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Leave out one feature at a time; return by how much that lowers each prediction.

    Without an ``index`` a prediction of several classes counts by how far they move on average.
    """
    matrix = rows.matrix
    num = matrix.shape[1]
    whole = calibrate(model.score_rows(rows))
    change = np.zeros(matrix.shape)
    step = max(1, _BATCH_ROWS // max(1, len(matrix)))
    for start in range(0, num, step):
        columns = range(start, min(start + step, num))
        variants = np.concatenate([_without(model, matrix, [c]) for c in columns])
        scored = calibrate(model.score_rows(rows.with_matrix(variants)))
        moved = whole - scored.reshape(len(columns), *whole.shape)
        if whole.ndim == 2:
            moved = np.abs(moved).mean(axis=2) if index is None else moved[:, :, index]
        change[:, start : start + len(columns)] = moved.T
    return change


def _without(model: Model, matrix: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """Return a copy in which the given features are missing."""
    copy = matrix.copy()
    categorical = set(model.header.encoder.categorical)
    for column in columns:
        copy[:, column] = 0.0 if column in categorical else np.nan
    return copy


def _check(model: Model, rows: Asked, shares: np.ndarray, rng: np.random.Generator) -> Deletion | None:
    """Compare removing the most important features with removing random ones (Samek et al., 2017)."""
    used = np.flatnonzero(shares > 0)
    sizes = tuple(m for m in _NUM_REMOVED if 2 * m <= len(used))
    if not sizes:
        return None
    rows = rows.first(300)
    whole = model.score_rows(rows)

    def moved(columns: Sequence[int]) -> float:
        without = rows.with_matrix(_without(model, rows.matrix, columns))
        return float(np.abs(model.score_rows(without) - whole).mean())

    order = np.argsort(-shares, kind="stable")
    important = tuple(moved([int(c) for c in order[:m]]) for m in sizes)
    random = tuple(
        float(np.mean([moved(rng.choice(used, m, replace=False).tolist()) for _ in range(_NUM_RANDOM)]))
        for m in sizes
    )
    return Deletion(sizes, important, random, all(i > r for i, r in zip(important, random, strict=True)))


def _sample(rows: Asked, rng: np.random.Generator) -> Asked:
    if not len(rows):
        return Asked(None, np.empty((0, 0), dtype=np.float32))
    return rows.take(np.sort(rng.choice(len(rows), min(len(rows), SAMPLE_ROWS), replace=False)))


def _ranked(parts: Any, most: int = 60) -> tuple[Share, ...]:
    found = [Share(name, words, float(value)) for name, words, value in parts if value > 0]
    return tuple(sorted(found, key=lambda s: -s.value)[:most])


def _grouped(
    features: Sequence[Feature], shares: np.ndarray, groups: Callable[[Feature], tuple[str, ...]]
) -> tuple[Share, ...]:
    """Add shares up by group; a feature of several groups is divided evenly among them."""
    total: dict[str, float] = {}
    for feature, share in zip(features, shares, strict=True):
        names = groups(feature)
        for name in names:
            total[name] = total.get(name, 0.0) + float(share) / len(names)
    return _ranked((name, name, value) for name, value in total.items())
