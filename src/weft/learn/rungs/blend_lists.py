"""What blends of rankings are worth on val, and how scores of different rungs come to one scale.

All rungs score the same candidates, so a blend is a weighted sum of scores. Scores of one rung are log-odds,
of another counts of purchases: each is divided by how far its scores lie apart within a list of val, which
says as much for an item that is looked at alone, so that a blend is explained like its members.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from weft.learn.data import number_entities
from weft.learn.metrics import get_metric, rank_items
from weft.learn.ranking import RankingData, RankingRows
from weft.learn.rungs.voting import DRAWS, average_votes, cast_votes

# Places of all lists together; more of them would change little but the time it takes.
_MOST_PLACES = 400_000
# What no member puts among so many times the length of the list does not come into it by a sum.
_DEEP, _LEAST_DEEP = 4, 50
_TINY = 1e-12


def spread_within_lists(rows: RankingRows, prediction: np.ndarray) -> float:
    """Return how far scores lie apart within lists: the deviation from the mean of the list, over all lists.

    One for scores that order nothing.
    """
    counts = np.maximum(np.bincount(rows.seed, minlength=len(rows)), 1)
    means = np.bincount(rows.seed, prediction, len(rows)) / counts
    spread = float(np.sqrt(np.mean(np.square(prediction - means[rows.seed])))) if len(prediction) else 0.0
    return spread if spread > _TINY else 1.0


class ListVotes:
    """Chooses weights on lists of val.

    A list is ordered once for each mix that is tried, however many draws try it: a draw only says how often a
    list counts.

    Args:
        data: Its val has at least one true candidate.
        predictions: Of each member for the candidates of val, on one scale.
        seed: Of the draws.
    """

    def __init__(self, data: RankingData, predictions: Sequence[np.ndarray], seed: int) -> None:
        self.metric, self.seed = get_metric(data.outline.chosen_metric), seed
        rows = data.val
        kept = _promising(rows, predictions, self.metric.k or 1)
        # On lists without a true candidate all mixes are worth the same.
        self.lists = _thin(rows.seed[kept], np.unique(rows.seed[rows.is_true]), seed)
        kept = kept[np.isin(rows.seed[kept], self.lists)]
        row, column = np.searchsorted(self.lists, rows.seed[kept]), _places(rows.seed[kept])
        shape = len(self.lists), int(column.max(initial=0)) + 1
        self.is_true = np.zeros(shape, dtype=bool)
        self.is_true[row, column] = rows.is_true[kept]
        self.parts = [np.full(shape, -np.inf) for _ in predictions]
        for part, prediction in zip(self.parts, predictions, strict=True):
            part[row, column] = prediction[kept]
        self.targets = rows.targets.take(self.lists)
        self.entity = number_entities(rows.seeds)[self.lists]
        self._forms: dict[tuple[int, ...], np.ndarray] = {}

    def choose(self, lists: np.ndarray) -> np.ndarray:
        """Choose weights on some lists of val; return shares that add up to one, small ones left out."""
        own = np.isin(self.lists, lists)
        if not own.any():
            return np.full(len(self.parts), 1 / len(self.parts))
        rng = np.random.default_rng(self.seed)
        entities = np.unique(self.entity[own])
        ballots = []
        for _ in range(DRAWS):
            drawn = entities[rng.integers(len(entities), size=len(entities))]
            weights = np.bincount(drawn, minlength=int(self.entity.max()) + 1)[self.entity] * own
            ballots.append(cast_votes(len(self.parts), partial(self._gain, weights)))
        return average_votes(ballots)

    def _gain(self, weights: np.ndarray, votes: np.ndarray) -> float:
        key = tuple((votes // np.gcd.reduce(votes)).tolist())
        if key not in self._forms:
            mixed = np.asarray(sum(v * p for v, p in zip(key, self.parts, strict=True) if v))
            order = np.argsort(-mixed, axis=1, kind="stable")[:, : self.metric.k]
            self._forms[key] = np.take_along_axis(self.is_true, order, axis=1)
        value = self.metric.weighted(self.targets, self._forms[key], weights[None, :].astype(np.float64))
        return self.metric.gain(float(value[0]), 0.0)


def _promising(rows: RankingRows, predictions: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Return the candidates that may come into a list, list by list, in the order of equal scores."""
    deep = max(_LEAST_DEEP, _DEEP * length)
    found = np.zeros(len(rows.seed), dtype=bool)
    for prediction in predictions:
        found |= rank_items(rows.seed, prediction, rows.popularity) < deep
    kept = np.flatnonzero(found)
    if rows.popularity is None:
        return kept
    tiebreak = np.nan_to_num(rows.popularity[kept], nan=-np.inf)
    return np.asarray(kept[np.lexsort((-tiebreak, rows.seed[kept]))])


def _places(seed: np.ndarray) -> np.ndarray:
    """Number the rows of each of successive lists from 0."""
    return np.arange(len(seed)) - np.searchsorted(seed, seed)


def _thin(seed: np.ndarray, lists: np.ndarray, rng_seed: int) -> np.ndarray:
    """Keep as many random lists as there is place for; ascending."""
    longest = int(np.bincount(seed, minlength=int(lists.max()) + 1)[lists].max())
    order = np.random.default_rng(rng_seed).permutation(lists)
    return np.sort(order[: max(1, _MOST_PLACES // max(1, longest))])
