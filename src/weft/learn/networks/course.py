"""What a training is taught with: the seeds of each step, their batches, and a look at val."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from weft.learn.encoders.column import Array
from weft.learn.networks.drawing import EpochRows
from weft.learn.networks.feeding import Feeder, SeedRows
from weft.learn.networks.predictor import Network, predict
from weft.learn.networks.ranks import Ranks


class Course(Protocol):
    """What differs between networks for entities and those that rank items."""

    def steps(self, epoch: int) -> list[Array]:
        """Return the seeds of each step of an epoch."""
        ...

    def batches(self, parts: Sequence[Sequence[Array]], epoch: int, first: int) -> Iterator[Any]:
        """Yield the batches of successive steps, of each part of a step one.

        Args:
            parts: Per step the parts of its seeds that this process reads.
            epoch: Number of the epoch.
            first: Number in the epoch of the first of the steps.
        """
        ...

    def predict(self, device: torch.device) -> Array:
        """Predict for val, all processes together."""
        ...

    def narrow(self, splits: int) -> None:
        """Hold so much less at one time: parts of a batch."""
        ...


@dataclass
class EntityCourse:
    """Teaches about entities.

    Attributes:
        network: What is taught.
        feeder: Makes the batches.
        train: Seeds with targets.
        val: Seeds that epochs are compared on.
        rows: Which of ``train`` an epoch reads.
        batch_size: Seeds of a step.
        ranks: The processes that train together.
    """

    network: Network
    feeder: Feeder
    train: SeedRows
    val: SeedRows
    rows: EpochRows
    batch_size: int
    ranks: Ranks

    def steps(self, epoch: int) -> list[Array]:
        """Return the seeds of each step of an epoch."""
        order = self.rows.order(epoch)
        return [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]

    def batches(self, parts: Sequence[Sequence[Array]], epoch: int, first: int) -> Iterator[Any]:
        """Yield the batches of steps; what is drawn follows from the epoch alone."""
        return self.feeder.batches_of(self.train, [p for step in parts for p in step], epoch)

    def predict(self, device: torch.device) -> Array:
        """Predict for val, all processes together."""
        own = self.val.take(self.ranks.share(np.arange(len(self.val))))
        return self.ranks.gather(predict(self.network, self.feeder, own, device))

    def narrow(self, splits: int) -> None:
        """Make smaller batches to predict from."""
        self.feeder.batch_size = math.ceil(self.batch_size / splits)
