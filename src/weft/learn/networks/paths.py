"""By which links each sampled row was first reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from weft.core import Batch, Toward
from weft.learn.encoders.column import Array
from weft.learn.networks.inputs import NetworkInputs


@dataclass(frozen=True)
class Paths:
    """The rows of a batch as trees, one for each seed.

    Rows are numbered over all tables: those of a table from ``first[table]`` on.

    Attributes:
        first: Table → number of its first row.
        parent: From which row each was first reached, int64 ``(rows,)``; -1 for seeds.
        path: Which of ``links`` leads to it, int64 ``(rows,)``.
        links: The ways there are, each the names of the links walked from the seed.
    """

    first: Mapping[str, int]
    parent: Array
    path: Array
    links: tuple[tuple[str, ...], ...]


def find_paths(batch: Batch, inputs: NetworkInputs) -> Paths:
    """Find how the rows of a batch were first reached: nearer rows first, then in the order of sampling."""
    starts = list(accumulate((len(rows) for rows in batch.tables.values()), initial=0))
    first = dict(zip(batch.tables, starts, strict=False))
    path, parent = (np.full(starts[-1], -1, np.int64) for _ in range(2))
    path[first[batch.seed_table] + batch.seeds] = 0
    links: dict[tuple[str, ...], int] = {(): 0}
    ends = {k.name: (k.child, k.parent) for k in inputs.links}
    for hop in range(len(batch.tables[batch.seed_table].per_hop) - 1):
        # What a bridge row joins is reached in the hop that reaches the bridge row, hence twice.
        for edges in (*batch.edges, *batch.edges):
            if edges.link not in ends or len(edges.per_hop) <= hop:
                continue
            child, up = (first.get(table, 0) for table in ends[edges.link])
            source, target = (child, up) if edges.toward is Toward.CHILDREN else (up, child)
            part = slice(sum(edges.per_hop[:hop]), sum(edges.per_hop[: hop + 1]))
            reached, come_from = source + edges.source[part], target + edges.target[part]
            fresh = (path[reached] < 0) & (path[come_from] >= 0)
            reached, at = np.unique(reached[fresh], return_index=True)
            parent[reached] = come_from[fresh][at]
            walked = path[parent[reached]]
            names = list(links)
            for number in np.unique(walked).tolist():
                here = links.setdefault((*names[number], edges.link), len(links))
                path[reached[walked == number]] = here
    # A bridge is crossed over links that are not walked too; what lies beyond them is heard by nobody.
    path[path < 0] = 0
    return Paths(first, parent, path, tuple(links))
