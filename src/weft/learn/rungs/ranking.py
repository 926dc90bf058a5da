"""Ranking by one score: what is popular, what was chosen before, what goes together with that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from weft.core import Progress, Resources, Task, TaskType
from weft.learn.data import Outline
from weft.learn.ranking import RankingData
from weft.learn.rung import Budget, Config, Header, Model, not_applicable

_SCORE = "score."


class ScoreModel(Model):
    """Ranks by one column; a candidate without that score is worth 0, and popularity breaks ties."""

    rung = "popularity"

    def __init__(self, header: Header, column: int) -> None:
        super().__init__(header)
        self.column = column

    @property
    def words(self) -> str:
        """Say what the order is by."""
        return f"by {self.header.encoder.features[self.column].words}"

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Return the column."""
        return np.nan_to_num(np.asarray(matrix[:, self.column], dtype=np.float64), nan=0.0)

    def contribution_matrix(self, matrix: np.ndarray, class_index: int | None = None) -> np.ndarray | None:
        """Give all of the score to the one column."""
        divided = np.zeros((len(matrix), matrix.shape[1] + 1))
        divided[:, self.column] = self.score(matrix)
        return divided

    def state(self) -> dict[str, Any]:
        """Return the position of the column."""
        return {"column": self.column}

    @classmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Rebuild from the position."""
        return cls(header, state["column"])


class RepeatModel(ScoreModel):
    """Ranks what the entity chose before."""

    rung = "repeat"


class CooccurrenceModel(ScoreModel):
    """Ranks what others chose along with what the entity chose."""

    rung = "cooccurrence"


class PopularityRung:
    """The items that most entities chose lately, the same for everybody."""

    name = "popularity"
    cost = 5
    model: type[Model] = ScoreModel
    _kind: ClassVar[type[ScoreModel]] = ScoreModel

    def supports(self, task: Task) -> bool:
        """Do link prediction alone."""
        return task.type is TaskType.LINK_PREDICTION

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """There is one."""
        return [{}]

    def fit(
        self,
        data: RankingData,
        config: Config,
        seed: int,
        *,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
    ) -> Model:
        """Find the score's column; nothing is learned.

        Raises:
            UserError: ``LEARN010`` when the candidates have no such score.
        """
        names = data.encoder.names
        if (column := _SCORE + self.name) not in names:
            raise not_applicable(self.name, f"the candidates have no column '{column}'")
        return self._kind(Header(data.task, (), data.encoder), names.index(column))


class RepeatRung(PopularityRung):
    """What the entity itself chose before, the most and the newest first."""

    name = "repeat"
    cost = 12
    model = RepeatModel
    _kind = RepeatModel


class CooccurrenceRung(PopularityRung):
    """What entities with the same items chose as well."""

    name = "cooccurrence"
    cost = 15
    model = CooccurrenceModel
    _kind = CooccurrenceModel
