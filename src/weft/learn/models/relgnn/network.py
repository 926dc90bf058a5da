"""RelGNN (Chen, 2025): messages cross bridge tables in one step.

A table with two foreign keys or more is a bridge: what a row of it joins is reached together with it, and its
message to one parent is made of itself and of its other parents.
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
from weft.learn.networks.layers import Attention, heard, module_names, targets_of

_HEADS = 4
# A hop crosses bridge tables and reaches as far as two of others.
DEFAULTS = {"fanouts": (24,)}


class RelGNNLayer(nn.Module):
    """One round: rows attend to their children, each of which speaks for its other parents as well.

    Args:
        inputs: Tables and links.
        channels: Width of the network.
    """

    def __init__(self, inputs: NetworkInputs, channels: int) -> None:
        super().__init__()
        self.names = module_names([t.table for t in inputs.tables])
        self.bridges = set(crossed(inputs))
        self.own = nn.ModuleDict({n: nn.Linear(channels, channels) for n in self.names.values()})
        self.norm = nn.ModuleDict({n: nn.LayerNorm(channels) for n in self.names.values()})
        links = [str(i) for i in range(len(inputs.links))]
        self.of_parent = nn.ModuleDict({i: nn.Linear(channels, channels, bias=False) for i in links})
        self.through = nn.ModuleDict({i: nn.Linear(channels, channels, bias=False) for i in links})
        self.of_children = nn.ModuleDict({i: Attention(channels, _HEADS) for i in links})

    def forward(
        self,
        state: dict[str, torch.Tensor],
        edges: tuple[EdgeTensors, ...],
        num_rows: dict[str, int],
        presence: Mapping[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Compute the next state of the first rows of each table; see `SageLayer`."""
        said = heard(state, presence)
        spoken = self._speak(state, said, edges)
        new = {t: self.own[self.names[t]](state[t][:n]) for t, n in num_rows.items() if n}
        for edge in edges:
            table = edge.target_table
            if table not in new:
                continue
            source, offsets = edge.of_first(num_rows[table])
            if not len(source):
                continue
            if edge.toward is Toward.CHILDREN:
                attend = self.of_children[str(edge.link)]
                own = state[table][: num_rows[table]]
                there = presence.get(edge.source_table)
                told = attend(own, spoken[edge.source_table], source, offsets, there)
            else:
                has_parent = torch.diff(offsets) > 0
                told = torch.zeros_like(new[table])
                told[has_parent] = self.of_parent[str(edge.link)](said[edge.source_table][source])
            new[table] = new[table] + told
        return {t: functional.relu(self.norm[self.names[t]](v)) for t, v in new.items()}

    def _speak(
        self,
        state: dict[str, torch.Tensor],
        said: dict[str, torch.Tensor],
        edges: tuple[EdgeTensors, ...],
    ) -> dict[str, torch.Tensor]:
        """Let rows of bridge tables take their parents' states in."""
        spoken = dict(state)
        for edge in edges:
            table = edge.target_table
            if edge.toward is Toward.PARENT and table in self.bridges and table in state:
                source, offsets = edge.of_first(len(state[table]))
                known = source < len(state[edge.source_table])
                target = targets_of(offsets)[known]
                told = self.through[str(edge.link)](said[edge.source_table][source[known]])
                spoken[table] = spoken[table].index_add(0, target, told.to(spoken[table].dtype))
        return spoken


def crossed(inputs: NetworkInputs) -> tuple[str, ...]:
    """Return the bridge tables: those with two foreign keys or more."""
    children = [link.child for link in inputs.links]
    return tuple(t.table for t in inputs.tables if children.count(t.table) >= 2)


def build(inputs: NetworkInputs, config: NetworkConfig) -> nn.Module:
    """Build the network of a configuration: a layer per hop, where a hop crosses a bridge table."""
    return LayeredNetwork(inputs, RelGNNLayer, config)
