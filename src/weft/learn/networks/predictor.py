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
        self.goal = goal
        self.body = build_network(name, inputs, config)
        self.head = Head(
            goal, channels=config.channels, num_terms=len(inputs.seed.terms), dropout=config.dropout
        )

    def forward(self, batch: NetworkBatch) -> torch.Tensor:
        """Compute raw outputs, ``(num_seeds, width)``."""
        out: torch.Tensor = self.head(self.body(batch), batch.seed_terms)
        return out


def predict(network: Network, feeder: Feeder, seeds: SeedRows, device: torch.device) -> Array:
    """Predict for seeds, shaped as `weft.learn.rung` lists them; memory is that of a few batches."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for batch in feeder.batches(seeds, np.arange(len(seeds))):
            parts.append(network(batch.to(device)).float().cpu().numpy())
    raw = np.concatenate(parts) if parts else np.zeros((0, network.goal.width), np.float32)
    return predict_of(network.goal, raw)


def embed(network: Network, feeder: Feeder, seeds: SeedRows, device: torch.device) -> Array:
    """Return the states of seeds, float32 ``(n, channels)``: their embeddings."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network.body(b.to(device)).float().cpu().numpy()
            for b in feeder.batches(seeds, np.arange(len(seeds)))
        ]
    return np.concatenate(parts)


def find_device() -> torch.device:
    """Return the GPU where there is one that works, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
