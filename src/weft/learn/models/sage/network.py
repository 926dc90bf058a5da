"""GraphSAGE over tables: every row takes the mean of its neighbors, link by link.

Heterogeneous GraphSAGE (Hamilton, 2017) with relative times, as RelBench's reference has it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from weft.core import Toward
from weft.learn.networks.batch import EdgeTensors
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.layered import LayeredNetwork
from weft.learn.networks.layers import (
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
                count = log_counts(source, offsets, presence.get(edge.source_table))
                told = new[edge.target_table]
                told += self._message(edge.kind, said[edge.source_table], source, offsets)
                told.addr_(count[:, 0].to(told.dtype), self.message[edge.kind].weight[:, -1].to(told.dtype))
        return {t: functional.relu(self.norm[self.names[t]](v)) for t, v in new.items()}

    def _message(
        self, kind: str, said: torch.Tensor, source: torch.Tensor, offsets: torch.Tensor
    ) -> torch.Tensor:
        """Turn the mean of each target's neighbors: before it is taken or after, whichever is fewer rows."""
        weight = self.message[kind].weight[:, :-1]
        if len(said) < len(offsets) - 1:
            return mean_of_neighbors(functional.linear(said, weight), source, offsets)
        return functional.linear(mean_of_neighbors(said, source, offsets), weight)


def build(inputs: NetworkInputs, config: NetworkConfig) -> nn.Module:
    """Build the network of a configuration: a layer per hop."""
    return LayeredNetwork(inputs, SageLayer, config)
