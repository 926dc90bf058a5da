"""A trained network as a model of the ladder: JSON, encoders and weights in one folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from weft.core import Feature, InvariantError, from_plain, to_plain
from weft.learn.division import Attribution, Division, Usual, divide_by_part, from_usual, stack_divisions
from weft.learn.encoders.column import Array
from weft.learn.networks.attribution import COARSE, TOLERANCE, attribute
from weft.learn.networks.batch import BatchMaker
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.deletion import predict_without
from weft.learn.networks.feeding import Feeder, SeedRows
from weft.learn.networks.heads import Goal, divided_output
from weft.learn.networks.inputs import NetworkInputs, cutoffs_us, find_seeds
from weft.learn.networks.predictor import Network, embed, predict
from weft.learn.networks.recovery import find_device
from weft.learn.networks.registry import crossed_tables
from weft.learn.rung import Header, Model
from weft.learn.view import Asked, GraphView

WEIGHTS = "weights.safetensors"
_BATCH = 1_024
_TOLD_AT_ONCE = 64
_USUAL_TOLERANCE, _USUAL_ROWS, _MOST_OUTPUTS = 0.1, 48, 8
_NAMES = {"sage": "GraphSAGE", "relgnn": "RelGNN", "graph_transformer": "a graph transformer"}


class NetworkModel(Model):
    """A network that reads the neighborhoods of the rows it predicts for."""

    rung: ClassVar[str] = "network"
    reads_graph: ClassVar[bool] = True

    def __init__(
        self,
        header: Header,
        inputs: NetworkInputs,
        config: NetworkConfig,
        goal: Goal,
        network: Network,
        *,
        seed: int,
        curve: dict[str, Any] | None = None,
        usual: Usual | None = None,
    ) -> None:
        super().__init__(header)
        self.train_cutoffs = config.train_cutoffs
        self.inputs, self.config, self.goal, self.network, self.seed = inputs, config, goal, network, seed
        self.curve = curve or {}
        self.usual = usual or Usual()
        self._maker: BatchMaker | None = None

    @property
    def words(self) -> str:
        """Say what is read."""
        beside = {"past": ", beside the past labels of the same entity", "all": ", beside all features"}
        told = f"{_NAMES.get(self.rung, self.rung)} over {self.config.hops_words}"
        told += beside.get(self.config.features, "")
        began, origins = self.curve.get("start"), self.curve.get("origins", ())
        parts = [
            told,
            *self.inputs.sentence_words,
            *([began] if began else []),
            *([_of_origins(origins)] if origins else []),
        ]
        return "; ".join([*parts, *self.curve.get("events", ())])

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Refuse: features alone do not do.

        Raises:
            InvariantError: ``LEARN044``.
        """
        raise InvariantError(
            "LEARN044",
            f"the model '{self.rung}' reads a graph and was given {len(matrix):,} rows of features alone.",
            "call score_rows with the graph.",
        )

    def score_rows(self, rows: Asked) -> np.ndarray:
        """Predict for seeds of a graph."""
        return predict(self.network, *self._fed(rows))

    def embed_rows(self, rows: Asked) -> np.ndarray:
        """Return the states of seeds of a graph, float32 ``(n, channels)``."""
        if not len(rows):
            return np.zeros((0, self.config.channels), np.float32)
        return embed(self.network, *self._fed(rows))

    def divide_rows(self, rows: Asked, class_index: int | None = None) -> Division:
        """Divide outputs by integrated gradients among the features of the seeds and the rows around them."""
        return self._divide(rows, class_index, TOLERANCE if len(rows) == 1 else COARSE)

    def attribute(
        self, rows: Asked, class_index: int | None = None, *, tolerance: float = TOLERANCE
    ) -> Attribution:
        """Divide the outputs of a few rows among all cells that were read; see `networks.attribution`."""
        feeder, seeds, device = self._fed(rows)
        told = attribute(
            self.network,
            feeder,
            seeds,
            lambda raw: divided_output(self.goal, raw, class_index),
            self.inputs,
            device,
            num_features=rows.matrix.shape[1],
            tolerance=tolerance,
        )
        usual = self.usual.output(class_index or 0)
        return from_usual(told, self.header.encoder.features, usual) if usual else told

    def learn_usual(self, rows: Asked) -> None:
        """Learn what each part moves on average over some train rows, where the outputs are few.

        Without it, amounts are measured from an entity of which nothing is known.
        """
        outputs = max(1, self.goal.num_classes)
        if not len(rows) or outputs > _MOST_OUTPUTS:
            return
        chosen = np.random.default_rng(self.seed).permutation(len(rows))[:_USUAL_ROWS]
        some = rows.take(np.sort(chosen))
        self.usual = Usual()
        self.usual = Usual.of([self._divide(some, index, _USUAL_TOLERANCE) for index in range(outputs)])

    def _divide(self, rows: Asked, class_index: int | None, tolerance: float) -> Division:
        told = [self.attribute(r, class_index, tolerance=tolerance) for r in rows.split(_TOLD_AT_ONCE)]
        return stack_divisions([divide_by_part(self.header.encoder.features, t) for t in told])

    def score_without(self, rows: Asked, removed: Collection[Feature]) -> np.ndarray:
        """Predict without some features, columns or rows of the graph."""
        matrix = self.header.encoder.without(rows.matrix, {part.name for part in removed})
        found = [
            predict_without(self.network, *self._fed(part), self.inputs, removed)
            for part in rows.with_matrix(matrix).split(_TOLD_AT_ONCE)
        ]
        return np.concatenate(found)

    def save_files(self, directory: Path) -> None:
        """Write the weights."""
        from safetensors.torch import save_file

        weights = {name: t.detach().cpu().contiguous() for name, t in self.network.state_dict().items()}
        save_file(weights, directory / WEIGHTS)

    def state(self) -> dict[str, Any]:
        """Return everything but the weights."""
        return {
            "inputs": to_plain(self.inputs),
            "config": to_plain(self.config),
            "goal": to_plain(self.goal),
            "seed": self.seed,
            "curve": self.curve,
            "usual": to_plain(self.usual),
        }

    @classmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Rebuild the network and read the weights back."""
        from safetensors.torch import load_file

        inputs = from_plain(NetworkInputs, state["inputs"])
        config = from_plain(NetworkConfig, state["config"])
        goal = from_plain(Goal, state["goal"])
        inputs.check_sentences()
        network = Network(cls.rung, inputs, config, goal)
        network.load_state_dict(load_file(directory / WEIGHTS))
        usual = from_plain(Usual, state["usual"])
        return cls(
            header, inputs, config, goal, network, seed=state["seed"], curve=state["curve"], usual=usual
        )

    def _fed(self, rows: Asked) -> tuple[Feeder, SeedRows, torch.device]:
        assert rows.graph is not None and rows.seeds is not None
        seeds = seed_rows(self.inputs, rows.graph, rows)
        device = find_device()
        self.network.to(device)
        # Encoders are bound to whole dictionaries of a source, which few rows are not worth doing again for.
        if self._maker is None or self._maker.source is not rows.graph.source:
            self._maker = BatchMaker(self.inputs, rows.graph.source)
        feeder = make_feeder(self.rung, self._maker, self.config, rows.graph, self.seed, batch_size=_BATCH)
        return feeder, seeds, device


def _of_origins(scores: Sequence[float | None]) -> str:
    """Say how a configuration did at rolling origins."""
    known = [score for score in scores if score is not None]
    if len(known) < len(scores):
        return f"at {len(scores) - len(known)} of {len(scores)} origins it has no score"
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    return f"over {len(known)} origins {np.mean(known):.4g} ± {spread:.2g} on val"


def seed_rows(inputs: NetworkInputs, graph: GraphView, rows: Any, targets: Array | None = None) -> SeedRows:
    """Find the seeds of some rows in a graph."""
    found = find_seeds(graph.source, inputs.entity_table, rows, threads=1)
    return SeedRows(found, cutoffs_us(rows), inputs.seed.compute(rows.matrix), targets)


def make_feeder(
    name: str, maker: BatchMaker, config: NetworkConfig, graph: GraphView, seed: int, *, batch_size: int
) -> Feeder:
    """Make what draws and encodes batches for a network."""
    inputs = maker.inputs
    options = config.sampling(seed, (k.name for k in inputs.links), crossed_tables(name, inputs))
    neighborhoods = graph.source.neighborhoods(options, threads=1)
    return Feeder(neighborhoods, maker, inputs.entity_table, batch_size=batch_size, workers=1)
