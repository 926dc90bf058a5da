"""Gradient-boosted trees as a model: boosters whose raw scores add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from weft.core import TaskType
from weft.learn.rung import Header, Model, sigmoid
from weft.learn.targets import MULTILABEL

# Fewer rows than this are predicted sooner by one thread.
_PARALLEL_ROWS = 20_000
_PART_ROWS = 100_000


@dataclass(frozen=True)
class Member:
    """One booster of an ensemble.

    Attributes:
        text: The booster in LightGBM's text format.
        columns: Positions of the features it reads.
        output: The class it speaks about; ``None`` for all of them, or where there is a single output.
        weight: What its raw score is multiplied by.
    """

    text: str
    columns: tuple[int, ...]
    output: int | None
    weight: float
    # Parsing the text takes longer than predicting a few rows.
    _booster: list[Any] = field(default_factory=list, compare=False, repr=False)

    def booster(self) -> Any:
        """Return the parsed booster."""
        if not self._booster:
            import lightgbm

            self._booster.append(lightgbm.Booster(model_str=self.text))
        return self._booster[0]

    def predict(self, matrix: np.ndarray, **options: Any) -> np.ndarray:
        """Return the raw score, or what LightGBM's ``options`` ask for."""
        threads = {} if len(matrix) >= _PARALLEL_ROWS else {"num_threads": 1}
        booster = self.booster()
        # In parts, so that a mapped matrix of many rows is never copied as a whole.
        parts = [
            booster.predict(np.ascontiguousarray(rows[:, list(self.columns)]), **threads, **options)
            for rows in np.array_split(matrix, max(1, -(-len(matrix) // _PART_ROWS)))
        ]
        return np.concatenate(parts)


class BoostedModel(Model):
    """A weighted sum of boosters, turned into probabilities where the task is a classification."""

    rung = "lightgbm"

    def __init__(self, header: Header, members: tuple[Member, ...], base: np.ndarray) -> None:
        super().__init__(header)
        self.members = members
        self.base = base

    @property
    def words(self) -> str:
        """Say how large the model is."""
        read = len({c for m in self.members for c in m.columns})
        models = "model" if len(self.members) == 1 else "models"
        return f"{len(self.members)} boosted tree {models} over {read} features"

    def raw(self, matrix: np.ndarray) -> np.ndarray:
        """Add the raw scores of the members, ``(n,)`` or ``(n, classes)``."""
        total = np.tile(self.base.astype(np.float64), (len(matrix), 1))
        for member in self.members:
            scores = member.weight * member.predict(matrix, raw_score=True)
            where = slice(None) if member.output is None else slice(member.output, member.output + 1)
            total[:, where] += scores.reshape(len(matrix), -1)
        return total if self.header.classes else total[:, 0]

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Predict from encoded features."""
        return linked(self.header.task.type, self.raw(matrix))

    def contribution_matrix(self, matrix: np.ndarray, class_index: int | None = None) -> np.ndarray | None:
        """Divide the raw score by TreeSHAP (Lundberg et al., 2020), additive over the members."""
        wanted = class_index or 0
        divided = np.zeros((len(matrix), matrix.shape[1] + 1))
        divided[:, -1] = self.base[wanted]
        for member in self.members:
            if member.output not in (None, wanted):
                continue
            width = len(member.columns) + 1
            parts = member.weight * member.predict(matrix, pred_contrib=True)
            first = width * wanted if member.output is None else 0
            parts = parts.reshape(len(matrix), -1)[:, first : first + width]
            # Columns of one member are distinct, so plain addition through an index is enough.
            divided[:, list(member.columns)] += parts[:, :-1]
            divided[:, -1] += parts[:, -1]
        return divided

    def gains(self) -> np.ndarray:
        """Return how much each feature lowered the loss in training, ``(features,)``, summing to one."""
        total = np.zeros(len(self.header.encoder.features))
        for member in self.members:
            gain = member.booster().feature_importance("gain")
            total[list(member.columns)] += member.weight * gain / max(gain.sum(), 1e-12)
        return np.asarray(total / max(total.sum(), 1e-12))

    def save_files(self, directory: Path) -> None:
        """Write each booster as LightGBM's own text."""
        for number, member in enumerate(self.members):
            (directory / _file(number)).write_text(member.text, encoding="utf-8")

    def state(self) -> dict[str, Any]:
        """Return everything but the boosters."""
        members = [
            {"file": _file(i), "columns": list(m.columns), "output": m.output, "weight": m.weight}
            for i, m in enumerate(self.members)
        ]
        return {"base": self.base.tolist(), "members": members}

    @classmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Read the boosters back."""
        members = tuple(
            Member(
                (directory / said["file"]).read_text(encoding="utf-8"),
                tuple(said["columns"]),
                said["output"],
                said["weight"],
            )
            for said in state["members"]
        )
        return cls(header, members, np.asarray(state["base"], dtype=np.float64))


def linked(kind: TaskType, raw: np.ndarray) -> np.ndarray:
    """Turn raw scores into predictions: probabilities where the task is a classification."""
    if kind is TaskType.MULTICLASS:
        exp = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(exp / exp.sum(axis=1, keepdims=True))
    if kind is TaskType.BINARY or kind in MULTILABEL:
        return sigmoid(raw)
    return raw


def _file(number: int) -> str:
    return f"booster_{number}.txt"
