"""Two towers: a vector per user and one per item, whose product says how well they go together."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.known_items import KnownItems
from weft.learn.networks.slates import Own, RankingOptions, Sampled
from weft.learn.networks.towers import RowsAndItems, SeedTower, UserStates

DEFAULTS = {"features": "none", "fanouts": (24, 8), "epochs": 10, "learning_rate": 3e-3}


class Towers(nn.Module):
    """From the states of users and items to vectors whose product is a score.

    Both are brought to one length before they are multiplied, which keeps the first steps from being lost,
    and users are scaled by a temperature that is learned. The last number of a vector lets an item be good
    for everybody: it meets a one in every user.

    Args:
        channels: Width of the states.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.user = nn.Sequential(nn.Linear(channels, channels), nn.LayerNorm(channels))
        self.around = nn.Linear(channels, channels)
        self.own = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.bias = nn.Linear(2 * channels, 1)
        self.scale = nn.Parameter(torch.tensor(channels**-0.5).log())

    def users(self, state: torch.Tensor) -> torch.Tensor:
        """Compute vectors of users, ``(n, channels + 1)``."""
        return functional.pad(self.user(state) * self.scale.exp(), (0, 1), value=1.0)

    def items(self, state: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        """Compute vectors of items from what is around them and what they are, ``(m, channels + 1)``."""
        vectors = self.norm(self.around(state) + self.own(row))
        return torch.cat([vectors, self.bias(torch.cat([state, row], dim=1))], dim=1)


class TwoTower(nn.Module):
    """Two-tower network over a graph: rows and embeddings of items are encoded alike on both sides.

    Args:
        inputs: What is read.
        known: Items with an embedding.
        config: How it is built.
    """

    has_towers, reads_places = True, False

    def __init__(self, inputs: NetworkInputs, known: KnownItems, config: NetworkConfig) -> None:
        super().__init__()
        options, width = RankingOptions.read(config), config.channels
        self.encode = RowsAndItems(
            inputs, known.table, len(known), channels=width, hidden=options.hidden_items
        )
        hops, item_hops = len(config.fanouts), len(options.item_fanouts)
        self.user = SeedTower(inputs, channels=width, num_hops=hops, dropout=config.dropout)
        self.item = SeedTower(inputs, channels=width, num_hops=item_hops, dropout=config.dropout)
        self.towers = Towers(width)

    def users(self, sampled: Sampled) -> UserStates:
        """Compute the vectors of users."""
        state = self.user(self.encode(sampled), sampled.batch)
        return UserStates(state, self.towers.users(state))

    def items(self, sampled: Sampled) -> torch.Tensor:
        """Compute the vectors of items."""
        rows = self.encode(sampled)
        own = rows[sampled.batch.seed_table][sampled.batch.seeds]
        return self.towers.items(self.item(rows, sampled.batch), own)

    def score(self, users: UserStates, own: Own, items: torch.Tensor | None) -> torch.Tensor:
        """Multiply."""
        assert users.vectors is not None and items is not None
        return (users.vectors[own.seed] * items).sum(dim=1)


def build(inputs: NetworkInputs, known: KnownItems, config: NetworkConfig) -> nn.Module:
    """Build the network of a configuration."""
    return TwoTower(inputs, known, config)
