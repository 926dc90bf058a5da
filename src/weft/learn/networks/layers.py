"""Layers that all networks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from weft.learn.encoders import TableEncoder
from weft.learn.encoders.column import FIRST
from weft.learn.encoders.times import AGE_WIDTH, INSTANT_WIDTH
from weft.learn.networks.batch import RowTensors


class RowEncoder(nn.Module):
    """Brings the rows of one table to the width of the network.

    What a row is, whichever seed asks, goes through a small residual network once; how old it is at the
    anchor is added for each seed.

    Args:
        encoder: Of the table's columns.
        channels: Width of the network.
    """

    of_dense: torch.Tensor
    of_codes: torch.Tensor
    of_ages: torch.Tensor

    def __init__(self, encoder: TableEncoder, channels: int) -> None:
        super().__init__()
        self.dense = nn.Linear(max(1, encoder.width), channels)
        self.codes = nn.ModuleList(nn.Embedding(size, channels) for size in encoder.sizes)
        for table in self.codes:
            nn.init.normal_(table.weight, std=channels**-0.5)
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Linear(channels, channels)
        self.ages = nn.Linear(AGE_WIDTH + INSTANT_WIDTH * encoder.num_instants, channels)
        self._remember_owners(encoder)

    def forward(self, rows: RowTensors) -> torch.Tensor:
        """Encode rows, float32 ``(n, channels)``."""
        if rows.told is not None:
            return self._as_told(rows, rows.told.values)
        return self.distinct(rows)[rows.place] + self.ages(rows.ages)

    def distinct(self, rows: RowTensors) -> torch.Tensor:
        """Encode the distinct rows, float32 ``(u, channels)``, without their ages."""
        dense = rows.dense if rows.dense.shape[1] else rows.dense.new_zeros((len(rows.dense), 1))
        hidden = self.dense(dense)
        for column, table in enumerate(self.codes):
            hidden = hidden + table(rows.codes[:, column])
        return hidden + self.mix(functional.relu(self.norm(hidden)))

    def _remember_owners(self, encoder: TableEncoder) -> None:
        """Keep which column each number, code and number of an age is of; -1 is told always."""
        columns = [c.encoder for c in encoder.columns]
        own = len(columns)
        owners = {
            "of_dense": encoder.owners([c.width for c in columns]) or (-1,),
            "of_codes": encoder.owners([len(c.sizes) for c in columns]),
            # Whether there is a time at all is no news of a table that has none.
            "of_ages": (
                -1,
                *[own] * (AGE_WIDTH - 1),
                *encoder.owners([INSTANT_WIDTH * c.num_instants for c in columns]),
            ),
        }
        for name, places in owners.items():
            self.register_buffer(name, torch.tensor(places, dtype=torch.int64), persistent=False)

    def _as_told(self, rows: RowTensors, values: torch.Tensor) -> torch.Tensor:
        """Encode rows of which values are told in part, ``(n, columns + 1)``.

        Numbers that are not told are 0: the middle of train, without the mark of a missing one, which a
        column that never lacks a value has not learned. Categories are the mean of all that are known.
        """
        share = functional.pad(values, (0, 1), value=1.0)
        dense = rows.dense if rows.dense.shape[1] else rows.dense.new_zeros((len(rows.dense), 1))
        hidden = self.dense(dense[rows.place] * share[:, self.of_dense])
        for column, table in enumerate(self.codes):
            middle = (
                table.weight[FIRST:].mean(dim=0) if len(table.weight) > FIRST else table.weight.mean(dim=0)
            )
            known = table(rows.codes[rows.place, column])
            hidden = hidden + torch.lerp(
                middle.expand_as(known), known, share[:, self.of_codes[column], None]
            )
        hidden = hidden + self.mix(functional.relu(self.norm(hidden)))
        return hidden + self.ages(rows.ages * share[:, self.of_ages])


class Dropout(nn.Module):
    """Leaves out a share of the state while training, by draws of its own.

    Draws come from a generator that `seed_dropout` sets, not from the one that the whole process shares, so
    that networks that are trained side by side do not change each other.

    Args:
        share: Between 0 and 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """Leave out and scale up the rest; nothing happens when predicting."""
        if not self.training or self.share == 0:
            return state
        drawn = torch.rand(state.shape, generator=self.generator, device=state.device)
        return state * (drawn >= self.share) / (1 - self.share)


