"""What a metric is: a name, a direction, and a score under any weights of the rows."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weft.core import TaskType, UserError
from weft.learn.targets import Targets


class Needs(enum.StrEnum):
    """What a metric is computed from.

    ``SCORE``: binary probabilities, or numbers that order the rows the same. ``PROBABILITY``:
    probabilities as rungs give them. ``LABEL``: the predicted class, int64 ``(n,)``; 0/1 for binary. For
    multilabel 0/1 per class. ``VALUE``: numbers. ``RANKING``: bool ``(n, k)``, whether the i-th item of a
    row's list is true.
    """

    SCORE = "score"
    PROBABILITY = "probability"
    LABEL = "label"
    VALUE = "value"
    RANKING = "ranking"


Weighted = Callable[[Targets, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """One way to score predictions.

    Attributes:
        name: As in the leaderboard, ``k`` filled in.
        needs: What it is computed from.
        higher_is_better: Direction.
        tasks: Task types it is for.
        weighted: ``(targets, prediction, weights (B, n)) -> (B,)``, NaN where undefined. A weight says how
            often a row counts, so that one call scores many bootstrap samples.
        lower: Smallest value possible.
        upper: Largest value possible; ``None`` is unbounded.
        k: Length of the list it looks at, for rankings.
    """

    name: str
    needs: Needs
    higher_is_better: bool
    tasks: frozenset[TaskType]
    weighted: Weighted
    lower: float | None = 0.0
    upper: float | None = 1.0
    k: int | None = None

    def score(self, targets: Targets, prediction: np.ndarray) -> float | None:
        """Score all rows; ``None`` where the metric is undefined, such as AUROC of one class."""
        if len(targets) == 0:
            return None
        value = float(self.weighted(targets, prediction, np.ones((1, len(targets))))[0])
        return value if np.isfinite(value) else None

    def require(self, targets: Targets, prediction: np.ndarray) -> float:
        """Score all rows.

        Raises:
            UserError: ``LEARN014`` where the metric is undefined.
        """
        value = self.score(targets, prediction)
        if value is None:
            raise UserError(
                "LEARN014",
                f"the metric '{self.name}' is undefined on these {len(targets):,} rows.",
                "score rows that have more than one class or value, or use another metric.",
            )
        return value

    def gain(self, value: float, base: float) -> float:
        """Return by how much ``value`` is better than ``base``; negative is worse."""
        return value - base if self.higher_is_better else base - value


def mean_metric(per_row: Callable[[Targets, np.ndarray], np.ndarray]) -> Weighted:
    """Make the weighted score of a metric that is a mean over rows; NaN rows are left out."""

    def weighted(targets: Targets, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
        values = per_row(targets, prediction)
        known = np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            total = weights @ np.where(known, values, 0.0)
            return np.asarray(total / (weights @ known.astype(np.float64)))

    return weighted
