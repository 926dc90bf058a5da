"""The best items of every user among all items: what is around them scored there, the rest searched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from weft.learn.encoders.column import NO_TIME, Array
from weft.learn.networks.device_items import DeviceItems
from weft.learn.networks.inputs import NO_ROW
from weft.learn.networks.scorer import Scorer
from weft.learn.view import Asked

_USERS = 512
# Finds the best items of users, without those that are hidden from them.
_Search = Callable[[torch.Tensor, tuple[Array, Array]], tuple[Array, Array]]


@dataclass(frozen=True)
class Lists:
    """Ranked items of successive seeds.

    Attributes:
        seed: Row of the seeds, int64 ``(n,)``.
        rows: Rows of the table of items, int64 ``(n,)``, best first per seed.
        scores: float64 ``(n,)``.
        rank: From 1, int64 ``(n,)``.
    """

    seed: Array
    rows: Array
    scores: Array
    rank: Array

    @staticmethod
    def join(parts: list[Lists]) -> Lists:
        """Put lists one after another, by seed."""
        seed, rows, scores, rank = (
            np.concatenate([getattr(p, name) for p in parts] or [np.zeros(0)])
            for name in ("seed", "rows", "scores", "rank")
        )
        order = np.lexsort((rank, seed))
        return Lists(*(v[order] for v in (seed, rows, scores, rank)))


class Recommender:
    """Finds the best items with a network and one graph.

    Items around a user and its collected candidates are scored as pairs; all others that existed at the
    anchor by an exact search over their vectors, a block of users at a time, on the GPU where the scorer is.

    Args:
        scorer: Scores pairs.
        k: Items per seed.
        threads: For a search on the CPU.
    """

    def __init__(self, scorer: Scorer, k: int, *, threads: int = 1) -> None:
        self.scorer, self.k, self.threads = scorer, k, threads
        self.source, self.around = scorer.source, scorer.around
        self.num_items = len(self.around.numbers)
        self._times = self.source.times_us(scorer.known.table, np.arange(self.num_items, dtype=np.uint32))
        self._last: tuple[int, tuple[Array, Array, _Search]] | None = None

    def table(self, rows: Asked, seen: pa.Table | None) -> pa.Table:
        """Do what `lists` does; return ``seed``, ``item``, ``score``, ``rank``."""
        found = self.lists(rows, seen)
        items = self.source.keys(self.scorer.known.table, found.rows)
        return pa.table({"seed": found.seed, "item": items, "score": found.scores, "rank": found.rank})

    def lists(self, rows: Asked, seen: pa.Table | None) -> Lists:
        """Rank items for all seeds; fewer than ``k`` where fewer can be scored.

        Args:
            rows: Seeds, and candidates where some were collected.
            seen: ``seed`` (row of the seeds) and ``item``: pairs that are left out.
        """
        assert rows.seeds is not None
        users, cutoffs = self.scorer.seeds(rows.seeds)
        left_out = self._keys(seen["seed"].to_numpy(), seen["item"])[0] if seen is not None else _none()
        own, place = _none(), _none()
        if rows.pairs is not None:
            own, place = self._keys(rows.pairs.seed, rows.pairs.items)
        parts = []
        for at_us, same in _same_instant(cutoffs):
            vectors, existing, search = self._items_at(at_us)
            for first in range(0, len(same), _USERS):
                block = same[first : first + _USERS]
                given = _of_seeds(left_out, block, self.num_items)[0]
                keys, at = _of_seeds(own, block, self.num_items)
                candidates = keys, rows.matrix[place[at]]
                found = self._block(
                    users[block], cutoffs[block], vectors, existing, given, candidates, search
                )
                parts.append(Lists(block[found.seed], found.rows, found.scores, found.rank))
        return Lists.join(parts)

    def _items_at(self, at_us: int) -> tuple[Array, Array, _Search]:
        """Return vectors of all items, which existed, and their search; kept for the next seeds."""
        if self._last is None or self._last[0] != at_us:
            existing = (self._times == NO_TIME) | (self._times <= at_us)
            vectors = self.scorer.item_vectors(np.arange(self.num_items, dtype=np.uint32), at_us)
            self._last = at_us, (vectors, existing, self._search(vectors, existing))
        return self._last[1]

    def _search(self, vectors: Array, existing: Array) -> _Search:
        """Return what searches the items of an instant."""
        if vectors.shape[1] and searches_itself(self.scorer.device):
            return DeviceItems(vectors, self.k, self.scorer.device, allowed=existing).best

        def search(users: torch.Tensor, seen: tuple[Array, Array]) -> tuple[Array, Array]:
            own = users.float().cpu().numpy()
            return self.source.best_items(
                own, vectors, self.k, seen=seen, allowed=existing, threads=self.threads
            )

        return search

    def _block(
        self,
        users: Array,
        cutoffs: Array,
        vectors: Array,
        existing: Array,
        given: Array,
        candidates: Any,
        search: _Search,
    ) -> Lists:
        """Rank items for users of one instant; pairs are numbered by the user's place in the block."""
        near, states = self.scorer.look(users, cutoffs)
        pairs = np.setdiff1d(np.union1d(near[0], candidates[0]), given)
        pairs = pairs[existing[pairs % self.num_items]]
        terms = self.scorer.terms(pairs, *candidates)
        scores = self.scorer.score_keys(pairs, near, states, vectors[pairs % self.num_items], terms)
        seed, rows = pairs // self.num_items, pairs % self.num_items
        if states.vectors is not None:
            hidden = np.union1d(pairs, given)
            offsets = np.searchsorted(hidden // self.num_items, np.arange(len(users) + 1))
            seen = offsets, (hidden % self.num_items).astype(np.uint32)
            items, products = search(states.vectors, seen)
            there = items >= 0
            seed = np.concatenate([seed, np.nonzero(there)[0]])
            rows, scores = np.concatenate([rows, items[there]]), np.concatenate([scores, products[there]])
        return _first(seed, rows, scores, self.k)

    def _keys(self, seed: Array, items: Any) -> tuple[Array, Array]:
        """Number pairs that the graph has, ascending and once each; also say where each was given."""
        rows = self.source.rows(self.scorer.known.table, items)
        there = np.flatnonzero(rows != NO_ROW)
        keys, first = np.unique(self.around.pair_keys(seed[there], rows[there]), return_index=True)
        return keys, there[first]


def searches_itself(device: torch.device) -> bool:
    """Say whether a device searches items better than the engine of the graph, which works on the CPU."""
    return bool(device.type == "cuda")


def _first(seed: Array, rows: Array, scores: Array, k: int) -> Lists:
    """Keep the best ``k`` of each seed; of equal scores the lower row first."""
    order = np.lexsort((rows, -scores, seed))
    seed, rows, scores = seed[order], rows[order].astype(np.int64), scores[order].astype(np.float64)
    starts = np.searchsorted(seed, seed)
    rank = np.arange(len(seed)) - starts + 1
    kept = rank <= k
    return Lists(seed[kept], rows[kept], scores[kept], rank[kept])


def _same_instant(cutoffs: Array) -> Iterator[tuple[int, Array]]:
    for at_us in np.unique(cutoffs):
        yield int(at_us), np.flatnonzero(cutoffs == at_us)


def _of_seeds(keys: Array, block: Array, num_items: int) -> tuple[Array, Array]:
    """Take the pairs of some ascending seeds, numbered by their place; also say which pairs these are."""
    seed = keys // num_items
    at = np.flatnonzero(np.isin(seed, block))
    return np.searchsorted(block, seed[at]) * num_items + keys[at] % num_items, at


def _none() -> Array:
    return np.zeros(0, np.int64)
