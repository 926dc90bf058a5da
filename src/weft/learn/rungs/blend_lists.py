"""What blends of rankings are worth on val, and how scores of different rungs come to one scale.

All rungs score the same candidates, so a blend is a weighted sum of scores. Scores of one rung are log-odds,
of another counts of purchases: each is divided by how far its scores lie apart within a list of val, which
says as much for an item that is looked at alone, so that a blend is explained like its members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from weft.learn.data import number_entities
from weft.learn.metrics import get_metric
from weft.learn.ranking import RankingData, RankingRows
from weft.learn.rungs.voting import DRAWS, average_votes, cast_votes

# More candidates than this would change little but the time it takes.
_MOST_ROWS = 200_000
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
        # On lists without a true candidate all mixes are worth the same.
        self.lists = _thin(rows, np.unique(rows.seed[rows.is_true]), seed)
        self.rows = replace(rows, matrix=np.zeros((len(rows.seed), 0), np.float32)).take(self.lists)
        own = np.isin(rows.seed, self.lists)
        self.parts = [np.asarray(p, np.float64)[own] for p in predictions]
        self.entity = number_entities(self.rows.seeds)
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
            mixed = sum(v * p for v, p in zip(key, self.parts, strict=True) if v)
            self._forms[key] = self.rows.form(self.metric, np.asarray(mixed))
        value = self.metric.weighted(self.rows.targets, self._forms[key], weights[None, :].astype(np.float64))
        return self.metric.gain(float(value[0]), 0.0)


def _thin(rows: RankingRows, lists: np.ndarray, seed: int) -> np.ndarray:
    """Keep as many random lists as have few enough candidates together; ascending."""
    sizes = np.bincount(rows.seed, minlength=len(rows))[lists]
    order = np.random.default_rng(seed).permutation(len(lists))
    kept = order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), _MOST_ROWS, side="right")))]
    return np.asarray(lists[np.sort(kept)])
