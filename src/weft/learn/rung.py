"""The contract of a rung: one kind of model on the ladder.

A rung says which tasks it can do, which configurations it would try within a budget, and fits one of
them. What comes back is a `Model`: it predicts, explains where it can, and is written as plain files
(JSON and text, no pickle) that another process reads back to the same predictions.

What predictions look like, for ``n`` rows:

==================  ==============================================================
binary              ``(n,)`` probability of TRUE
regression          ``(n,)`` value; so for forecasting, where a row is one frame
multiclass          ``(n, classes)`` probabilities that sum to one
multilabel          ``(n, classes)`` probabilities, one by one; ranking alike
link prediction     ``(n,)`` score of one candidate row; higher is better
==================  ==============================================================
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pyarrow as pa

from weft.core import Feature, Progress, Resources, Task, TaskType, UserError, from_plain, to_plain
from weft.learn.data import Outline
from weft.learn.division import Division
from weft.learn.encoder import Encoder
from weft.learn.view import Asked, GraphView, Pairs

Config = Mapping[str, Any]
MODEL_FILE = "model.json"
FORMAT = 2
USE_ANOTHER = "use another rung."


@dataclass(frozen=True)
class Budget:
    """How much work a rung may plan: CPU seconds on a common machine, not seconds on the clock.

    Rungs turn it into a number of trials by a fixed rule, so that the same budget means the same work
    everywhere and gives the same model.

    Attributes:
        cpu_s: For one rung.
        trials: Number of trials of a search instead; 0 is to go by ``cpu_s``.
    """

    cpu_s: float = 20.0
    trials: int = 0


@dataclass(frozen=True)
class Header:
    """What every model knows: its task, its classes and how it reads features."""

    task: Task
    classes: tuple[str, ...]
    encoder: Encoder


class Model(ABC):
    """A fitted model. Subclasses hold plain numbers and arrays."""

    rung: ClassVar[str]
    # Whether `score_rows` needs the graph beside the features.
    reads_graph: ClassVar[bool] = False
    # Which train rows it learned from, where the configuration does not say.
    train_cutoffs: str = "own"
    # What a model that was fitted on val predicts for val when those rows are held out; see `BlendRung`.
    val_prediction: np.ndarray | None = None

    def __init__(self, header: Header) -> None:
        self.header = header

    @abstractmethod
    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Predict from encoded features of shape ``(n, features)``; see the module for shapes."""

    def score_rows(self, rows: Asked) -> np.ndarray:
        """Predict for rows with their seeds and their graph; from the features alone where not overridden."""
        return self.score(rows.matrix)

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what `from_state` needs, as plain JSON values."""

    @classmethod
    @abstractmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Rebuild the model from what `state` gave and `save_files` wrote."""

    @property
    def words(self) -> str:
        """What the model does, in words a reader of the report understands."""
        return self.rung

    def predict(
        self, features: pa.Table, seeds: pa.Table | None = None, graph: GraphView | None = None
    ) -> np.ndarray:
        """Predict for a feature table.

        Args:
            features: One row per row to predict.
            seeds: Their entities and anchors, for models that read a graph; frames where the task forecasts;
                for link prediction the seeds that the column ``seed`` counts.
            graph: The graph, for models that read one.

        Raises:
            UserError: ``LEARN005`` when the table is not what the model was fitted on.
        """
        pairs = None
        if self.reads_graph and self.header.task.type is TaskType.LINK_PREDICTION:
            pairs = Pairs(features["seed"].to_numpy(), features["item"])
        return self.score_rows(Asked(seeds, self.header.encoder.matrix(features, seeds), graph, pairs))

    def raw(self, matrix: np.ndarray) -> np.ndarray:
        """Return the sum that `contribution_matrix` divides; predictions where not overridden."""
        return self.score(matrix)

    def contribution_matrix(self, matrix: np.ndarray, class_index: int | None = None) -> np.ndarray | None:
        """Divide each raw score among the features; see `contributions`."""
        return None

    def divide_rows(self, rows: Asked, class_index: int | None = None) -> Division | None:
        """Divide the raw scores of rows among what the model read; ``None`` where it cannot tell.

        Args:
            rows: At least one.
            class_index: The class to explain, for tasks with classes; the first when left out.
        """
        divided = self.contribution_matrix(rows.matrix, class_index)
        if divided is None:
            return None
        return Division(tuple(self.header.encoder.features), divided[:, :-1], divided[:, -1])

    def score_without(self, rows: Asked, removed: Collection[Feature]) -> np.ndarray:
        """Predict as if some of the parts that `divide_rows` names were missing."""
        matrix = self.header.encoder.without(rows.matrix, {part.name for part in removed})
        return self.score_rows(rows.with_matrix(matrix))

    def contributions(
        self, features: pa.Table, seeds: pa.Table | None = None, *, class_index: int | None = None
    ) -> np.ndarray | None:
        """Say how much each feature moved each prediction.

        Args:
            features: As for `predict`.
            seeds: As for `predict`.
            class_index: The class to explain, for tasks with classes; the first when left out.

        Returns:
            Shape ``(n, features + 1)``, the last column what is predicted knowing nothing. A row sums to
            the raw score: log-odds or value. ``None`` where the rung cannot tell; then
            `weft.learn.ablation` measures by leaving features out.
        """
        return self.contribution_matrix(self.header.encoder.matrix(features, seeds), class_index)

    def save_files(self, directory: Path) -> None:  # noqa: B027 - most models are JSON alone
        """Write what is not JSON; nothing by default."""

    def save(self, directory: Path) -> None:
        """Write the model into ``directory``, which is made when missing."""
        directory.mkdir(parents=True, exist_ok=True)
        self.save_files(directory)
        document = {
            "format": FORMAT,
            "rung": self.rung,
            "header": to_plain(self.header),
            "state": self.state(),
        }
        text = json.dumps(document, sort_keys=True, allow_nan=False, ensure_ascii=False)
        (directory / MODEL_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the model that `save` wrote.

        Raises:
            UserError: ``LEARN009`` when the files are damaged, newer, or of another rung.
        """
        document = read_model_file(directory)
        if document["rung"] != cls.rung:
            raise _unreadable(directory, f"it holds a model of the rung '{document['rung']}'")
        try:
            return cls.from_state(from_plain(Header, document["header"]), document["state"], directory)
        except (KeyError, TypeError, ValueError, OSError) as error:
            if getattr(error, "code", "") == "LEARN049":
                raise
            raise _unreadable(directory, f"{type(error).__name__}: {error}") from error


class Rung(Protocol):
    """One kind of model; register it with the entry point group ``weft.rungs``.

    Attributes:
        name: Unique, lower case; models are called ``name`` or ``name:variant``.
        cost: Place on the ladder: 0 constant, 10 entity, 20 heuristic, 30 linear, 40 lightgbm, 60 networks,
            90 blend. Of two rungs that are as good the verdict names the one with the lower cost.
            A rung may also set ``resumes = True``: its ``fit`` is then given ``unfinished``, a folder that
            outlives a killed process, or ``None``. One with ``goes_on = True`` finds in its configuration, as
            ``warm``, the folder of a candidate of an earlier run when it is to begin with its weights.
        model: The class that reads a saved model back.

    A rung with ``takes_fixed = True`` finds in its configuration what the user fixes under ``search``; with
    ``hears(setting, value)`` only what that is true of.
    A rung with ``appetite`` (a number) takes such a share of the budget. A rung with ``propose`` is a
    search: those of its variants that have a ``"round"`` are configured by ``propose`` when the trials of
    the rounds before have ended; see `weft.learn.rungs.search`. One with ``rolls = True`` finds in its
    configuration, as ``origins``, the anchors of train and val of earlier splits when its trials are to be
    scored there, too.
    """

    name: str
    cost: int
    model: type[Model]

    def supports(self, task: Task) -> bool:
        """Say whether the rung can do this task."""
        ...

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """List configurations to try, best guess first; each may name itself by ``"variant"``."""
        ...

    def fit(
        self,
        data: Any,
        config: Config,
        seed: int,
        *,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
    ) -> Model:
        """Fit one configuration on train, choosing on val.

        Args:
            data: `TrainingData`, or `RankingData` for link prediction.
            config: One of `variants`, as it came back from JSON.
            seed: All randomness derives from it: same data, config, seed and version, same bytes.
            resources: Threads and memory to stay within.
            deadline: ``time.monotonic()`` by which to end with the best found so far; a safety net, since
                the config already says how much to do.
            progress: Told how far the fit is.

        Raises:
            UserError: ``LEARN010`` when these data have nothing that the rung can use; it is left out.
        """
        ...


def read_model_file(directory: Path) -> dict[str, Any]:
    """Read ``model.json`` of a saved model."""
    try:
        document = json.loads((directory / MODEL_FILE).read_text(encoding="utf-8"))
        if document["format"] > FORMAT:
            raise _unreadable(
                directory, f"it has format {document['format']}, this Weft reads up to {FORMAT}"
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise _unreadable(directory, f"{type(error).__name__}: {error}") from error
    return dict(document)


def not_applicable(rung: str, reason: str, hint: str = USE_ANOTHER) -> UserError:
    """Make the error of a rung that cannot be used on these data, or within its part of the budget."""
    return UserError("LEARN010", f"the rung '{rung}' was left out: {reason}.", hint)


def is_classification(task: Task) -> bool:
    """Say whether predictions are probabilities."""
    return task.type not in (TaskType.REGRESSION, TaskType.FORECASTING, TaskType.LINK_PREDICTION)


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return ``log(p / (1 - p))``, kept within ±16."""
    edge = 1 / (1 + math.exp(16))
    clipped = np.clip(probability, edge, 1 - edge)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def sigmoid(value: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + exp(-value))`` without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * value)))


def _unreadable(directory: Path, reason: str) -> UserError:
    return UserError(
        "LEARN009",
        f"the model in '{directory.name}' cannot be read: {reason}.",
        "fit it again, or open it with the version of Weft that wrote it.",
    )
