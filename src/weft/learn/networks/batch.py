"""From a sampled `Batch` to the tensors of a network.

A row that was sampled for several seeds is encoded once per batch; what differs per seed is its age. Edges
are offsets: those of target ``i`` are ``source[offsets[i]:offsets[i + 1]]``, so that a mean over neighbors is
one call and no message is kept per edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from weft.core import NO_AGE, Batch, BatchEdges, BatchRows, GraphSource, Toward
from weft.learn.encoders import BoundTable
from weft.learn.encoders.column import NO_TIME, Array
from weft.learn.encoders.times import encode_ages, encode_instants
from weft.learn.networks.inputs import NetworkInputs


@dataclass(frozen=True)
class Told:
    """How far a network is told of the rows of one table, 0 not at all, 1 as they are; for explanations.

    A row that is there by half sends half of its messages. A value that is told by half lies half way from
    the middle of what its column can be.

    Attributes:
        values: By column, the age last; float32 ``(n, columns + 1)``.
        presence: Whether a row is there; float32 ``(n,)``.
    """

    values: torch.Tensor
    presence: torch.Tensor


@dataclass(frozen=True)
class RowTensors:
    """The sampled rows of one table.

    Attributes:
        dense: Numbers of the distinct rows, float32 ``(u, width)``.
        codes: Places in vocabularies of the distinct rows, int64 ``(u, columns)``.
        place: Which distinct row each row is, int64 ``(n,)``.
        ages: The age of the row at the anchor and its instants as of the anchor, float32
            ``(n, AGE_WIDTH + instants * INSTANT_WIDTH)``.
        scope: Which seed each row belongs to, int64 ``(n,)``.
        per_hop: Number of rows first reached at each hop; seeds are hop 0.
        told: How far the network is told of them; ``None`` for all there is.
    """

    dense: torch.Tensor
    codes: torch.Tensor
    place: torch.Tensor
    ages: torch.Tensor
    scope: torch.Tensor
    per_hop: tuple[int, ...]
    told: Told | None = None

    def num_rows(self, hops: int) -> int:
        """Return how many rows were reached within some hops; they come first."""
        return sum(self.per_hop[: hops + 1])


@dataclass(frozen=True)
class EdgeTensors:
    """The sampled edges of a link in one direction.

    Attributes:
        link: Position of the link.
        toward: `Toward.PARENT`: targets are children, sources their parents.
        source_table: Where messages come from.
        target_table: Where they go.
        source: Rows of the source table, int64 ``(m,)``, ordered by target.
        offsets: First edge of each row of the target table that could have any, and the end, int64.
    """

    link: int
    toward: Toward
    source_table: str
    target_table: str
    source: torch.Tensor
    offsets: torch.Tensor

    @property
    def kind(self) -> str:
        """Name the link and the direction; a key that a `torch.nn.ModuleDict` takes."""
        return f"{self.link}-{self.toward.value}"

    def of_first(self, num_targets: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sources and offsets of the first rows of the target table."""
        offsets = self.offsets[: num_targets + 1]
        return self.source[: int(offsets[-1])], offsets


@dataclass(frozen=True)
class NetworkBatch:
    """What a network reads of some seeds.

    Attributes:
        rows: By table; tables that were not reached are left out.
        edges: By link and direction; those without edges are left out.
        seed_table: Table of the seeds.
        seeds: Position of each seed among the rows of its table, int64 ``(num_seeds,)``.
        seed_terms: Features of the seeds, float32 ``(num_seeds, terms)``.
        targets: What is to be predicted, as the head wants it; ``None`` when predicting.
    """

    rows: Mapping[str, RowTensors]
    edges: tuple[EdgeTensors, ...]
    seed_table: str
    seeds: torch.Tensor
    seed_terms: torch.Tensor
    targets: torch.Tensor | None = None

    @property
    def num_hops(self) -> int:
        """Return how many hops were sampled."""
        return len(self.rows[self.seed_table].per_hop) - 1

    @property
    def presence(self) -> dict[str, torch.Tensor]:
        """Return how far rows are there, ``(n,)`` by table; empty where all are."""
        return {name: r.told.presence for name, r in self.rows.items() if r.told is not None}

    @property
    def num_bytes(self) -> int:
        """Return the bytes of all tensors."""
        rows = [t for r in self.rows.values() for t in (r.dense, r.codes, r.place, r.ages, r.scope)]
        edges = [t for e in self.edges for t in (e.source, e.offsets)]
        own = [self.seeds, self.seed_terms, *([] if self.targets is None else [self.targets])]
        return sum(t.element_size() * t.nelement() for t in (*rows, *edges, *own))

    def to(self, device: torch.device) -> NetworkBatch:
        """Move all tensors to a device, from pinned memory without waiting."""
        if device.type == "cpu":
            return self

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.pin_memory().to(device, non_blocking=True)

        rows = {
            name: RowTensors(
                move(r.dense), move(r.codes), move(r.place), move(r.ages), move(r.scope), r.per_hop
            )
            for name, r in self.rows.items()
        }
        edges = tuple(replace(e, source=move(e.source), offsets=move(e.offsets)) for e in self.edges)
        targets = None if self.targets is None else move(self.targets)
        return replace(
            self,
            rows=rows,
            edges=edges,
            seeds=move(self.seeds),
            seed_terms=move(self.seed_terms),
            targets=targets,
        )


