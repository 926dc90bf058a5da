"""A network of one layer per hop: what is left to say is the layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from weft.learn.networks.batch import NetworkBatch
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.layers import Dropout, RowEncoder, module_names


class LayeredNetwork(nn.Module):
    """Encodes all rows, then passes messages once per hop; a layer computes only what later ones read.

    Args:
        inputs: What is read.
        layer: Makes a layer: from states by table, edges, numbers of rows and presence to new states.
        config: Width, hops, and the share of the state that is left out while training.
    """

    def __init__(
        self, inputs: NetworkInputs, layer: Callable[[NetworkInputs, int], nn.Module], config: NetworkConfig
    ) -> None:
        super().__init__()
        width, tables = config.channels, [t.table for t in inputs.tables]
        self.names = module_names(tables)
        self.encode = nn.ModuleDict({self.names[t.table]: RowEncoder(t, width) for t in inputs.tables})
        self.layers = nn.ModuleList(layer(inputs, width) for _ in config.fanouts)
        self.dropout = Dropout(config.dropout)

    def forward(self, batch: NetworkBatch) -> torch.Tensor:
        """Compute the state of the seeds, ``(num_seeds, channels)``."""
        state = {t: self.encode[self.names[t]](rows) for t, rows in batch.rows.items()}
        for done, layer in enumerate(self.layers, 1):
            num_rows = {t: rows.num_rows(batch.num_hops - done) for t, rows in batch.rows.items()}
            state = layer(state, batch.edges, num_rows, batch.presence)
            state = {t: self.dropout(v) for t, v in state.items()}
        return state[batch.seed_table][batch.seeds]