def seed_dropout(network: nn.Module, seed: int, device: torch.device) -> None:
    """Give all `Dropout` of a network one generator, seeded."""
    generator = torch.Generator(device)
    generator.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def mean_of_neighbors(values: torch.Tensor, source: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Average the neighbors of each target, zero where there are none.

    Args:
        values: Of the source rows, ``(n, channels)``.
        source: Sources of the edges, ordered by target, int64 ``(m,)``.
        offsets: First edge of each target and the end, int64 ``(targets + 1,)``.

    Returns:
        ``(targets, channels)``. No message is kept per edge.
    """
    return functional.embedding_bag(source, values, offsets, mode="mean", include_last_offset=True)


def targets_of(offsets: torch.Tensor) -> torch.Tensor:
    """Return the target of each edge, int64 ``(m,)``."""
    counts = torch.diff(offsets)
    return torch.repeat_interleave(torch.arange(len(counts), device=offsets.device), counts)


class Attention(nn.Module):
    """Each target attends to its neighbors; zero where there are none.

    Args:
        channels: Width, a multiple of ``heads``.
        heads: Parts that attend apart.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)

    def forward(
        self,
        targets: torch.Tensor,
        sources: torch.Tensor,
        source: torch.Tensor,
        offsets: torch.Tensor,
        presence: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute what targets are told, ``(targets, channels)``.

        Args:
            targets: States, ``(targets, channels)``.
            sources: States, ``(n, channels)``.
            source: Sources of the edges, ordered by target, int64 ``(m,)``.
            offsets: First edge of each target and the end, int64 ``(targets + 1,)``.
            presence: How far sources are there, ``(n,)``; ``None`` where all are.
        """
        width = targets.shape[1] // self.heads
        target = torch.repeat_interleave(
            torch.arange(len(targets), device=source.device), torch.diff(offsets)
        )
        query = self.query(targets).view(-1, self.heads, width)
        key = self.key(sources).view(-1, self.heads, width)
        value = self.value(sources).view(-1, self.heads, width)
        score = (query[target] * key[source]).sum(dim=2) * width**-0.5
        most = score.new_full((len(targets), self.heads), -torch.inf)
        most = most.scatter_reduce(0, target[:, None].expand_as(score), score.detach(), "amax")
        share = torch.exp(score - most[target])
        total = share.new_zeros((len(targets), self.heads)).index_add(0, target, share)
        share = share / total[target]
        if presence is not None:
            share = share * presence[source][:, None]
        # Autocast makes shares more exact than values; sums are kept as exact as the shares.
        told = share.new_zeros((len(targets), self.heads, width))
        told = told.index_add(0, target, share[:, :, None] * value[source].to(share.dtype))
        return told.reshape(len(targets), -1)


def log_counts(
    source: torch.Tensor, offsets: torch.Tensor, presence: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the logarithm of one plus the number of neighbors of each target, ``(targets, 1)``.

    Args:
        source: As for `mean_of_neighbors`; so are ``offsets``.
        offsets: First edge of each target and the end.
        presence: How far sources are there, ``(n,)``; ``None`` where all are.
    """
    if presence is None:
        return torch.log1p(torch.diff(offsets).to(torch.float32))[:, None]
    counts = functional.embedding_bag(
        source, presence[:, None], offsets, mode="sum", include_last_offset=True
    )
    return torch.log1p(counts)


def heard(state: Mapping[str, torch.Tensor], presence: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the states that messages are made of: those of rows that are there in part, in part.

    Args:
        state: Table → ``(rows, channels)``.
        presence: Table → how far its rows are there, ``(rows or more,)``; tables left out are there.
    """
    return {t: v * presence[t][: len(v), None] if t in presence else v for t, v in state.items()}


def module_names(names: Sequence[str]) -> dict[str, str]:
    """Give tables names that a `torch.nn.ModuleDict` takes, whatever they are called."""
    return {name: f"table-{i}" for i, name in enumerate(names)}