class BatchMaker:
    """Turns sampled neighborhoods into tensors. May be used from several threads at once.

    Args:
        inputs: What the network reads.
        source: The graph that is sampled.

    Raises:
        UserError: ``LEARN041`` when the graph does not fit the inputs.
    """

    def __init__(self, inputs: NetworkInputs, source: GraphSource) -> None:
        inputs.check(source)
        self.inputs, self.source = inputs, source
        self._bound: dict[str, BoundTable] = {t.table: t.bind(source) for t in inputs.tables}
        self._links = {k.name: (i, k) for i, k in enumerate(inputs.links)}

    def make(self, batch: Batch, seed_terms: Array, targets: Array | None = None) -> NetworkBatch:
        """Make the tensors of a batch."""
        return NetworkBatch(
            rows={name: self._rows(name, rows, batch) for name, rows in batch.tables.items()},
            edges=tuple(self._edges(e, batch) for e in batch.edges if len(e) and e.link in self._links),
            seed_table=batch.seed_table,
            seeds=torch.from_numpy(batch.seeds.astype(np.int64)),
            seed_terms=torch.from_numpy(seed_terms),
            targets=None if targets is None else torch.from_numpy(targets),
        )

    def _rows(self, table: str, rows: BatchRows, batch: Batch) -> RowTensors:
        distinct, place = np.unique(rows.rows, return_inverse=True)
        encoded = self._bound[table].encode(distinct)
        if len(later := self._later(table, rows, batch)):
            # One row more, of which nothing is known, stands for all of them.
            encoded, place[later] = encoded.with_unknown(), len(distinct)
        ages = encode_ages(rows.age_us)
        if encoded.instants.shape[1]:
            anchors = batch.scope_anchors_us[rows.scope][:, None]
            told = encode_instants(encoded.instants[place], anchors)
            ages = np.concatenate([ages, told.reshape(len(rows), -1)], axis=1)
        return RowTensors(
            dense=torch.from_numpy(np.ascontiguousarray(encoded.dense)),
            codes=torch.from_numpy(encoded.codes),
            place=torch.from_numpy(place),
            ages=torch.from_numpy(ages),
            scope=torch.from_numpy(rows.scope.astype(np.int64)),
            per_hop=rows.per_hop,
        )

    def _later(self, table: str, rows: BatchRows, batch: Batch) -> Array:
        """Return the seeds that are themselves later than their anchor: nothing of them may be read."""
        if table != batch.seed_table:
            return np.empty(0, np.int64)
        # Only seeds can be: whatever is sampled is visible. They have no age, nor have rows without a time.
        ageless = np.flatnonzero(rows.age_us[: rows.per_hop[0]] == NO_AGE)
        if not len(ageless):
            return ageless
        later: Array = ageless[self.source.times_us(table, rows.rows[ageless]) != NO_TIME]
        return later

    def _edges(self, edges: BatchEdges, batch: Batch) -> EdgeTensors:
        position, link = self._links[edges.link]
        ends = (link.child, link.parent) if edges.toward is Toward.CHILDREN else (link.parent, link.child)
        source, target = edges.source, edges.target
        if len(target) > 1 and (np.diff(target) < 0).any():
            order = np.argsort(target, kind="stable")
            source, target = source[order], target[order]
        num_targets = len(batch.tables[ends[1]])
        offsets = np.searchsorted(target, np.arange(num_targets + 1))
        return EdgeTensors(
            link=position,
            toward=edges.toward,
            source_table=ends[0],
            target_table=ends[1],
            source=torch.from_numpy(source.astype(np.int64)),
            offsets=torch.from_numpy(offsets),
        )
