"""The hybrid: items around the user are scored pair by pair, the rest by two towers."""

from __future__ import annotations

import torch
from torch import nn

from weft.learn.models.id_gnn.network import PairScore, Paths
from weft.learn.models.two_tower.network import TwoTower
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.known_items import KnownItems
from weft.learn.networks.slates import Own, Sampled
from weft.learn.networks.towers import TermScore, UserStates

DEFAULTS = {"features": "all", "fanouts": (32, 8), "epochs": 6, "learning_rate": 3e-3}


class Hybrid(TwoTower):
    """ContextGNN (Yuan, 2024): pair-wise scores for items around the user, towers for the others.

    An offset that depends on the user brings the two to one scale: how much more likely than elsewhere this
    user chooses around. Both are trained at once. As an addition, the features of collected candidates
    count for items of either kind.

    Args:
        inputs: What is read.
        known: Items with an embedding.
        config: How it is built.
    """

    has_towers, reads_places = True, True

    def __init__(self, inputs: NetworkInputs, known: KnownItems, config: NetworkConfig) -> None:
        super().__init__(inputs, known, config)
        width = config.channels
        self.item_table = known.table
        self.paths = Paths(inputs, channels=width, num_hops=len(config.fanouts))
        self.pair = PairScore(width, config.dropout)
        self.offset = nn.Linear(width, 1)
        self.terms = TermScore(len(inputs.seed.terms), channels=width, dropout=config.dropout)

    def users(self, sampled: Sampled) -> UserStates:
        """Compute the vectors of users and the states of the items around them."""
        rows = self.encode(sampled)
        state = self.user(rows, sampled.batch)
        around = self.paths(rows, state, sampled.batch)
        here = around.get(self.item_table, state.new_zeros((0, state.shape[1])))
        return UserStates(state, self.towers.users(state), here)

    def score(self, users: UserStates, own: Own, items: torch.Tensor | None) -> torch.Tensor:
        """Score pair-wise where the item lies around the user, else by the towers."""
        offset = self.offset(users.state)[own.seed, 0]
        near = self.pair(users, own) + offset
        scores = torch.where(own.place >= 0, near, super().score(users, own, items))
        out: torch.Tensor = scores + self.terms(users, own)
        return out


def build(inputs: NetworkInputs, known: KnownItems, config: NetworkConfig) -> nn.Module:
    """Build the network of a configuration."""
    return Hybrid(inputs, known, config)
