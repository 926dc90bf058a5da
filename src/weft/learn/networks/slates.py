"""What the seeds of a batch are to rank: items of their own, and items that all of them share."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from weft.core import Batch, SampleOptions, UserError
from weft.learn.encoders.column import Array
from weft.learn.networks.batch import BatchMaker, NetworkBatch
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.known_items import KnownItems
from weft.learn.view import GraphView


@dataclass(frozen=True)
class RankingOptions:
    """What only networks that rank items know; part of `NetworkConfig.options`.

    Attributes:
        item_fanouts: Rows kept per link and hop around an item.
        negatives: Items drawn per batch, which all of its seeds share; the true items of the other seeds
            are negatives too.
        slate: False candidates per seed that are drawn for a step.
        embeddings: Most items with an embedding of their own.
        hidden_items: Share of items whose embedding is left out in a step, as if they were new.
    """

    item_fanouts: tuple[int, ...] = (16,)
    negatives: int = 512
    slate: int = 32
    embeddings: int = 200_000
    hidden_items: float = 0.1

    @staticmethod
    def read(config: NetworkConfig) -> RankingOptions:
        """Take them from a configuration.

        Raises:
            UserError: ``LEARN043`` for an option that there is not.
        """
        known = [f.name for f in fields(RankingOptions)]
        unknown = sorted(set(config.options) - set(known))
        if unknown:
            raise UserError(
                "LEARN043",
                f"a network that ranks items has no option '{unknown[0]}'.",
                f"choose among {', '.join(known)}.",
            )
        given = dict(config.options)
        if "item_fanouts" in given:
            given["item_fanouts"] = tuple(int(n) for n in given["item_fanouts"])
        return RankingOptions(**given)


@dataclass(frozen=True)
class Own:
    """Items of single seeds: pairs.

    Attributes:
        seed: Which seed, int64 ``(n,)``, ascending.
        column: Which of the items of the `Pool`, int64 ``(n,)``, -1 for one that is scored without a vector.
        place: Row of the item among those sampled around the seed, int64 ``(n,)``, -1 where it is not.
        terms: Features of the pair, float32 ``(n, terms + 1)``; the last column says whether there are any.
        is_true: bool ``(n,)``.
        log_chance: Logarithm of the chance that the pair was drawn, float32 ``(n,)``.
    """

    seed: torch.Tensor
    column: torch.Tensor
    place: torch.Tensor
    terms: torch.Tensor
    is_true: torch.Tensor
    log_chance: torch.Tensor

    def to(self, device: torch.device) -> Own:
        """Move to a device."""
        return Own(**{f.name: getattr(self, f.name).to(device) for f in fields(Own)})


@dataclass(frozen=True)
class Sampled:
    """Neighborhoods as tensors, with the number of each row of the table of items in `KnownItems`."""

    batch: NetworkBatch
    numbers: torch.Tensor

    def to(self, device: torch.device) -> Sampled:
        """Move to a device."""
        return Sampled(self.batch.to(device), self.numbers.to(device))


@dataclass(frozen=True)
class Pool:
    """The items of a batch. Every seed is compared with the first of them: the shared negatives.

    Attributes:
        items: Around the items.
        is_left_out: Which of the shared negatives are none for a seed, since they are its own already or did
            not exist at its anchor; bool ``(seeds, shared)``.
        log_chance: Logarithm of the chance that an item is among them, float32 ``(shared,)``.
    """

    items: Sampled
    is_left_out: torch.Tensor
    log_chance: torch.Tensor

    def to(self, device: torch.device) -> Pool:
        """Move to a device."""
        return Pool(self.items.to(device), self.is_left_out.to(device), self.log_chance.to(device))


@dataclass(frozen=True)
class RankingBatch:
    """What a step of training reads.

    Attributes:
        users: Around the seeds.
        own: Pairs of seeds and items.
        pool: Around the items, and the negatives among them; ``None`` for a network without towers.
    """

    users: Sampled
    own: Own
    pool: Pool | None

    @property
    def seeds(self) -> torch.Tensor:
        """Position of each seed, as in `NetworkBatch`."""
        return self.users.batch.seeds

    def to(self, device: torch.device) -> RankingBatch:
        """Move to a device."""
        if device.type == "cpu":
            return self
        pool = None if self.pool is None else self.pool.to(device)
        return RankingBatch(self.users.to(device), self.own.to(device), pool)


class Surroundings:
    """Samples around users and items of one graph. May be used from several threads at once.

    Args:
        inputs: What is read.
        known: Items with an embedding.
        config: What is sampled.
        graph: The graph.
        seed: Of random draws.
    """

    def __init__(
        self, inputs: NetworkInputs, known: KnownItems, config: NetworkConfig, graph: GraphView, seed: int
    ) -> None:
        self.source, self.table = graph.source, known.table
        self.entity_table = inputs.entity_table
        self.numbers = known.bind(graph.source)
        self._maker = BatchMaker(inputs, graph.source)
        around_items = replace(config, fanouts=RankingOptions.read(config).item_fanouts)
        links = [k.name for k in inputs.links]
        self._users, self._items = (
            graph.source.neighborhoods(self._options(c, seed, links), threads=1)
            for c in (config, around_items)
        )

    @staticmethod
    def _options(config: NetworkConfig, seed: int, links: list[str]) -> SampleOptions:
        return config.sampling(seed, links)

    def users(self, rows: Array, cutoffs_us: Array, epoch: int = 0) -> tuple[Sampled, Batch]:
        """Sample around users."""
        drawn = self._users.sample(self.entity_table, rows, cutoffs_us, epoch=epoch)
        return self._made(drawn), drawn

    def items(self, rows: Array, at_us: int, epoch: int = 0) -> Sampled:
        """Sample around items at one instant."""
        return self._made(self._items.sample(self.table, rows, np.full(len(rows), at_us), epoch=epoch))

    def _made(self, drawn: Batch) -> Sampled:
        here = drawn.tables.get(self.table)
        numbers = np.zeros(0, np.int64) if here is None else self.numbers[here.rows]
        made = self._maker.make(drawn, np.zeros((len(drawn.seeds), 0), np.float32))
        return Sampled(made, torch.from_numpy(numbers))

    def found(self, drawn: Batch) -> tuple[Array, Array]:
        """Return which items lie around which seeds, as sorted `pair_keys`, and their rows in the batch."""
        here = drawn.tables.get(self.table)
        if here is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        keys = self.pair_keys(here.scope, here.rows)
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    def pair_keys(self, seeds: Array, rows: Array) -> Array:
        """Number pairs of a seed of the batch and a row of the table of items, int64."""
        return np.asarray(seeds.astype(np.int64) * len(self.numbers) + rows.astype(np.int64))


def places_of(keys: Array, found: tuple[Array, Array]) -> Array:
    """Return where pairs are among those found, -1 for those that are not, int64."""
    if not len(found[0]):
        return np.full(len(keys), -1, np.int64)
    at = np.minimum(np.searchsorted(found[0], keys), len(found[0]) - 1)
    return np.where(found[0][at] == keys, found[1][at], -1).astype(np.int64)
