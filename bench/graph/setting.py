"""What the stages share: the graph's seeds, the shape of a row, and how a rate is measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from weft.core import parse_size
from weft.graph import Sampler, Store

Array = np.ndarray[Any, Any]
FILE_HEADER_BYTES = 4096
BATCH = 512
FANOUT = 10
NO_PARENT = 0xFFFFFFFF
USER_LINK = "events.user_id -> users"
ITEM_LINK = "events.item_id -> items"


@dataclass(frozen=True)
class Setting:
    """What a stage is told.

    Attributes:
        work: Folder with ``tables/`` and ``graph/``, and what else a stage needs.
        scale: Share of the full size.
        threads: Of a build and of the search of the best items.
        memory_limit: Of a build, bytes.
        rounds: Repetitions of a measurement; the median counts.
    """

    work: Path
    scale: float
    threads: int
    memory_limit: int
    rounds: int

    @staticmethod
    def read(text: str) -> Setting:
        """Read a setting from JSON."""
        given = json.loads(text)
        limit = parse_size(given["memory_limit"])
        return Setting(**{**given, "work": Path(given["work"]), "memory_limit": limit})


@dataclass(frozen=True)
class Seeds:
    """Users and instants of random events, as a trainer would ask for."""

    rows: Array
    anchors_us: Array

    def batches(self, size: int) -> list[tuple[Array, Array]]:
        """Cut into whole batches."""
        ends = range(size, len(self.rows) + 1, size)
        return [(self.rows[e - size : e], self.anchors_us[e - size : e]) for e in ends]


def draw_seeds(store: Store, count: int, seed: int) -> Seeds:
    """Draw the user and the time of random events."""
    events = np.random.default_rng(seed).integers(0, store.table("events").num_rows, count + count // 50 + 64)
    users = parents_of(store, USER_LINK)[events]
    events = events[users != NO_PARENT][:count]
    return Seeds(parents_of(store, USER_LINK)[events], store.times_us("events", events))


def parents_of(store: Store, link: str) -> Array:
    """Map the parent of every child row of a link that was written at once."""
    (segment,) = store.layout.link(link).segments
    return payload(store, segment.parent.path, np.uint32)


def payload(store: Store, path: str, dtype: Any) -> Array:
    """Map the items of a file; its checksums, which follow them, are cut off by the header's count."""
    file = store.directory / path
    item_bytes, num_items = (int(x) for x in np.fromfile(file, np.uint64, 2, offset=16))
    size = item_bytes * num_items // np.dtype(dtype).itemsize
    return np.memmap(file, dtype, "r", FILE_HEADER_BYTES, (size,))


def row(
    name: str,
    values: float | Sequence[float],
    unit: str,
    *,
    limit: float | None = None,
    least: float | None = None,
    most: float | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Make a row of the median of some values, with their spread and the target that holds at full size."""
    all_values = [float(v) for v in (values if isinstance(values, Sequence) else [values])]
    return {
        "name": name,
        "value": float(np.median(all_values)),
        "unit": unit,
        "limit": limit,
        "low": min(all_values),
        "high": max(all_values),
        "rounds": len(all_values),
        "least": least,
        "most": most,
        "note": note,
    }


def cpu_seconds(act: Callable[[], Any]) -> float:
    """Return the CPU seconds of this process that a call takes."""
    began = time.process_time()
    act()
    return time.process_time() - began


def wall_seconds(act: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def edges_per_cpu_s(sampler: Sampler, seeds: Sequence[Seeds], size: int = BATCH) -> list[float]:
    """Measure a sampler on each of some lots of seeds; the first lot only warms up."""
    rates = []
    for epoch, lot in enumerate(seeds):
        edges = 0
        began = time.process_time()
        for rows, anchors in lot.batches(size):
            edges += sampler.sample("users", rows, anchors, epoch=epoch).num_edges
        rates.append(edges / (time.process_time() - began))
    return rates[1:]
