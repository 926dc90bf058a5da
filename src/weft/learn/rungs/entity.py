"""What the entity itself did before: its past labels, shrunk towards everybody's.

Only features whose aggregate begins with ``past_label.`` are read: they hold labels whose window had ended by
the cutoff, so that nothing of the future comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from weft.core import Feature, FeatureKind, Progress, Resources, Task, TaskType
from weft.learn.data import Outline, Rows, TrainingData
from weft.learn.rung import (
    Budget,
    Config,
    Header,
    Model,
    not_applicable,
)
from weft.learn.rungs.constant import best_constant
from weft.learn.rungs.distribution import Distribution, fit_distribution
from weft.learn.rungs.rule import RuleModel
from weft.learn.scoring import gain_of

PAST = "past_label."
_MEANS = ("past_label.mean", "past_label.median")
_STRENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_LAST_WEIGHTS = (0.0, 0.5, 2.0, 8.0)


@dataclass(frozen=True)
class Shrinkage:
    """How past labels become a prediction.

    Attributes:
        mean: Position of the feature with the mean past label.
        count: Position of the feature with their number, or ``None``.
        last: Position of the feature with the newest one, or ``None``.
        strength: How many past labels the prior counts for.
        last_weight: How many past labels the newest one counts for, beside itself.
        prior: What is predicted for an entity without past labels.
    """

    mean: int
    count: int | None
    last: int | None
    strength: float
    last_weight: float
    prior: float

    @property
    def feature(self) -> int:
        """Position of the feature that is said to move the prediction."""
        return self.mean

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        """Predict from encoded features."""
        mean = matrix[:, self.mean].astype(np.float64)
        known = np.isfinite(mean)
        count = known.astype(np.float64) if self.count is None else matrix[:, self.count].astype(np.float64)
        count = np.where(known, np.maximum(np.nan_to_num(count), 1.0), 0.0)
        total = count * np.where(known, mean, 0.0) + self.strength * self.prior
        weight = count + self.strength
        if self.last is not None and self.last_weight:
            last = matrix[:, self.last].astype(np.float64)
            extra = np.where(np.isfinite(last), self.last_weight, 0.0)
            total, weight = total + extra * np.nan_to_num(last), weight + extra
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), self.prior)


class EntityModel(RuleModel):
    """A constant per entity."""

    rung = "entity"
    numbers = Shrinkage

    @property
    def words(self) -> str:
        """Say which past labels are used."""
        what = self.header.encoder.features[self.rule.feature].words
        if isinstance(self.rule, Shrinkage):
            return f"{what}{_shrunk(self.rule.strength)}"
        return f"what followed {what} in train"


def _shrunk(strength: float) -> str:
    """Say how far past labels are drawn to what is usual."""
    if not strength:
        return ""
    words = {0.5: "half an average label", 1.0: "one average label"}
    return f", weighed with {words.get(strength, f'{strength:g} average labels')}"


class EntityRung:
    """A constant per entity from its past labels, with the shrinkage chosen on val."""

    name = "entity"
    cost = 10
    model = EntityModel

    def supports(self, task: Task) -> bool:
        """Do every task with a window but link prediction."""
        return task.type is not TaskType.LINK_PREDICTION and not task.is_static

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """There is one."""
        return [{}]

    def fit(
        self,
        data: TrainingData,
        config: Config,
        seed: int,
        *,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
    ) -> Model:
        """Choose the feature of past labels and how far to shrink it.

        Raises:
            UserError: ``LEARN010`` when there is no such feature.
        """
        header = Header(data.task, data.classes, data.encoder)
        is_number = data.train.targets.values.dtype == np.float64
        rules: Sequence[Shrinkage | Distribution] = _shrinkages(data) if is_number else _distributions(data)
        if not rules:
            raise not_applicable(self.name, "there is no feature of past labels")
        best = max(rules, key=lambda rule: _quality(EntityModel(header, rule), data.val, data))
        return EntityModel(header, best)


def _shrinkages(data: TrainingData) -> list[Shrinkage]:
    prior = float(best_constant(data.task, data.outline.chosen_metric, data.train.targets, 0))
    # A few labels that are all alike make nothing certain; chances of 0 and 1 would drown others in a blend.
    strengths = _STRENGTHS[1:] if data.task.type is TaskType.BINARY else _STRENGTHS
    rules = []
    for mean, feature in enumerate(data.features):
        if feature.aggregate in _MEANS and feature.kind is FeatureKind.NUMERICAL:
            count = _companion(data.features, feature, "past_label.count")
            last = _companion(data.features, feature, "past_label.last")
            weights = _LAST_WEIGHTS if last is not None else (0.0,)
            rules += [Shrinkage(mean, count, last, s, w, prior) for s, w in product(strengths, weights)]
    return rules


def _companion(features: tuple[Feature, ...], of: Feature, aggregate: str) -> int | None:
    """Find the feature of the same past labels, of the same window if there is one."""
    found = [i for i, f in enumerate(features) if f.aggregate == aggregate and f.kind is of.kind]
    found = [i for i in found if features[i].table == of.table] or found
    same = [i for i in found if features[i].window_us == of.window_us]
    return next(iter(same or (found if aggregate == "past_label.last" else [])), None)


def _distributions(data: TrainingData) -> list[Distribution]:
    prior = best_constant(data.task, data.outline.chosen_metric, data.train.targets, len(data.classes))
    return [
        fit_distribution(data.train, position, prior, strength)
        for position, feature in enumerate(data.features)
        if feature.aggregate.startswith(PAST) and feature.kind is FeatureKind.CATEGORICAL
        for strength in (1.0, 5.0, 25.0)
    ]


def _quality(model: EntityModel, rows: Rows, data: TrainingData) -> float:
    predicted = model.score(rows.matrix)
    return gain_of(data.outline.chosen_metric, data.task.type, rows.targets, predicted)
