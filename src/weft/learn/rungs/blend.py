"""The top of the ladder: a weighted mean of finished candidates.

Weights are shares of votes, given one at a time to whatever lowers the loss most (`voting`) on entities of
val drawn with replacement, and averaged over several draws: a small val spreads its votes, a large one does
not. The score that val shows is honest: each part of val is predicted with weights that were chosen on the
other parts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from weft.core import Feature, Progress, Resources, Split, Task, TaskType
from weft.learn.candidate import MODEL_FOLDER, read_candidate, read_predictions
from weft.learn.data import Outline, TrainingData
from weft.learn.division import Division, blend_divisions
from weft.learn.folds import number_folds
from weft.learn.metrics import get_metric
from weft.learn.ranking import RankingData
from weft.learn.registry import load_model
from weft.learn.rung import Budget, Config, Header, Model, log_odds, not_applicable, sigmoid
from weft.learn.rungs.blend_lists import ListVotes, spread_within_lists
from weft.learn.rungs.voting import DRAWS, average_votes, cast_votes
from weft.learn.scoring import gain_of
from weft.learn.view import Asked

_MAX_MEMBERS = 6
# More rows in a draw would change little but the time it takes.
_DRAWN_ROWS = 5_000
# Draws of a small val differ most and cost least: with 12 of 600 rows, weights move by a tenth from seed to
# seed.
_DRAWN_ROWS_IN_ALL, _MOST_DRAWS = 30_000, 60
_LINEAR = frozenset(
    {TaskType.REGRESSION, TaskType.FORECASTING, TaskType.MULTICLASS, TaskType.LINK_PREDICTION}
)


class BlendModel(Model):
    """Predicts a weighted mean: of values, of class probabilities, of log-odds, or of scores of items.

    Args:
        header: Of the task.
        members: Name, model and weight of each.
        folders: Where their candidates are; needed to save the model.
        scales: What the predictions of each are divided by before they are weighed; 1 when left out.
    """

    rung = "blend"

    def __init__(
        self,
        header: Header,
        members: Sequence[tuple[str, Model, float]],
        folders: Sequence[Path] = (),
        scales: Sequence[float] = (),
    ) -> None:
        super().__init__(header)
        self.members = tuple(members)
        self._folders = tuple(folders)
        self.scales = tuple(scales) or (1.0,) * len(self.members)

    @property
    def words(self) -> str:
        """Say what is blended."""
        return " + ".join(f"{weight:.0%} {name}" for name, _, weight in self.members)

    @property
    def reads_graph(self) -> bool:  # type: ignore[override]
        """Whether a member does."""
        return any(m.reads_graph for _, m, _ in self.members)

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Blend the members' predictions, where none reads a graph."""
        return blend(self.header.task, [m.score(matrix) for _, m, _ in self.members], self._weights())

    def score_rows(self, rows: Asked) -> np.ndarray:
        """Blend the members' predictions."""
        return blend(self.header.task, [m.score_rows(rows) for _, m, _ in self.members], self._weights())

    def contribution_matrix(self, matrix: np.ndarray, class_index: int | None = None) -> np.ndarray | None:
        """Blend the members' contributions; ``None`` when one of them cannot tell."""
        if self.header.task.type is TaskType.MULTICLASS:
            return None
        parts = [m.contribution_matrix(matrix, class_index) for _, m, _ in self.members]
        known = [p for p in parts if p is not None]
        if len(known) < len(parts):
            return None
        return np.asarray(sum(w * p for w, p in zip(self._weights(), known, strict=True)))

    def divide_rows(self, rows: Asked, class_index: int | None = None) -> Division | None:
        """Blend what the members tell, graph and all; ``None`` when one of them cannot tell."""
        if self.header.task.type is TaskType.MULTICLASS:
            return None
        parts = [m.divide_rows(rows, class_index) for _, m, _ in self.members]
        known = [p for p in parts if p is not None]
        return blend_divisions(known, self._weights().tolist()) if len(known) == len(parts) else None

    def score_without(self, rows: Asked, removed: Collection[Feature]) -> np.ndarray:
        """Blend what the members predict without some parts."""
        predictions = [m.score_without(rows, removed) for _, m, _ in self.members]
        return blend(self.header.task, predictions, self._weights())

    def save_files(self, directory: Path) -> None:
        """Copy the members' models."""
        for number, folder in enumerate(self._folders):
            shutil.copytree(folder / MODEL_FOLDER, directory / f"member-{number}", dirs_exist_ok=True)

    def state(self) -> dict[str, Any]:
        """Return names, weights and scales."""
        named = zip(self.members, self.scales, strict=True)
        return {"members": [{"name": n, "weight": w, "scale": scale} for (n, _, w), scale in named]}

    @classmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Read the members back."""
        members = [
            (said["name"], load_model(directory / f"member-{number}"), said["weight"])
            for number, said in enumerate(state["members"])
        ]
        return cls(header, members, scales=[said.get("scale", 1.0) for said in state["members"]])

    def _weights(self) -> np.ndarray:
        return np.array([w / scale for (_, _, w), scale in zip(self.members, self.scales, strict=True)])


class BlendRung:
    """A weighted mean of the candidates that are best on val."""

    name = "blend"
    cost = 90
    combines = True
    model: type[Model] = BlendModel

    def supports(self, task: Task) -> bool:
        """Every task."""
        return True

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """One blend."""
        return [{}]

    def fit(
        self,
        data: TrainingData | RankingData,
        config: Config,
        seed: int,
        *,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
    ) -> Model:
        """Choose weights on val.

        Config: ``members``, the folders of finished candidates.

        Raises:
            UserError: ``LEARN010`` with fewer than two candidates to blend, or when one alone is best.
        """
        folders = self._best(data, [Path(m) for m in config.get("members", ())])
        if len(folders) < 2:
            raise not_applicable(self.name, f"{len(folders)} candidates to blend, and two are needed")
        predictions = [read_predictions(f, Split.VAL) for f in folders]
        scales = _scales(data, predictions)
        predictions = [p / scale for p, scale in zip(predictions, scales, strict=True)]
        choose = _chooser(data, predictions, seed)
        weights = choose(np.arange(len(data.val)))
        kept = np.flatnonzero(weights).tolist()
        if len(kept) < 2:
            name = read_candidate(folders[kept[0]]).model
            raise not_applicable(self.name, f"no mean is better on val than {name} alone")
        members = [
            (read_candidate(folders[i]).model, load_model(folders[i] / MODEL_FOLDER), float(weights[i]))
            for i in kept
        ]
        header = Header(data.task, data.classes, data.encoder)
        model = BlendModel(header, members, [folders[i] for i in kept], [scales[i] for i in kept])
        model.val_prediction = _held_out(data, predictions, choose)
        return model

    def _best(self, data: TrainingData | RankingData, folders: Sequence[Path]) -> list[Path]:
        metric = get_metric(data.outline.chosen_metric)
        scored = [
            (c, f) for c, f in ((read_candidate(f), f) for f in folders) if not c.left_out and c.cost > 0
        ]
        gains = [(metric.gain(c.val, 0.0), f) for c, f in scored if c.val is not None]
        return [f for _, f in sorted(gains, key=lambda g: -g[0])[:_MAX_MEMBERS]]


def blend(task: Task, predictions: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean, of log-odds where predictions are probabilities of yes."""
    if task.type in _LINEAR:
        return np.asarray(sum(w * p for w, p in zip(weights, predictions, strict=True)))
    mean = sum(w * log_odds(np.asarray(p)) for w, p in zip(weights, predictions, strict=True))
    return sigmoid(np.asarray(mean))


