"""The scale on which a number is learned: losses are taken on it, predictions are in the number's own units.

A scale that is no straight line (``log``, ``rank``) keeps the order of numbers, so the median and every
other quantile of the outcomes, which the absolute and the quantile losses ask for, goes back to the same
quantile. A mean does not: the mean of logarithms goes back to a geometric mean, which is too low. Such a
scale is therefore refused for the squared loss. The Huber loss promises neither a mean nor a quantile, on
any scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import torch

from weft.learn.encoders.column import Array
from weft.learn.networks.allowed import STRAIGHT

_KNOTS = 257
# The margin that a logarithm may leave the train labels by: far out, a small step is a factor.
_MARGIN = 1.0


@dataclass(frozen=True)
class Scale:
    """A scale, fitted on train labels, as plain data.

    Attributes:
        target: One of `weft.learn.networks.allowed.TARGETS`: less the middle and over the spread; as it is;
            the first after ``sign(y) log(1 + |y|)``; or ranks of train spread like a normal variable.
        center: Middle of the train labels, after the logarithm where there is one.
        spread: Their spread.
        knots: For ranks, ascending labels of train; what is predicted lies within them.
        scores: Where each of them is on the scale.
        low: For logarithms, the least that is told on the scale.
        high: And the most.
    """

    target: str = STRAIGHT[0]
    center: float = 0.0
    spread: float = 1.0
    knots: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @staticmethod
    def fit(target: str, values: Array, *, is_mean: bool) -> Scale:
        """Learn a scale from train labels.

        Args:
            target: One of `TARGETS`.
            values: The labels.
            is_mean: Whether a mean is learned rather than a median: that is then the middle.
        """
        if target == "raw":
            return Scale(target)
        if target == "rank":
            return _fit_ranks(values)
        values = _log(values) if target == "log" else values
        center = float(values.mean() if is_mean else np.median(values))
        found = Scale(target, center, float(values.std()) or 1.0)
        if target != "log":
            return found
        ends = (values.min() - center) / found.spread, (values.max() - center) / found.spread
        return replace(found, low=float(ends[0]) - _MARGIN, high=float(ends[1]) + _MARGIN)

    def encode(self, values: Array) -> Array:
        """Bring labels onto the scale."""
        if self.target == "rank":
            return np.interp(values, self.knots, self.scores)
        values = _log(values) if self.target == "log" else values
        return np.asarray((values - self.center) / self.spread)

    def decode(self, told: torch.Tensor) -> torch.Tensor:
        """Bring what a network tells back into the units of the labels."""
        if self.target == "rank":
            return _interpolate(told, told.new_tensor(self.scores), told.new_tensor(self.knots))
        if self.target == "log":
            told = told.clamp(self.low, self.high)
        told = told * self.spread + self.center
        return torch.sign(told) * torch.expm1(told.abs()) if self.target == "log" else told


def _log(values: Array) -> Array:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _fit_ranks(values: Array) -> Scale:
    """Spread ranks like a normal variable; labels that are equal share the middle of their ranks."""
    chances = (np.arange(_KNOTS) + 0.5) / _KNOTS
    grid = np.quantile(values, chances, method="inverted_cdf")
    scores = np.array([NormalDist().inv_cdf(c) for c in chances])
    knots, place, counts = np.unique(grid, return_inverse=True, return_counts=True)
    middle = np.bincount(place, scores) / counts
    return Scale("rank", knots=tuple(knots.tolist()), scores=tuple(middle.tolist()))


def _interpolate(told: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Interpolate linearly between ascending points; outside, the first or the last."""
    if len(x) == 1:
        # A constant that a gradient can still be taken of.
        return y[0] + 0 * told
    right = torch.searchsorted(x, told.detach().contiguous()).clamp(1, len(x) - 1)
    share = ((told - x[right - 1]) / (x[right] - x[right - 1])).clamp(0, 1)
    return y[right - 1] + share * (y[right] - y[right - 1])
