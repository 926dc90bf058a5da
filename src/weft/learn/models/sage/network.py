"""GraphSAGE over tables: every row takes the mean of its neighbors, link by link."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from weft.core import Toward
from weft.learn.networks.batch import EdgeTensors, NetworkBatch
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.layers import (
    Dropout,
    RowEncoder,
    heard,
    log_counts,
    mean_of_neighbors,
    module_names,
)


class SageLayer(nn.Module):
    """One round of messages: a row's own state, and per link and direction the mean of its neighbors.

    Args:
        inputs: Tables and links.
        channels: Width of the network.
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
        self,
        state: dict[str, torch.Tensor],
        edges: tuple[EdgeTensors, ...],
        num_rows: dict[str, int],
        presence: Mapping[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Compute the next state of the first rows of each table.

        Args:
            state: Table → ``(rows, channels)``.
            edges: All edges of the batch.
            num_rows: Table → how many of its rows a later layer reads.
            presence: Table → how far its rows are there, ``(rows or more,)``; those left out are.
        """
        said = heard(state, presence)
        new = {t: self.own[self.names[t]](state[t][:n]) for t, n in num_rows.items() if n}
        for edge in edges:
            if edge.target_table not in new:
                continue
            source, offsets = edge.of_first(num_rows[edge.target_table])
            if len(source):
                mean = mean_of_neighbors(said[edge.source_table], source, offsets)
                count = log_counts(source, offsets, presence.get(edge.source_table))
                message = self.message[edge.kind](torch.cat([mean, count], dim=1))
                new[edge.target_table] = new[edge.target_table] + message
        return {t: functional.relu(self.norm[self.names[t]](v)) for t, v in new.items()}


class SageNetwork(nn.Module):
    """Heterogeneous GraphSAGE (Hamilton, 2017) with relative times, as RelBench's reference has it.

    A layer per hop; each computes only rows that later layers read.

    Args:
        inputs: What is read.
        channels: Width.
        num_hops: Hops that are sampled.
        dropout: Share of the state that is left out while training.
    """

    def __init__(self, inputs: NetworkInputs, *, channels: int, num_hops: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.names = module_names([t.table for t in inputs.tables])
        self.encode = nn.ModuleDict({self.names[t.table]: RowEncoder(t, channels) for t in inputs.tables})
        self.layers = nn.ModuleList(SageLayer(inputs, channels) for _ in range(num_hops))
        self.dropout = Dropout(dropout)

    def forward(self, batch: NetworkBatch) -> torch.Tensor:
        """Compute the state of the seeds, ``(num_seeds, channels)``."""
        state = {t: self.encode[self.names[t]](rows) for t, rows in batch.rows.items()}
        for done, layer in enumerate(self.layers, 1):
            num_rows = {t: rows.num_rows(batch.num_hops - done) for t, rows in batch.rows.items()}
            state = layer(state, batch.edges, num_rows, batch.presence)
            state = {t: self.dropout(v) for t, v in state.items()}
        return state[batch.seed_table][batch.seeds]


def build(inputs: NetworkInputs, config: NetworkConfig) -> nn.Module:
    """Build the network of a configuration."""
    return SageNetwork(inputs, channels=config.channels, num_hops=len(config.fanouts), dropout=config.dropout)
