"""Models that are one rule over one feature."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from weft.core import TaskType, from_plain, to_plain
from weft.learn.rung import Header, Model, is_classification, log_odds
from weft.learn.rungs.distribution import Distribution


class Rule(Protocol):
    """Predicts from one feature, and from nothing where that is missing."""

    @property
    def feature(self) -> int:
        """Position of the feature."""
        ...

    @property
    def prior(self) -> Any:
        """The prediction knowing nothing: a number, or one per class."""
        ...

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        """Predict from encoded features."""
        ...


class RuleModel(Model):
    """Predicts by a rule; ``numbers`` is the kind of rule where predictions are single numbers."""

    numbers: ClassVar[type]

    def __init__(self, header: Header, rule: Rule) -> None:
        super().__init__(header)
        self.rule = rule

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Predict from the one column."""
        predicted = self.rule.apply(matrix)
        is_binary = self.header.task.type is TaskType.BINARY
        return np.asarray(np.clip(predicted, 0.0, 1.0) if is_binary else predicted)

    def raw(self, matrix: np.ndarray) -> np.ndarray:
        """Return the prediction, as log-odds where it is a probability."""
        scores = self.score(matrix)
        return log_odds(scores) if is_classification(self.header.task) else scores

    def contribution_matrix(self, matrix: np.ndarray, class_index: int | None = None) -> np.ndarray | None:
        """Give all of the distance from the prior to the one feature."""
        raw, prior = self.raw(matrix), np.asarray(self.rule.prior)
        base = log_odds(prior) if is_classification(self.header.task) else prior
        if raw.ndim == 2:
            raw, base = raw[:, class_index or 0], base[class_index or 0]
        divided = np.zeros((len(matrix), matrix.shape[1] + 1))
        divided[:, self.rule.feature] = raw - base
        divided[:, -1] = base
        return divided

    def state(self) -> dict[str, Any]:
        """Return the rule."""
        return {"rule": to_plain(self.rule)}

    @classmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Rebuild from the rule."""
        plain = state["rule"]
        is_number = plain["$type"] == cls.numbers.__name__
        return cls(header, from_plain(cls.numbers if is_number else Distribution, plain))
