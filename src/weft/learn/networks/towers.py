"""Parts of networks that rank items: rows with embeddings of items, and the state of seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from weft.learn.models.sage.network import SageLayer
from weft.learn.networks.batch import NetworkBatch
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.layers import Dropout, RowEncoder, module_names
from weft.learn.networks.slates import Own, Sampled


@dataclass(frozen=True)
class UserStates:
    """What a network knows of the seeds of a batch.

    Attributes:
        state: ``(seeds, channels)``.
        vectors: What the vectors of items are multiplied with, ``(seeds, d)``; ``None`` without towers.
        rows: States of the rows of the table of items around the seeds; ``None`` where they are not read.
    """

    state: torch.Tensor
    vectors: torch.Tensor | None = None
    rows: torch.Tensor | None = None


class RankingNetwork(Protocol):
    """A network that scores pairs of seeds and items.

    Attributes:
        has_towers: Whether any item can be scored, by the product of its vector with that of the user.
        reads_places: Whether items around the user are scored by what is around.
    """

    has_towers: bool
    reads_places: bool

    def users(self, sampled: Sampled) -> UserStates:
        """Compute what is known of the seeds."""
        ...

    def items(self, sampled: Sampled) -> torch.Tensor:
        """Compute vectors of items, ``(items, d)``."""
        ...

    def score(self, users: UserStates, own: Own, items: torch.Tensor | None) -> torch.Tensor:
        """Score pairs, ``(n,)``, given the vector of each pair's item, ``(n, d)``."""
        ...


class RowsAndItems(nn.Module):
    """Encodes rows of all tables; rows of the table of items have an embedding added, new items zero.

    Args:
        inputs: What is read.
        item_table: Table of the items.
        num_known: Items with an embedding.
        channels: Width.
        hidden: Share of items whose embedding is left out while training, so that new items make sense.
    """

    def __init__(
        self, inputs: NetworkInputs, item_table: str, num_known: int, *, channels: int, hidden: float
    ) -> None:
        super().__init__()
        self.names = module_names([t.table for t in inputs.tables])
        self.encode = nn.ModuleDict({self.names[t.table]: RowEncoder(t, channels) for t in inputs.tables})
        self.item_table = item_table
        self.embedding = nn.Embedding(num_known + 1, channels, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=channels**-0.5)
        with torch.no_grad():
            self.embedding.weight[0] = 0
        self.hide = Dropout(hidden)

    def forward(self, sampled: Sampled) -> dict[str, torch.Tensor]:
        """Encode the rows of a batch, by table."""
        state = {t: self.encode[self.names[t]](rows) for t, rows in sampled.batch.rows.items()}
        if self.item_table in state:
            numbers = sampled.numbers
            # Either there or not: an embedding is not scaled up for the times when it is hidden.
            shown = (self.hide(torch.ones((len(numbers), 1), device=numbers.device)) > 0).float()
            state[self.item_table] = state[self.item_table] + shown * self.embedding(numbers)
        return state


class SeedTower(nn.Module):
    """The state of the seeds, gathered by GraphSAGE from rows that are encoded already.

    Args:
        inputs: Tables and links.
        channels: Width.
        num_hops: Hops that are sampled.
        dropout: Share of the state that is left out while training.
    """

    def __init__(self, inputs: NetworkInputs, *, channels: int, num_hops: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SageLayer(inputs, channels) for _ in range(num_hops))
        self.dropout = Dropout(dropout)

    def forward(self, state: dict[str, torch.Tensor], batch: NetworkBatch) -> torch.Tensor:
        """Compute the state of the seeds, ``(seeds, channels)``."""
        for done, layer in enumerate(self.layers, 1):
            num_rows = {t: rows.num_rows(batch.num_hops - done) for t, rows in batch.rows.items()}
            state = layer(state, batch.edges, num_rows, batch.presence)
            state = {t: self.dropout(v) for t, v in state.items()}
        out: torch.Tensor = state[batch.seed_table][batch.seeds]
        return out


class TermScore(nn.Module):
    """What the features of a pair add to its score; nothing where there are none.

    Args:
        num_terms: Features of a pair.
        channels: Width.
        dropout: Share left out while training.
    """

    def __init__(self, num_terms: int, *, channels: int, dropout: float) -> None:
        super().__init__()
        self.read = nn.Linear(num_terms + 1, channels)
        self.user = nn.Linear(channels, channels, bias=False)
        self.out = nn.Sequential(
            nn.LayerNorm(channels),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, 1),
        )

    def forward(self, users: UserStates, own: Own) -> torch.Tensor:
        """Compute what is added, ``(n,)``."""
        hidden = self.read(own.terms) + self.user(users.state)[own.seed]
        added: torch.Tensor = self.out(hidden)[:, 0] * own.terms[:, -1]
        return added
