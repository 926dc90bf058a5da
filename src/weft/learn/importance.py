"""What moves predictions: globally, for one row, and a check that it is true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from weft.core import Feature, TaskType
from weft.learn.candidate import Predictor
from weft.learn.division import Division
from weft.learn.rung import Model
from weft.learn.view import Asked, asked

SAMPLE_ROWS = 1_000
_NUM_REMOVED = (1, 3, 10)
_NUM_RANDOM = 10
_BATCH_ROWS = 20_000
_ABLATED_ROWS = 200
_MOST_CLASSES = 10
# Integrated gradients cost a hundred passes over the neighborhoods of the rows, and so do classes.
_TOLD_ROWS = 96
_MOST_TOLD_CLASSES = 3
CONTRIBUTIONS, ABLATION, CHANGE = "contributions", "ablation", "change of prediction"
# Features alone can be left out: what a network read of the graph is not told apart.
CHANGE_BESIDE_GRAPH = f"{CHANGE} beside the graph"
LOG_ODDS, UNCALIBRATED = "log-odds", "log-odds before calibration"
_UNITS = {TaskType.REGRESSION: "value", TaskType.FORECASTING: "value", TaskType.LINK_PREDICTION: "score"}


@dataclass(frozen=True)
class Share:
    """A table, link, column or feature and its share of what moves predictions.

    Attributes:
        name: Of the part.
        words: What it is.
        value: Share of all movement, 0 to 1.
        mean: Mean signed amount, in the unit of the importance; ``None`` where there are several classes.
    """

    name: str
    words: str
    value: float
    mean: float | None = None


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
        hops: By how many links lie between the entity and what was read.
        unit: Of the mean amounts.
    """

    model: str
    method: str
    features: tuple[Share, ...]
    tables: tuple[Share, ...]
    links: tuple[Share, ...]
    columns: tuple[Share, ...]
    deletion: Deletion | None
    num_rows: int = 0
    hops: tuple[Share, ...] = ()
    unit: str = ""


def measure_importance(predictor: Predictor, data: Any, *, seed: int) -> Importance | None:
    """Measure what moves a model's predictions on a sample of val rows; for classes, on average over them.

    Returns:
        ``None`` for a model that reads no feature, such as a constant.
    """
    rng = np.random.default_rng(seed)
    model = predictor.model
    rows = sample_rows(model, asked(data, data.val), rng)
    if not len(rows) or not (rows.matrix.size or model.reads_graph):
        return None
    divisions, method = divide_sample(model, rows)
    movement = Movement.of(divisions)
    if not movement.size.sum() > 0:
        return None
    return Importance(
        model=predictor.candidate.model,
        method=method,
        features=movement.features(),
        tables=movement.grouped(lambda f: (f.table,) if f.table else ()),
        links=movement.grouped(lambda f: f.links),
        columns=movement.grouped(lambda f: f.columns),
        deletion=_check(model, rows, movement, rng),
        num_rows=len(divisions[0].base),
        hops=movement.grouped(hop_of),
        unit=unit_of(model) if method == CONTRIBUTIONS else unit_of_change(model),
    )


@dataclass(frozen=True)
class Movement:
    """What parts moved some rows on average.

    Attributes:
        parts: Features, and columns and rows of the graph.
        size: Mean absolute amount of each; summed over classes where several are told.
        mean: Mean signed amount of each; ``None`` where several classes are told.
    """

    parts: tuple[Feature, ...]
    size: np.ndarray
    mean: np.ndarray | None

    @staticmethod
    def of(divisions: Sequence[Division], rows: np.ndarray | slice = slice(None)) -> Movement:
        """Average the divisions of some rows, one division per class that is told."""
        total: dict[Feature, float] = {}
        for division in divisions:
            sizes = np.abs(division.amounts[rows]).mean(axis=0).tolist()
            for part, size in zip(division.parts, sizes, strict=True):
                total[part] = total.get(part, 0.0) + size
        mean = divisions[0].amounts[rows].mean(axis=0) if len(divisions) == 1 else None
        return Movement(tuple(total), np.array(list(total.values())), mean)

    @property
    def shares(self) -> np.ndarray:
        """The sizes as shares of their sum, ``(parts,)``."""
        return np.asarray(self.size / self.size.sum())

    def features(self) -> tuple[Share, ...]:
        """Return the share of each part."""
        means = [None] * len(self.parts) if self.mean is None else self.mean.tolist()
        told = zip(self.parts, self.shares.tolist(), means, strict=True)
        return _ranked(Share(part.name, part.words, size, mean) for part, size, mean in told)

    def grouped(self, groups: Callable[[Feature], tuple[str, ...]]) -> tuple[Share, ...]:
        """Add parts up by group; a part of several groups is divided evenly among them."""
        size: dict[str, float] = {}
        mean: dict[str, float] = {}
        means = self.size * 0 if self.mean is None else self.mean
        for part, share, signed in zip(self.parts, self.shares.tolist(), means.tolist(), strict=True):
            names = groups(part)
            for name in names:
                size[name] = size.get(name, 0.0) + share / len(names)
                mean[name] = mean.get(name, 0.0) + signed / len(names)
        known = self.mean is not None
        return _ranked(Share(name, name, size[name], mean[name] if known else None) for name in size)


class Sourced(Protocol):
    """What comes from a table over links: a feature, or an amount of one."""

    @property
    def table(self) -> str:
        """Where it comes from; empty for what reads no table."""
        ...

    @property
    def links(self) -> tuple[str, ...]:
        """Links walked from the entity."""
        ...