def choose_weights(
    data: TrainingData, predictions: Sequence[np.ndarray], rows: np.ndarray, seed: int
) -> np.ndarray:
    """Choose weights on some rows of val; return shares that add up to one, small ones left out."""
    rng = np.random.default_rng(seed)
    by_entity = _by_entity(data.val.clusters()[rows])
    draws = min(_MOST_DRAWS, max(DRAWS, _DRAWN_ROWS_IN_ALL // max(1, len(rows))))
    return average_votes([_vote(data, predictions, rows[_draw(by_entity, rng)]) for _ in range(draws)])


def _vote(data: TrainingData, predictions: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
    targets = data.val.targets.take(rows)
    parts = [p[rows] for p in predictions]

    def gain(votes: np.ndarray) -> float:
        used = np.flatnonzero(votes)
        mixed = blend(data.task, [parts[int(j)] for j in used], votes[used] / votes.sum())
        return gain_of(data.outline.chosen_metric, data.task.type, targets, mixed)

    return cast_votes(len(parts), gain)


def _scales(data: TrainingData | RankingData, predictions: Sequence[np.ndarray]) -> list[float]:
    """Return what predictions are divided by before they are weighed: each rung has its scale of scores."""
    if not isinstance(data, RankingData):
        return [1.0] * len(predictions)
    if not data.val.is_true.any():
        raise not_applicable(BlendRung.name, "no candidate of val is true, so that nothing can be chosen")
    return [spread_within_lists(data.val, p) for p in predictions]


def _chooser(
    data: TrainingData | RankingData, predictions: Sequence[np.ndarray], seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what chooses weights on some rows of val; lists where items are ranked."""
    if isinstance(data, RankingData):
        return ListVotes(data, predictions, seed).choose
    return lambda rows: choose_weights(data, predictions, rows, seed)


def _by_entity(entities: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(entities, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(entities[order])) + 1)


def _draw(by_entity: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Draw entities with replacement, as many as there are, or as give enough rows."""
    drawn = [by_entity[i] for i in rng.integers(len(by_entity), size=len(by_entity)).tolist()]
    rows = np.cumsum([len(part) for part in drawn])
    return np.concatenate(drawn[: int(np.searchsorted(rows, _DRAWN_ROWS)) + 1])


def _held_out(
    data: TrainingData | RankingData,
    predictions: Sequence[np.ndarray],
    choose: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Predict each part of val with weights that were chosen on the others."""
    folds = number_folds(data.val.seeds)
    of = folds[data.val.seed] if isinstance(data, RankingData) else folds
    held_out = np.array(predictions[0], dtype=np.float64)
    for fold in np.unique(folds):
        held = np.flatnonzero(of == fold)
        rest = np.flatnonzero(folds != fold)
        weights = choose(rest) if len(rest) else np.full(len(predictions), 1.0)
        weights = weights / weights.sum()
        used = np.flatnonzero(weights)
        held_out[held] = blend(data.task, [predictions[int(j)][held] for j in used], weights[used])
    return held_out
