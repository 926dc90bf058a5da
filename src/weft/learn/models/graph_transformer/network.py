"""A graph transformer: the neighborhood of a seed as a set of tokens that attend to each other."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from weft.learn.models.sage.network import SageLayer
from weft.learn.networks.batch import NetworkBatch
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.layers import Dropout, RowEncoder, module_names

_HEADS = 4
_CENTERS = 64
_MOST_TOKENS = 160
_MOST_HOPS = 6


class Block(nn.Module):
    """Attention among the tokens of a seed, then two layers on each; norms come first.

    Args:
        channels: Width, a multiple of the number of heads.
        dropout: Share of the state that is left out while training.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.mix = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 2 * channels),
            nn.GELU(),
            nn.Linear(2 * channels, channels),
        )
        self.dropout = Dropout(dropout)

    def forward(
        self, tokens: torch.Tensor, is_token: torch.Tensor, presence: torch.Tensor | None
    ) -> torch.Tensor:
        """Compute the next state of tokens, ``(seeds, tokens, channels)``; False marks padding.

        Args:
            tokens: Their states.
            is_token: ``(seeds, tokens)``.
            presence: How far tokens are there, ``(seeds, tokens)``; ``None`` where all are.
        """
        seeds, count, channels = tokens.shape
        split = self.qkv(self.norm(tokens)).view(seeds, count, 3, _HEADS, channels // _HEADS)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mask = is_token[:, None, None, :]
        if presence is None:
            told = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            told = _attend_in_part(query, key, value, mask, presence)
        tokens = tokens + self.dropout(self.out(told.transpose(1, 2).reshape(seeds, count, channels)))
        return tokens + self.dropout(self.mix(tokens))


def _attend_in_part(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    presence: torch.Tensor,
) -> torch.Tensor:
    """Attend to tokens that are there in part; what is not goes to the token that asks."""
    score = (query @ key.transpose(2, 3)) * query.shape[-1] ** -0.5
    share = torch.softmax(score.masked_fill(~mask, -torch.inf), dim=3) * presence[:, None, None, :]
    return share @ value + (1 - share.sum(dim=3, keepdim=True)) * value


class GraphTransformer(nn.Module):
    """Tokens of rows with their type, hop, ages and local structure (RelGT; Dwivedi, 2025).

    What lies near a row is told by one round of GraphSAGE. Beside the attention within a neighborhood, each
    seed attends to centers that all seeds share: the global part.

    Args:
        inputs: What is read.
        channels: Width, a multiple of 4.
        num_blocks: Rounds of attention.
        dropout: Share of the state that is left out while training.
    """

    def __init__(
        self, inputs: NetworkInputs, *, channels: int, num_blocks: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.names = module_names([t.table for t in inputs.tables])
        self.encode = nn.ModuleDict({self.names[t.table]: RowEncoder(t, channels) for t in inputs.tables})
        self.structure = SageLayer(inputs, channels)
        self.kind = nn.Embedding(len(inputs.tables), channels)
        self.hop = nn.Embedding(_MOST_HOPS + 1, channels)
        self.blocks = nn.ModuleList(Block(channels, dropout) for _ in range(num_blocks))
        self.centers = nn.Parameter(torch.randn(_CENTERS, channels) * channels**-0.5)
        self.ask = nn.Linear(channels, channels)
        self.out = nn.Sequential(nn.Linear(2 * channels, channels), nn.LayerNorm(channels), nn.ReLU())
        self.order = {t.table: i for i, t in enumerate(inputs.tables)}

    def forward(self, batch: NetworkBatch) -> torch.Tensor:
        """Compute the state of the seeds, ``(num_seeds, channels)``."""
        tokens, is_token, presence = self._lay_out(batch)
        for block in self.blocks:
            tokens = block(tokens, is_token, presence)
        own = tokens[:, 0]
        share = torch.softmax(self.ask(own) @ self.centers.T * own.shape[1] ** -0.5, dim=1)
        return self.out(torch.cat([own, share @ self.centers], dim=1))

    def _lay_out(self, batch: NetworkBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Lay the rows of each seed side by side, the seed first and nearer rows before farther ones."""
        values, scope, hop, first = self._tokens(batch)
        order = torch.argsort(scope * (_MOST_HOPS + 2) + torch.where(first, 0, hop + 1), stable=True)
        scope = scope[order]
        starts = torch.searchsorted(scope, torch.arange(len(batch.seeds), device=scope.device))
        place = torch.arange(len(scope), device=scope.device) - starts[scope]
        width = min(_MOST_TOKENS, int(place.max()) + 1)
        kept = place < width
        tokens = values.new_zeros((len(batch.seeds), width, values.shape[1]))
        tokens[scope[kept], place[kept]] = values[order[kept]]
        is_token = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=values.device)
        is_token[scope[kept], place[kept]] = True
        if not batch.presence:
            return tokens, is_token, None
        presence = torch.cat([batch.presence[table] for table in batch.rows])
        spread = tokens.new_zeros(tokens.shape[:2]).index_put(
            (scope[kept], place[kept]), presence[order[kept]]
        )
        return tokens, is_token, spread

    def _tokens(self, batch: NetworkBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return all rows with their seeds, their hops, and which of them are the seeds."""
        state = {t: self.encode[self.names[t]](rows) for t, rows in batch.rows.items()}
        expanded = {t: rows.num_rows(batch.num_hops - 1) for t, rows in batch.rows.items()}
        near = self.structure(state, batch.edges, expanded, batch.presence)
        values, scopes, hops, firsts = [], [], [], []
        for table, rows in batch.rows.items():
            told = state[table] + self.kind.weight[self.order[table]]
            if table in near:
                told = told + functional.pad(near[table], (0, 0, 0, len(told) - len(near[table])))
            counts = torch.tensor(rows.per_hop, device=told.device)
            hop = torch.repeat_interleave(torch.arange(len(counts), device=told.device), counts)
            first = torch.zeros(len(told), dtype=torch.bool, device=told.device)
            if table == batch.seed_table:
                first[batch.seeds] = True
            values.append(told + self.hop.weight[hop])
            scopes.append(rows.scope)
            hops.append(hop)
            firsts.append(first)
        return torch.cat(values), torch.cat(scopes), torch.cat(hops), torch.cat(firsts)


def build(inputs: NetworkInputs, config: NetworkConfig) -> nn.Module:
    """Build the network of a configuration; ``options``: ``blocks``, rounds of attention."""
    blocks = int(config.options.get("blocks", 2))
    return GraphTransformer(inputs, channels=config.channels, num_blocks=blocks, dropout=config.dropout)
