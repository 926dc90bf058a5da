"""Ensemble selection: shares of votes, given one at a time to whatever helps most (Caruana et al., 2004)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_VOTES = 12
DRAWS = 12
_LEAST_WEIGHT = 0.02


def cast_votes(num: int, gain: Callable[[np.ndarray], float]) -> np.ndarray:
    """Give votes one at a time to the member that helps most; return shares of the votes.

    Args:
        num: Members; of equally good ones the first gets the vote.
        gain: From numbers of votes, int64 ``(num,)``, to how good the mean is that they make.
    """
    votes = np.zeros(num, dtype=np.int64)
    for _ in range(_VOTES):
        gains = [gain(votes + one) for one in np.eye(num, dtype=np.int64)]
        votes[int(np.argmax(gains))] += 1
    return np.asarray(votes / votes.sum())


def average_votes(ballots: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of several ballots as weights that add up to one, small ones left out."""
    weights = np.mean(ballots, axis=0)
    weights[weights < _LEAST_WEIGHT] = 0.0
    return np.asarray(weights / weights.sum())
