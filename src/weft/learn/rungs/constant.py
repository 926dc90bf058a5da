"""The floor of the ladder: the same answer for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from weft.core import Progress, Resources, Task, TaskType
from weft.learn.data import Outline, TrainingData
from weft.learn.rung import Budget, Config, Header, Model, is_classification, log_odds
from weft.learn.targets import Targets


class ConstantModel(Model):
    """Predicts one value, or one probability per class."""

    rung = "constant"

    def __init__(self, header: Header, value: np.ndarray) -> None:
        super().__init__(header)
        self.value = value

    @property
    def words(self) -> str:
        """Say what is predicted."""
        if self.value.ndim:
            best = int(np.argmax(self.value))
            return f"always the shares of train, most often '{self.header.classes[best]}'"
        return f"always {float(self.value):.4g}"

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Repeat the value for every row."""
        return np.broadcast_to(self.value, (len(matrix), *self.value.shape)).copy()

    def raw(self, matrix: np.ndarray) -> np.ndarray:
        """Repeat the value, as log-odds where it is a probability."""
        scores = self.score(matrix)
        return log_odds(scores) if is_classification(self.header.task) else scores

    def contribution_matrix(self, matrix: np.ndarray, class_index: int | None = None) -> np.ndarray | None:
        """All is base: no feature moves a constant."""
        divided = np.zeros((len(matrix), matrix.shape[1] + 1))
        raw = self.raw(matrix)
        divided[:, -1] = raw[:, class_index or 0] if raw.ndim == 2 else raw
        return divided

    def state(self) -> dict[str, Any]:
        """Return the value."""
        return {"value": self.value.tolist()}

    @classmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Rebuild from the value."""
        return cls(header, np.asarray(state["value"], dtype=np.float64))


class ConstantRung:
    """Prior, median, mean or class shares of train, whichever the metric rewards."""

    name = "constant"
    cost = 0
    model = ConstantModel

    def supports(self, task: Task) -> bool:
        """Do every task but link prediction."""
        return task.type is not TaskType.LINK_PREDICTION

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
        """Take the best constant of train."""
        value = best_constant(data.task, data.outline.chosen_metric, data.train.targets, len(data.classes))
        return ConstantModel(Header(data.task, data.classes, data.encoder), value)


def best_constant(task: Task, metric: str, targets: Targets, num_classes: int) -> np.ndarray:
    """Return what to predict knowing nothing: a number, or a share per class."""
    values = targets.values
    if task.type is TaskType.MULTICLASS:
        counts = np.bincount(values[values >= 0], minlength=num_classes)
        return np.asarray((counts + 1) / (counts.sum() + num_classes))
    if values.ndim == 2:
        return np.asarray((values.sum(axis=0, dtype=np.float64) + 0.5) / (len(values) + 1))
    if not is_classification(task) and metric in ("mae", "mape"):
        return np.asarray(np.median(values))
    return np.asarray(values.mean())
