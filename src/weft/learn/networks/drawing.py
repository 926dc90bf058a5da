"""Which train seeds an epoch reads, and in which order."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from weft.learn.encoders.column import Array


@dataclass(frozen=True)
class EpochRows:
    """Draws the seeds of every epoch: an equal part of a pass over them, in an order of its own.

    A pass is one epoch where it is short; a long one is cut, since the best network is often found before a
    large train set has been seen once. A pass reads all seeds, or fewer of the frequent classes.

    Of a class with more than ``ratio`` times the rows of the rarest, an epoch reads that many, drawn anew
    each time. The shares that are read tell by how much the odds are off that a network learns from them.

    Attributes:
        num_rows: Train seeds.
        seed: Of the draws.
        classes: Class of each seed; ``None`` where none is left out.
        shares: Share of each class that a pass reads.
        most: Seeds of an epoch, at most.
    """

    num_rows: int
    seed: int
    classes: Array | None = None
    shares: tuple[float, ...] = ()
    most: int = sys.maxsize

    @staticmethod
    def of_classes(
        classes: Array, num_classes: int, ratio: float, seed: int, most: int = sys.maxsize
    ) -> EpochRows:
        """Leave out of the frequent classes; a seed without a class is always read.

        Args:
            classes: Of each seed, from 0; negative for none.
            num_classes: Number of classes.
            ratio: Rows of any class per row of the rarest, 1 or more; 0 reads all.
            seed: Of the draws.
            most: Seeds of an epoch, at most.
        """
        counts = np.bincount(classes[classes >= 0], minlength=num_classes)
        if ratio <= 0 or not counts.any():
            return EpochRows(len(classes), seed, most=most)
        kept = max(1, round(ratio * int(counts[counts > 0].min())))
        shares = tuple(min(1.0, kept / c) if c else 1.0 for c in counts.tolist())
        return EpochRows(len(classes), seed, classes, shares, most)

    def __len__(self) -> int:
        return len(self.order(0))

    @cached_property
    def parts(self) -> int:
        """Epochs of a pass."""
        return max(1, -(-len(self._pass(0)) // self.most))

    def order(self, epoch: int) -> Array:
        """Return the seeds of an epoch, in its order; the few that do not divide are left to other passes."""
        parts = self.parts
        whole = self._pass(epoch // parts)
        size = len(whole) // parts
        begin = epoch % parts * size
        return whole[begin : begin + size]

    def _pass(self, number: int) -> Array:
        random = np.random.Generator(np.random.Philox([self.seed, number]))
        order = random.permutation(self.num_rows)
        if self.classes is None:
            return order
        kept = np.ones(len(order), bool)
        drawn = self.classes[order]
        for number, share in enumerate(self.shares):
            # The first of a shuffled class are a draw from it.
            places = np.flatnonzero(drawn == number)
            kept[places[round(share * len(places)) :]] = False
        return np.asarray(order[kept])