def hop_of(part: Sourced) -> tuple[str, ...]:
    """Say how many links lie between the entity and what a part reads; nothing of what reads no table."""
    if not part.table:
        return ()
    hops = len(part.links)
    return ("the entity itself" if hops == 0 else f"{hops} link{'' if hops == 1 else 's'} away",)


def unit_of(model: Model) -> str:
    """Name the unit of the amounts that a model divides its scores into, before calibration."""
    return _UNITS.get(model.header.task.type, UNCALIBRATED)


def unit_of_change(model: Model) -> str:
    """Name the unit of the amounts that leaving features out gives."""
    return CHANGE_BESIDE_GRAPH if model.reads_graph else CHANGE


def divide_row(
    model: Model, rows: Asked, calibrate: Callable[[np.ndarray], np.ndarray]
) -> tuple[Division, str]:
    """Divide the score of one row among what the model read.

    Args:
        model: The model.
        rows: The row, its matrix of shape ``(1, features)``.
        calibrate: What is done to its predictions before they are shown.

    Returns:
        The division, and the unit's name: ``log-odds``, ``value``, ``score`` for items, or ``change of
        prediction`` where the model does not divide its scores (``… beside the graph`` where it reads one).
    """
    index = _explained_class(model, rows)
    divided = model.divide_rows(rows, index)
    if divided is not None:
        return divided, _UNITS.get(model.header.task.type, LOG_ODDS)
    amounts = _ablate(model, rows, index, calibrate)
    base = first_output(calibrate(model.score_rows(rows)), index)
    return Division(tuple(model.header.encoder.features), amounts, base), unit_of_change(model)


def first_output(prediction: np.ndarray, index: int | None = None) -> np.ndarray:
    """Return one number per row: the prediction, or the probability of one class."""
    return prediction if prediction.ndim == 1 else prediction[:, index or 0]


def _explained_class(model: Model, rows: Asked) -> int | None:
    prediction = model.score_rows(rows.first(1))
    return None if prediction.ndim == 1 else int(prediction[0].argmax())


def divide_sample(model: Model, rows: Asked) -> tuple[list[Division], str]:
    """Divide the scores of some rows, once for each class that is told, and say how.

    A model that cannot divide its scores is asked what leaving features out changes, on the first rows.
    """
    divisions = []
    for index in _told_classes(model, rows):
        divided = model.divide_rows(rows, index)
        if divided is None:
            few = rows.first(_ABLATED_ROWS)
            amounts = _ablate(model, few, None, np.asarray)
            parts = tuple(model.header.encoder.features)
            return [Division(parts, amounts, np.zeros(len(few)))], ABLATION
        divisions.append(divided)
    return divisions, CONTRIBUTIONS


def _told_classes(model: Model, rows: Asked) -> list[int | None]:
    """Return the classes that are predicted most; ``[None]`` for a model without classes."""
    if not model.header.classes:
        return [None]
    likeliest = np.argsort(-model.score_rows(rows).mean(axis=0), kind="stable")
    most = _MOST_TOLD_CLASSES if model.reads_graph else _MOST_CLASSES
    return [int(index) for index in likeliest[:most]]


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
        encoder = model.header.encoder
        variants = np.concatenate([encoder.without(matrix, {encoder.names[c]}) for c in columns])
        scored = calibrate(model.score_rows(rows.with_matrix(variants)))
        moved = whole - scored.reshape(len(columns), *whole.shape)
        if whole.ndim == 2:
            moved = np.abs(moved).mean(axis=2) if index is None else moved[:, :, index]
        change[:, start : start + len(columns)] = moved.T
    return change


def judge_deletion(
    removed: Sequence[int], important: Sequence[float], random: Sequence[float]
) -> Deletion | None:
    """Say what came of removing some numbers of parts; ``None`` when nothing was."""
    if not removed:
        return None
    is_faithful = all(i > r for i, r in zip(important, random, strict=True))
    return Deletion(tuple(removed), tuple(important), tuple(random), is_faithful)


def _check(model: Model, rows: Asked, movement: Movement, rng: np.random.Generator) -> Deletion | None:
    """Compare removing the most important parts with removing random ones (Samek et al., 2017)."""
    parts, shares = movement.parts, movement.shares
    used = np.flatnonzero(shares > 0)
    sizes = [m for m in _NUM_REMOVED if 2 * m <= len(used)]
    if not sizes:
        return None
    rows = rows.first(_TOLD_ROWS if model.reads_graph else 300)
    whole = model.score_rows(rows)

    def moved(chosen: Sequence[int]) -> float:
        without = model.score_without(rows, [parts[i] for i in chosen])
        return float(np.abs(without - whole).mean())

    order = np.argsort(-shares, kind="stable")
    important = [moved([int(c) for c in order[:m]]) for m in sizes]
    random = [
        float(np.mean([moved(rng.choice(used, m, replace=False).tolist()) for _ in range(_NUM_RANDOM)]))
        for m in sizes
    ]
    return judge_deletion(sizes, important, random)


def sample_rows(model: Model, rows: Asked, rng: np.random.Generator) -> Asked:
    """Return as many random rows as there is time to explain."""
    if not len(rows):
        return Asked(None, np.empty((0, 0), dtype=np.float32))
    return rows.take(sample_places(model, len(rows), rng))


def sample_places(model: Model, num: int, rng: np.random.Generator) -> np.ndarray:
    """Choose which of some rows to explain, ascending."""
    most = _TOLD_ROWS if model.reads_graph else SAMPLE_ROWS
    return np.sort(rng.choice(num, min(num, most), replace=False))


def _ranked(parts: Iterable[Share], most: int = 60) -> tuple[Share, ...]:
    return tuple(sorted((p for p in parts if p.value > 0), key=lambda s: -s.value)[:most])
