"""A trained network that ranks items, as a model of the ladder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import torch

from weft.core import InvariantError, from_plain, to_plain
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NO_ROW, NetworkInputs
from weft.learn.networks.known_items import KnownItems
from weft.learn.networks.recommending import Recommender
from weft.learn.networks.recovery import by_halves
from weft.learn.networks.registry import build_ranking_network
from weft.learn.networks.scorer import USERS, Scorer
from weft.learn.networks.starting import WEIGHTS
from weft.learn.rung import Header, Model
from weft.learn.view import Asked, GraphView


class RankingNetworkModel(Model):
    """A network that scores pairs of seeds and items from what is around them."""

    rung: ClassVar[str] = "ranking_network"
    reads_graph: ClassVar[bool] = True

    def __init__(
        self,
        header: Header,
        inputs: NetworkInputs,
        known: KnownItems,
        config: NetworkConfig,
        network: Any,
        *,
        seed: int,
        curve: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(header)
        self.inputs, self.known, self.config = inputs, known, config
        self.network, self.seed, self.curve = network, seed, curve or {}
        # Where it was trained; a model that was read back goes where there is room.
        self.device: torch.device | None = None
        self.users_at_once = USERS

    @property
    def words(self) -> str:
        """Say what is read."""
        fanouts = ", ".join(str(n) for n in self.config.fanouts)
        how = {
            (True, False): "two towers",
            (False, True): "items around the entity",
            (True, True): "items around the entity, the rest by two towers",
        }[self.network.has_towers, self.network.reads_places]
        beside = ", beside the features of the candidates" if self.inputs.seed.terms else ""
        told = (
            f"{how}: a graph network over {len(self.config.fanouts)} hops of {fanouts} rows per link{beside}"
        )
        return "; ".join([told, *self.inputs.sentence_words, *self.curve.get("events", ())])

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
        """Score candidates, float64 ``(n,)``; an item that the graph lacks comes after all others.

        Raises:
            UnavailableError: ``LEARN050`` when half the usual users at one time are too many.
        """
        assert rows.graph is not None and rows.pairs is not None
        scores = np.zeros(len(rows))
        if not len(rows):
            return scores
        items = rows.graph.source.rows(self.known.table, rows.pairs.items)
        graph, there = rows.graph, np.flatnonzero(items != NO_ROW)

        def score(size: int) -> np.ndarray:
            self.users_at_once = size
            return Scorer(self, graph).score(rows, there, items[there])

        if len(there):
            scores[there] = by_halves(self.rung, self.users_at_once, score)
        scores[items == NO_ROW] = scores[there].min(initial=0.0) - 1.0
        return scores

    def embed_rows(self, rows: Asked) -> np.ndarray:
        """Return the vectors of seeds, float32 ``(n, d)``.

        With towers, their products with the vectors of items are scores; otherwise the states of the seeds.
        """
        assert rows.graph is not None and rows.seeds is not None
        scorer = Scorer(self, rows.graph)
        return scorer.user_vectors(*scorer.seeds(rows.seeds))

    def recommend(self, rows: Asked, k: int, *, seen: pa.Table | None = None, threads: int = 1) -> pa.Table:
        """Rank all items for every seed, not collected candidates alone.

        Args:
            rows: Seeds with their graph, and collected candidates where there are some.
            k: Items per seed; fewer where fewer can be scored.
            seen: ``seed`` (row of the seeds) and ``item``: pairs that are left out.
            threads: For the search.

        Returns:
            ``seed``, ``item``, ``score``, ``rank`` from 1; by seed and rank.
        """
        assert rows.graph is not None
        return self.recommender(rows.graph, k, threads=threads).table(rows, seen)

    def recommender(self, graph: GraphView, k: int, *, threads: int = 1) -> Recommender:
        """Return what ranks all items of a graph for one block of seeds after another."""
        return Recommender(Scorer(self, graph), k, threads=threads)

    def save_files(self, directory: Path) -> None:
        """Write the weights and the known items."""
        from safetensors.torch import save_file

        weights = {name: t.detach().cpu().contiguous() for name, t in self.network.state_dict().items()}
        save_file(weights, directory / WEIGHTS)
        self.known.save(directory)

    def state(self) -> dict[str, Any]:
        """Return everything but the weights and the known items."""
        return {
            "inputs": to_plain(self.inputs),
            "config": to_plain(self.config),
            "seed": self.seed,
            "curve": self.curve,
        }

    @classmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Rebuild the network and read the weights back."""
        from safetensors.torch import load_file

        inputs = from_plain(NetworkInputs, state["inputs"])
        config = from_plain(NetworkConfig, state["config"])
        inputs.check_sentences()
        known = KnownItems.load(directory)
        network = build_ranking_network(cls.rung, inputs, known, config)
        network.load_state_dict(load_file(directory / WEIGHTS))
        return cls(header, inputs, known, config, network, seed=state["seed"], curve=state["curve"])
