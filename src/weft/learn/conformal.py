"""Quantiles around a predicted number, from how far val predictions were off.

Split-conformal prediction (Vovk et al., 2005; Lei et al., 2018) with groups of similar predictions (Mondrian;
Boström and Johansson, 2020): the residuals of val rows whose prediction is like that of the new row are
ranked, and the quantile is the prediction plus the residual of the fitting rank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from weft.core import Task, TaskType, UserError

NUMBERS = (TaskType.REGRESSION, TaskType.FORECASTING)
_LEAST_ROWS = 100
_MOST_GROUPS = 10


def check_quantiles(task: Task, levels: Sequence[float]) -> tuple[float, ...]:
    """Return the levels in ascending order, each once.

    Raises:
        UserError: ``LEARN030`` for a task that predicts no number, ``LEARN031`` for a level that is not
            between 0 and 1.
    """
    if task.type not in NUMBERS:
        raise UserError(
            "LEARN030",
            f"quantiles were asked of a {task.type.value.replace('_', ' ')} task, which predicts no number.",
            "leave quantiles out; probabilities and ranks say how sure the model is.",
        )
    bad = next((level for level in levels if not 0 < level < 1), None)
    if bad is not None or not levels:
        told = "no quantile was named" if bad is None else f"{bad:g} is no quantile"
        raise UserError("LEARN031", f"{told}.", "give numbers between 0 and 1, such as 0.1 and 0.9.")
    return tuple(sorted({float(level) for level in levels}))


def quantile_name(level: float) -> str:
    """Name the column of a quantile.

    Example:
        >>> quantile_name(0.1), quantile_name(0.975)
        ('q10', 'q97.5')
    """
    return f"q{100 * level:.10g}"


@dataclass(frozen=True)
class Conformal:
    """Residuals to add to a prediction, by frame and by group of similar predictions.

    Attributes:
        levels: Ascending.
        edges: Frame → where one group of predictions ends and the next begins; 0 when there are no frames.
        shifts: Frame → residuals, shape ``(groups, levels)``, ascending along the levels.
        floor: What no quantile falls below.
    """

    levels: tuple[float, ...]
    edges: dict[int, np.ndarray]
    shifts: dict[int, np.ndarray]
    floor: float

    @classmethod
    def fit(
        cls,
        levels: tuple[float, ...],
        label: np.ndarray,
        predicted: np.ndarray,
        frame: np.ndarray | None = None,
    ) -> Conformal:
        """Rank the residuals of rows that the model was not fitted on.

        Args:
            levels: From `check_quantiles`.
            label: What came true, shape ``(N,)``.
            predicted: What was predicted, shape ``(N,)``.
            frame: How many frames ahead, shape ``(N,)``; each has residuals of its own.

        Raises:
            UserError: ``LEARN032`` when there are too few rows for a level.
        """
        frames = np.zeros(len(label), np.int64) if frame is None else frame
        edges, shifts = {}, {}
        for number in np.unique(frames).tolist() or [0]:
            rows = frames == number
            y, p = label[rows], predicted[rows]
            _check_size(levels, len(y))
            edges[number] = _edges(p, _least_rows(levels))
            group = np.searchsorted(edges[number], p)
            shifts[number] = np.array(
                [_ranked(levels, (y - p)[group == g]) for g in range(len(edges[number]) + 1)]
            )
        floor = 0.0 if len(label) and label.min() >= 0 else -math.inf
        return cls(levels, edges, shifts, floor)

    def quantiles(self, predicted: np.ndarray, frame: np.ndarray | None = None) -> np.ndarray:
        """Return quantiles of shape ``(N, levels)`` that never cross."""
        frames = np.zeros(len(predicted), np.int64) if frame is None else frame
        found = np.empty((len(predicted), len(self.levels)))
        for number in np.unique(frames).tolist():
            rows = frames == number
            group = np.searchsorted(self.edges[number], predicted[rows])
            found[rows] = predicted[rows, None] + self.shifts[number][group]
        return np.maximum(found, self.floor)


def _ranked(levels: tuple[float, ...], residuals: np.ndarray) -> np.ndarray:
    """Pick the residual of each level so that new rows stay on the safe side of it."""
    ordered = np.sort(residuals)
    return ordered[[_rank(level, len(ordered)) - 1 for level in levels]]


def _rank(level: float, num: int) -> int:
    """Return the rank from 1: rounded away from the middle, for the new row is one more row."""
    # Rounding keeps 0.1 · 30 from being taken for a little more than 3.
    exact = round((num + 1) * level, 9)
    return math.floor(exact) if level < 0.5 else math.ceil(exact)


def _check_size(levels: tuple[float, ...], num: int) -> None:
    for level in levels:
        if not 1 <= _rank(level, num) <= num:
            needed = math.ceil(round(1 / min(level, 1 - level), 9)) - 1
            raise UserError(
                "LEARN032",
                f"the quantile {level:g} needs {needed:,} val rows (of each frame) to be read from, and "
                f"there are {num:,}.",
                "ask for one nearer to 0.5, or give val more anchors.",
            )


def _least_rows(levels: tuple[float, ...]) -> int:
    """Return how many rows a group needs, so that at least two lie beyond the outermost level."""
    return max(_LEAST_ROWS, math.ceil(2 / min(levels[0], 1 - levels[-1])))


def _edges(predicted: np.ndarray, least: int) -> np.ndarray:
    """Cut the predictions into groups of about equal size; equal predictions stay together."""
    wanted = max(least, math.ceil(len(predicted) / _MOST_GROUPS))
    values, counts = np.unique(predicted, return_counts=True)
    edges, held, left = [], 0, len(predicted)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        held, left = held + count, left - count
        if held >= wanted and left >= wanted:
            edges.append(value)
            held = 0
    return np.array(edges)
