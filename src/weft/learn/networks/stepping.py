"""One step: losses, gradients, clipping, the schedule and the optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from weft.learn.networks.batch import NetworkBatch
from weft.learn.networks.busy import Busy, marks_of
from weft.learn.networks.checkpoint import Checkpoint, optimizer_tensors, restore_optimizer
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.heads import loss_of
from weft.learn.networks.layers import seed_dropout
from weft.learn.networks.ranks import Ranks

_WARM_UP = 0.1
_MOST_WARM = 48
_LAST = 0.01
_FALLS: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: _LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: _LAST + (1 - _LAST) * (1 - done),
}


class Stepper:
    """A network with its optimizer; a step changes nothing else.

    Args:
        network: What is trained.
        config: How.
        device: Where.
        seed: Of what is dropped.
        steps: How many steps the schedule stretches over.
        ranks: The processes that train together.
    """

    def __init__(
        self,
        network: nn.Module,
        config: NetworkConfig,
        device: torch.device,
        seed: int,
        steps: int,
        ranks: Ranks,
    ) -> None:
        self.network: Any = network
        self.config, self.device = config, device
        self.seed, self.steps, self.ranks = seed, steps, ranks
        self.busy = Busy(marks_of(device))
        rate, decay = config.learning_rate, config.weight_decay
        self.weights = list(network.parameters())
        self.optimizer = torch.optim.AdamW(self.weights, lr=rate, weight_decay=decay)
        self.averages = [w.detach().clone() for w in self.weights] if config.averaging else []
        self._forward: Any = torch.compile(network, dynamic=True) if config.compiled else network

    def step(self, batches: Iterable[NetworkBatch], num_seeds: int, done: int) -> torch.Tensor:
        """Make a step on the parts of a batch.

        Args:
            batches: Parts that this process reads; their gradients are added up, one part held at a time.
            num_seeds: Seeds of the whole batch, over all processes.
            done: Steps before this one; what is dropped and the learning rate follow from it alone.

        Returns:
            Sum of the losses of all seeds. Where it is not finite the weights stay as they were.
        """
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        drawn = np.random.SeedSequence([self.seed, done, self.ranks.rank]).generate_state(1)
        seed_dropout(self.network, int(drawn[0]), self.device)
        total = torch.zeros((), device=self.device)
        for batch in self.busy.fed(batches):
            loss = self._loss(batch) * len(batch.seeds)
            (loss / num_seeds).backward()
            total = total + loss.detach()
        total = self.ranks.sum_gradients(self.weights, total)
        if self.device.type == "cpu" and not torch.isfinite(total):
            return total
        nn.utils.clip_grad_norm_(self.weights, self.config.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * self.rate(done)
        self.optimizer.step()
        self._average(done)
        self.busy.end()
        return total

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the network have its averaged weights for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def rate(self, done: int) -> float:
        """Return the share of the highest learning rate after some steps: up in a line, then down."""
        warm = max(1, min(_MOST_WARM, int(self.steps * _WARM_UP)))
        if done < warm:
            return (done + 1) / warm
        return _FALLS[self.config.schedule](min(1.0, (done - warm) / max(1, self.steps - warm)))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the weights and what the optimizer remembers, as they are until the next step."""
        weights = {f"weights/{k}": t.detach().cpu() for k, t in self.network.state_dict().items()}
        held = optimizer_tensors(self.optimizer, self.network)
        averages = {f"averages/{i}": t.cpu() for i, t in enumerate(self.averages)}
        return weights | {f"optimizer/{k}": t for k, t in held.items()} | averages

    def restore(self, found: Checkpoint) -> None:
        """Take up what `tensors` gave."""
        self.optimizer.zero_grad(set_to_none=True)
        self.network.load_state_dict(found.part("weights"))
        restore_optimizer(self.optimizer, self.network, found.part("optimizer"))
        kept = found.part("averages")
        for number, average in enumerate(self.averages):
            average.copy_(kept[str(number)])

    def _average(self, done: int) -> None:
        """Move the averages toward the weights: fast at first, then by what the configuration says."""
        decay = min(self.config.averaging, (1 + done) / (10 + done))
        with torch.no_grad():
            for average, weight in zip(self.averages, self.weights, strict=self.config.averaging > 0):
                average.lerp_(weight, 1 - decay)

    def _swap(self) -> None:
        with torch.no_grad():
            for average, weight in zip(self.averages, self.weights, strict=self.config.averaging > 0):
                kept = weight.clone()
                weight.copy_(average)
                average.copy_(kept)

    def _loss(self, batch: NetworkBatch) -> torch.Tensor:
        moved = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            raw = self._forward(moved)
        assert moved.targets is not None
        return loss_of(self.network.goal, raw.float(), moved.targets)
