"""Scores of pairs of seeds and items, for one graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from weft.core import Batch
from weft.learn.encoders.column import Array
from weft.learn.networks.inputs import cutoffs_us, find_seeds
from weft.learn.networks.ranking_feed import pair_terms
from weft.learn.networks.recovery import find_device
from weft.learn.networks.slates import Own, Surroundings, places_of
from weft.learn.networks.towers import UserStates
from weft.learn.view import Asked, GraphView

# Scored at one time.
USERS = 512
_ITEMS_PER_USER = 8


class Scorer:
    """Scores pairs with a network and one graph.

    Args:
        model: With the network.
        graph: The graph.
    """

    def __init__(self, model: Any, graph: GraphView) -> None:
        self.inputs, self.known, self.network = model.inputs, model.known, model.network
        self.source, self.width = graph.source, model.config.channels
        self.device, self.users_at_once = model.device or find_device(), model.users_at_once
        self.around = Surroundings(model.inputs, model.known, model.config, graph, model.seed)
        self.network.to(self.device).eval()

    def score(self, rows: Asked, of: Array, items: Array) -> Array:
        """Score some of the candidate rows, float64.

        Args:
            rows: The candidates and their seeds.
            of: Which of them.
            items: Rows of the table of items, of each of these.
        """
        assert rows.pairs is not None and rows.seeds is not None
        used, seed = np.unique(rows.pairs.seed[of], return_inverse=True)
        users, cutoffs = self.seeds(rows.seeds.take(pa.array(used)))
        scores = np.zeros(len(of))
        order = np.lexsort((seed, cutoffs[seed]))
        for at_us, chosen in _by_value(cutoffs[seed], order):
            distinct, column = np.unique(items[chosen], return_inverse=True)
            vectors = self.item_vectors(distinct, at_us)
            for part in _whole_lists(seed[chosen], self.users_at_once):
                own = chosen[part]
                listed, at = np.unique(seed[own], return_inverse=True)
                found, states = self.look(users[listed], cutoffs[listed])
                keys = self.around.pair_keys(at, items[own])
                terms = self._all_terms(rows.matrix[of[own]])
                scores[own] = self.score_keys(keys, found, states, vectors[column[part]], terms)
        return scores

    def seeds(self, seeds: pa.Table) -> tuple[Array, Array]:
        """Return the row of each seed, and up to when it sees."""
        asked = Asked(seeds, np.zeros((seeds.num_rows, 0), np.float32))
        found = find_seeds(self.source, self.inputs.entity_table, asked, threads=1)
        return found, cutoffs_us(asked)

    def user_vectors(self, users: Array, cutoffs: Array) -> Array:
        """Compute the vectors of users, float32 ``(n, d)``: of their tower, or their states."""
        parts = []
        size = self.users_at_once
        for i in range(0, len(users), size):
            states = self.look(users[i : i + size], cutoffs[i : i + size])[1]
            told = states.state if states.vectors is None else states.vectors
            parts.append(told.float().cpu().numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self.width), np.float32)

    def item_vectors(self, rows: Array, at_us: int) -> Array:
        """Compute the vectors of items as of an instant, float32 ``(n, d)``; nothing without towers."""
        if not self.network.has_towers:
            return np.zeros((len(rows), 0), np.float32)
        size = _ITEMS_PER_USER * self.users_at_once
        with torch.inference_mode():
            parts = [
                self.network.items(self.around.items(rows[i : i + size], at_us).to(self.device))
                for i in range(0, len(rows), size)
            ]
        return np.concatenate([p.float().cpu().numpy() for p in parts])

    def look(self, users: Array, cutoffs: Array) -> tuple[tuple[Array, Array], UserStates]:
        """Look around some users: `Surroundings.found`, and their states."""
        sampled, drawn = self.around.users(users, cutoffs)
        with torch.inference_mode():
            states = self.network.users(sampled.to(self.device))
        return self._found(drawn), states

    def score_keys(
        self, keys: Array, found: tuple[Array, Array], states: UserStates, vectors: Array, terms: Array
    ) -> Array:
        """Score pairs of the users that were looked at, float64.

        Args:
            keys: Pairs by `Surroundings.pair_keys`.
            found: Pairs around the users.
            states: Of the users.
            vectors: Of the item of each pair.
            terms: Features of the pairs.
        """
        num_items = len(self.around.numbers)
        own = Own(
            seed=torch.from_numpy(keys // num_items),
            column=torch.arange(len(keys)),
            place=torch.from_numpy(places_of(keys, found)),
            terms=torch.from_numpy(terms),
            is_true=torch.zeros(len(keys), dtype=torch.bool),
            log_chance=torch.zeros(len(keys)),
        ).to(self.device)
        with torch.inference_mode():
            scores = self.network.score(states, own, torch.from_numpy(vectors).to(self.device))
        return np.asarray(scores.float().cpu().numpy(), dtype=np.float64)

    def terms(self, keys: Array, candidates: Array, matrix: Array) -> Array:
        """Compute the features of pairs, zero for those that are no collected candidates.

        Args:
            keys: Pairs.
            candidates: Pairs that were collected, ascending.
            matrix: Their encoded features.
        """
        terms = np.zeros((len(keys), len(self.inputs.seed.terms) + 1), np.float32)
        at = places_of(keys, (candidates, np.arange(len(candidates))))
        known = np.flatnonzero(at >= 0)
        if self.inputs.seed.terms and len(known):
            terms[known] = pair_terms(self.inputs.seed, matrix[at[known]])
        return terms

    def _all_terms(self, matrix: Array) -> Array:
        if not self.inputs.seed.terms:
            return np.zeros((len(matrix), 1), np.float32)
        return pair_terms(self.inputs.seed, matrix)

    def _found(self, drawn: Batch) -> tuple[Array, Array]:
        if not self.network.reads_places:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return self.around.found(drawn)


def _by_value(values: Array, order: Array) -> Iterator[tuple[int, Array]]:
    """Divide an order that is ascending in some values where these change."""
    ordered = values[order]
    for part in np.split(order, np.flatnonzero(np.diff(ordered)) + 1):
        yield int(values[part[0]]), part


def _whole_lists(seed: Array, most: int) -> Iterator[Array]:
    """Divide ascending seeds into parts of at most so many of them, each whole."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(seed) != 0]))
    yield from np.split(np.arange(len(seed)), starts[most::most])
