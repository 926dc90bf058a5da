"""A batch: sampled neighborhoods as flat arrays, what a graph engine hands to a compute engine."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
NO_AGE = np.iinfo(np.int64).min

# What follows is not frozen though nothing changes it: a dozen are made per batch, and a frozen one takes
# thrice the time, which shows where a batch of 512 seeds takes half a millisecond.


class Toward(enum.StrEnum):
    """The side of a link that a step of sampling goes to."""

    PARENT = "parent"
    CHILDREN = "children"


class Scope(enum.StrEnum):
    """Who shares the rows of a batch."""

    DISJOINT = "disjoint"
    SHARED = "shared"


@dataclass(slots=True)
class BatchRows:
    """The sampled rows of one table.

    Rows are ordered by the hop at which they were first reached; the rows of hop ``h`` are the
    ``per_hop[h]`` rows that follow those of the hops before. A row of the table occurs once per
    scope: once per seed, or once per anchor time where seeds share.

    Attributes:
        rows: Row number in the graph, shape ``(n,)``, uint32.
        scope: Which seed the row belongs to (`Scope.DISJOINT`: index of the seed;
            `Scope.SHARED`: index into ``Batch.scope_anchors_us``), shape ``(n,)``, int32.
        age_us: Anchor minus the row's time in microseconds, 0 or more; `NO_AGE` for a row without
            time, and for a seed that is itself later than its anchor: nothing is known of it, neither values
            nor neighbors. A span beyond the type is its longest. Shape ``(n,)``, int64.
        blocks: Columns by storage, each one array ``(n, width)``: ``"float32"``, ``"float64"``,
            ``"int32"`` (dictionary codes, -1 is null), ``"int64"`` (microseconds UTC, the least
            integer is null), ``"uint8"`` (0, 1; 255 is null). NaN is null in floats. Which column
            is where is said by ``Store.layout``. Empty unless columns were asked for.
        per_hop: Number of rows first reached at each hop; the seeds are hop 0.
    """

    rows: Array
    scope: Array
    age_us: Array
    blocks: Mapping[str, Array]
    per_hop: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(slots=True)
class BatchEdges:
    """The sampled edges of one link in one direction of sampling.

    Sampling expanded row ``target`` and reached row ``source``; a message goes from ``source`` to
    ``target``. Both are positions in the `BatchRows` of their tables, int32, shape ``(m,)``. Edges are
    ordered by hop, within a hop by target, within a target most recent first.

    Attributes:
        link: Name of the link.
        toward: `Toward.CHILDREN`: targets are rows of the parent table, sources of the child table;
            `Toward.PARENT`: the other way round.
        source: Positions of the rows that were reached.
        target: Positions of the rows that were expanded.
        per_hop: Number of edges sampled at each hop; the first hop is 1, at index 0.
    """

    link: str
    toward: Toward
    source: Array
    target: Array
    per_hop: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.source)


@dataclass(slots=True)
class Batch:
    """Neighborhoods of some seeds, time-correct: no row is later than the anchor of its scope.

    Attributes:
        seed_table: Table of the seeds.
        seeds: Position of each seed in ``tables[seed_table]``, shape ``(num_seeds,)``, int32.
        anchors_us: Anchor time of each seed, microseconds UTC, shape ``(num_seeds,)``.
        seed_scopes: Scope of each seed, int32: ``0 … num_seeds-1`` unless seeds share.
        scope_anchors_us: Anchor time of each scope.
        scope: Whether seeds have neighborhoods of their own or share them per anchor time.
        tables: Sampled rows by table; tables that were not reached are left out.
        edges: Sampled edges, by link and direction, in the order of the sampling plan.
    """

    seed_table: str
    seeds: Array
    anchors_us: Array
    seed_scopes: Array
    scope_anchors_us: Array
    scope: Scope
    tables: Mapping[str, BatchRows]
    edges: tuple[BatchEdges, ...]

    @property
    def num_edges(self) -> int:
        """Return the number of edges of all links."""
        return sum(len(e) for e in self.edges)

    @property
    def num_bytes(self) -> int:
        """Return the bytes that the arrays of the batch take."""
        own = (self.seeds, self.anchors_us, self.seed_scopes, self.scope_anchors_us)
        tables = (a for t in self.tables.values() for a in (t.rows, t.scope, t.age_us, *t.blocks.values()))
        edges = (a for e in self.edges for a in (e.source, e.target))
        return sum(a.nbytes for part in (own, tables, edges) for a in part)
