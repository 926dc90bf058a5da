"""The sampler of pyg-lib, called as its documentation says; no other file knows its words."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from setting import FANOUT, Array


def is_importable() -> bool:
    """Say whether torch and pyg-lib are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "pyg_lib"))


def sampler(graph: Any, hops: int, strategy: str) -> Callable[[Array, Array], int]:
    """Return a function that draws a batch, time-correct and disjoint, and counts its edges."""
    import pyg_lib
    import torch

    starts: dict[tuple[str, str, str], Any] = {}
    sources: dict[tuple[str, str, str], Any] = {}
    for parent in ("users", "items"):
        link = getattr(graph, parent)
        has = link.parent >= 0
        starts["events", "of", parent] = torch.from_numpy(link.offsets)
        sources["events", "of", parent] = torch.from_numpy(link.events)
        starts[parent, "has", "events"] = torch.from_numpy(np.concatenate([[0], np.cumsum(has)]))
        sources[parent, "has", "events"] = torch.from_numpy(link.parent[has])
    sizes = {"users": len(graph.users.offsets) - 1, "items": len(graph.items.offsets) - 1}
    times = {name: torch.zeros(size, dtype=torch.int64) for name, size in sizes.items()}
    times["events"] = torch.from_numpy(graph.times_us)
    fanouts = dict.fromkeys(starts, [FANOUT] * hops)

    def draw(users: Array, anchors_us: Array) -> int:
        found = pyg_lib.sampler.hetero_neighbor_sample(
            starts,
            sources,
            {"users": torch.from_numpy(users.astype(np.int64))},
            fanouts,
            node_time_dict=times,
            seed_time_dict={"users": torch.from_numpy(anchors_us)},
            csc=True,
            disjoint=True,
            temporal_strategy=strategy,
            return_edge_id=False,
        )
        return sum(len(rows) for rows in found[0].values())

    return draw
