"""Training a network: steps, looks at val, and the best weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from weft.core import Progress
from weft.learn.encoders.column import Array
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.feeding import Feeder, SeedRows
from weft.learn.networks.heads import loss_of
from weft.learn.networks.layers import seed_dropout
from weft.learn.networks.predictor import Network, predict

_WARM_UP = 0.1
_LAST = 0.01


@dataclass
class Curve:
    """What the training went through, a value per epoch.

    Attributes:
        loss: Mean loss on train.
        gain: Score on val, higher is better.
        best: Which epoch's weights were kept, from 0; -1 for none.
        note: Why the training ended early; empty where it did not.
    """

    loss: list[float] = field(default_factory=list)
    gain: list[float] = field(default_factory=list)
    best: int = -1
    note: str = ""

    @property
    def words(self) -> str:
        """The last epoch in words."""
        return f"loss {self.loss[-1]:.4f}, val {abs(self.gain[-1]):.4f}"

    @property
    def is_best_so_far(self) -> bool:
        """Whether the last epoch is better on val than those before."""
        return self.best < 0 or self.gain[-1] > self.gain[self.best]


@dataclass(frozen=True)
class Trainer:
    """Trains on some seeds and chooses the epoch on others.

    Attributes:
        network: What is trained; ends with the best weights.
        feeder: Makes the batches.
        config: How.
        device: Where.
        seed: Of the order of the seeds.
    """

    network: Network
    feeder: Feeder
    config: NetworkConfig
    device: torch.device
    seed: int

    def fit(
        self,
        train: SeedRows,
        val: SeedRows,
        score: Callable[[Array], float],
        *,
        epochs: int,
        deadline: float | None,
        progress: Progress,
    ) -> Curve:
        """Train for at most some epochs.

        Args:
            train: Seeds with targets.
            val: Seeds that epochs are compared on by ``score``, higher is better.
            epochs: At most.
            deadline: ``time.monotonic()`` by which to end.
            progress: Told how far it is.
        """
        seed_dropout(self.network, self.seed, self.device)
        optimizer, schedule = self._optimizer(epochs * math.ceil(len(train) / self.config.batch_size))
        curve = Curve()
        best = copy.deepcopy(self.network.state_dict())
        while len(curve.loss) < epochs and not curve.note:
            curve.loss.append(self._epoch(train, len(curve.loss), optimizer, schedule))
            if not math.isfinite(curve.loss[-1]):
                curve.note = f"the loss of epoch {len(curve.loss)} is not finite"
                curve.loss.pop()
                break
            curve.gain.append(score(predict(self.network, self.feeder, val, self.device)))
            if curve.is_best_so_far:
                curve.best = len(curve.gain) - 1
                best = copy.deepcopy(self.network.state_dict())
            progress.update(len(curve.loss), epochs, curve.words)
            curve.note = self._ending(curve, deadline)
        self.network.load_state_dict(best)
        return curve

    def _optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, Any]:
        """Make the optimizer, and the schedule of its learning rate over some steps."""
        rate, decay = self.config.learning_rate, self.config.weight_decay
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=decay)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))

    def _ending(self, curve: Curve, deadline: float | None) -> str:
        """Say why to end here; empty to go on."""
        if len(curve.gain) - 1 - curve.best >= self.config.patience:
            return f"val did not get better for {self.config.patience} epochs"
        return "the deadline came" if deadline is not None and time.monotonic() > deadline else ""

    def _epoch(self, train: SeedRows, epoch: int, optimizer: torch.optim.Optimizer, schedule: Any) -> float:
        """Make one pass over the train seeds in an order of its own; return the mean loss."""
        self.network.train()
        order = np.random.Generator(np.random.Philox([self.seed, epoch])).permutation(len(train))
        total = torch.zeros((), dtype=torch.float64)
        for batch in self.feeder.batches(train, order, epoch):
            moved = batch.to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                raw = self.network(moved)
            assert moved.targets is not None
            loss = loss_of(self.network.goal, raw.float(), moved.targets)
            if not torch.isfinite(loss):
                return math.nan
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
            optimizer.step()
            schedule.step()
            total += loss.detach().cpu().double() * len(moved.seeds)
        return float(total) / max(1, len(train))


def _rate(step: int, steps: int) -> float:
    """Return the share of the highest learning rate: up in a line, down like a cosine."""
    warm = max(1, int(steps * _WARM_UP))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return _LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
