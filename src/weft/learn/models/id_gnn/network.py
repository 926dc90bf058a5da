"""An ID-aware network: the user is marked, and what is told of an item is how the user's paths reach it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from weft.core import Toward
from weft.learn.networks.batch import EdgeTensors, NetworkBatch
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.known_items import KnownItems
from weft.learn.networks.layers import Dropout, module_names, targets_of
from weft.learn.networks.slates import Own, RankingOptions, Sampled
from weft.learn.networks.towers import RowsAndItems, SeedTower, TermScore, UserStates

DEFAULTS = {"features": "all", "fanouts": (32, 8), "epochs": 6, "learning_rate": 3e-3}


class PathLayer(nn.Module):
    """One step outwards: rows of a hop take the mean of the rows of the hop before that reached them.

    Args:
        inputs: Tables and links.
        channels: Width.
    """

    def __init__(self, inputs: NetworkInputs, channels: int) -> None:
        super().__init__()
        self.names = module_names([t.table for t in inputs.tables])
        self.own = nn.ModuleDict({n: nn.Linear(channels, channels) for n in self.names.values()})
        self.norm = nn.ModuleDict({n: nn.LayerNorm(channels) for n in self.names.values()})
        self.message = nn.ModuleDict(
            {
                f"{i}-{toward.value}": nn.Linear(channels + 1, channels, bias=False)
                for i in range(len(inputs.links))
                for toward in Toward
            }
        )

    def forward(
        self, state: dict[str, torch.Tensor], batch: NetworkBatch, hop: int
    ) -> dict[str, torch.Tensor]:
        """Replace the states of the rows that were first reached at a hop."""
        new = {}
        for table, rows in batch.rows.items():
            start, stop = rows.num_rows(hop - 1), rows.num_rows(hop)
            if stop > start:
                new[table] = self.own[self.names[table]](state[table][start:stop])
        for edge in batch.edges:
            if edge.source_table in new:
                told = self._told(state, edge, batch, hop)
                if told is not None:
                    new[edge.source_table] = new[edge.source_table] + self.message[edge.kind](told)
        replaced = dict(state)
        for table, value in new.items():
            start = batch.rows[table].num_rows(hop - 1)
            value = functional.relu(self.norm[self.names[table]](value))
            replaced[table] = torch.cat([state[table][:start], value, state[table][start + len(value) :]])
        return replaced

    @staticmethod
    def _told(
        state: dict[str, torch.Tensor], edge: EdgeTensors, batch: NetworkBatch, hop: int
    ) -> torch.Tensor | None:
        """Return mean and number of the rows that reached each row of the hop over a link."""
        before, rows = batch.rows[edge.target_table], batch.rows[edge.source_table]
        first, last = before.num_rows(hop - 2) if hop > 1 else 0, before.num_rows(hop - 1)
        start, stop = rows.num_rows(hop - 1), rows.num_rows(hop)
        offsets = edge.offsets[first : last + 1]
        source = edge.source[int(offsets[0]) : int(offsets[-1])]
        target = targets_of(offsets) + first
        new = (source >= start) & (source < stop)
        if not bool(new.any()):
            return None
        at, values = source[new] - start, state[edge.target_table][target[new]]
        count = values.new_zeros(stop - start).index_add(0, at, values.new_ones(len(at)))
        total = values.new_zeros((stop - start, values.shape[1])).index_add(0, at, values)
        return torch.cat([total / count.clamp(min=1)[:, None], torch.log1p(count)[:, None]], dim=1)


class Paths(nn.Module):
    """States of all rows as the seed reaches them: nothing but the seed's own paths tells rows apart.

    The labels that ID-aware GNNs give the seed (You, 2021) are here its state and a mark, passed on outwards
    from hop to hop as in NBFNet (Zhu, 2021), a step per hop, so that every row is computed once.

    Args:
        inputs: Tables and links.
        channels: Width.
        num_hops: Hops that are sampled.
    """

    def __init__(self, inputs: NetworkInputs, *, channels: int, num_hops: int) -> None:
        super().__init__()
        self.mark = nn.Linear(channels, channels)
        self.layers = nn.ModuleList(PathLayer(inputs, channels) for _ in range(num_hops))

    def forward(
        self, rows: dict[str, torch.Tensor], seeds: torch.Tensor, batch: NetworkBatch
    ) -> dict[str, torch.Tensor]:
        """Compute the states of all rows from encoded rows and the states of the seeds."""
        table = batch.seed_table
        mark = self.mark(seeds).to(rows[table].dtype)
        state = {**rows, table: rows[table].index_add(0, batch.seeds, mark)}
        for hop, layer in enumerate(self.layers, 1):
            state = layer(state, batch, hop)
        return state


class PairScore(nn.Module):
    """Scores an item around the user by the state of its row there and that of the user.

    Args:
        channels: Width.
        dropout: Share left out while training.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.place = nn.Linear(channels, channels)
        self.user = nn.Linear(channels, channels)
        self.out = nn.Sequential(nn.ReLU(), Dropout(dropout), nn.Linear(channels, 1))

    def forward(self, users: UserStates, own: Own) -> torch.Tensor:
        """Score pairs, ``(n,)``; those without a place as if their row were zero."""
        assert users.rows is not None
        rows = torch.cat([users.rows, users.rows.new_zeros((1, users.rows.shape[1]))])
        out: torch.Tensor = self.out(self.place(rows)[own.place] + self.user(users.state)[own.seed])[:, 0]
        return out


class IdGnn(nn.Module):
    """Scores the items around a user; those elsewhere are all alike but for the features of the pair.

    Args:
        inputs: What is read.
        known: Items with an embedding.
        config: How it is built.
    """

    has_towers, reads_places = False, True

    def __init__(self, inputs: NetworkInputs, known: KnownItems, config: NetworkConfig) -> None:
        super().__init__()
        options, width, hops = RankingOptions.read(config), config.channels, len(config.fanouts)
        self.item_table = known.table
        self.encode = RowsAndItems(
            inputs, known.table, len(known), channels=width, hidden=options.hidden_items
        )
        self.user = SeedTower(inputs, channels=width, num_hops=hops, dropout=config.dropout)
        self.paths = Paths(inputs, channels=width, num_hops=hops)
        self.pair = PairScore(width, config.dropout)
        self.terms = TermScore(len(inputs.seed.terms), channels=width, dropout=config.dropout)

    def users(self, sampled: Sampled) -> UserStates:
        """Compute the states of users and of the items around them."""
        rows = self.encode(sampled)
        state = self.user(rows, sampled.batch)
        around = self.paths(rows, state, sampled.batch)
        return UserStates(state, None, around.get(self.item_table, state.new_zeros((0, state.shape[1]))))

    def items(self, sampled: Sampled) -> torch.Tensor:
        """Return nothing: items have no vectors."""
        return torch.zeros((len(sampled.batch.seeds), 0), device=sampled.numbers.device)

    def score(self, users: UserStates, own: Own, items: torch.Tensor | None) -> torch.Tensor:
        """Score by place and features."""
        out: torch.Tensor = self.pair(users, own) + self.terms(users, own)
        return out


def build(inputs: NetworkInputs, known: KnownItems, config: NetworkConfig) -> nn.Module:
    """Build the network of a configuration."""
    return IdGnn(inputs, known, config)
