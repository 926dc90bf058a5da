"""A network with its head: from batches to predictions."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from weft.learn.encoders.column import Array
from weft.learn.networks.batch import NetworkBatch
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.feeding import Feeder, SeedRows
from weft.learn.networks.heads import Goal, Head, predict_of
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.recovery import by_halves
from weft.learn.networks.registry import build_network


class Network(nn.Module):
    """Body and head.

    Args:
        name: Of the network.
        inputs: What it reads.
        config: How it is built.
        goal: What it learns.
    """

    def __init__(self, name: str, inputs: NetworkInputs, config: NetworkConfig, goal: Goal) -> None:
        super().__init__()
        self.name, self.goal = name, goal
        self.body = build_network(name, inputs, config)
        self.head = Head(
            goal, channels=config.channels, num_terms=len(inputs.seed.terms), dropout=config.dropout
        )

    def forward(self, batch: NetworkBatch) -> torch.Tensor:
        """Compute raw outputs, ``(num_seeds, width)``."""
        out: torch.Tensor = self.head(self.body(batch), batch.seed_terms)
        return out


def predict(network: Network, feeder: Feeder, seeds: SeedRows, device: torch.device) -> Array:
    """Predict for seeds, shaped as `weft.learn.rung` lists them; memory is that of a few batches.

    Raises:
        UnavailableError: ``LEARN050`` when half a batch is too much for the memory.
    """
    parts = _compute(network, network, feeder, seeds, device)
    raw = np.concatenate(parts) if parts else np.zeros((0, network.goal.width), np.float32)
    return predict_of(network.goal, raw)


def embed(network: Network, feeder: Feeder, seeds: SeedRows, device: torch.device) -> Array:
    """Return the states of seeds, float32 ``(n, channels)``: their embeddings."""
    return np.concatenate(_compute(network, network.body, feeder, seeds, device))


def _compute(
    network: Network, part: nn.Module, feeder: Feeder, seeds: SeedRows, device: torch.device
) -> list[Array]:
    """Compute what a part of a network says of each batch; where memory is short, of halves of it."""
    network.eval()

    def compute(size: int) -> list[Array]:
        feeder.batch_size = size
        with torch.inference_mode():
            batches = feeder.batches(seeds, np.arange(len(seeds)))
            return [part(batch.to(device)).float().cpu().numpy() for batch in batches]

    return by_halves(network.name, feeder.batch_size, compute)
