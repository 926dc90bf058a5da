"""What the engine is compared with, on the same graph, seeds and fanouts.

`NumpySampler` always runs. The two others run where they can be imported: `diskgraph`, the graph engine of
the package kumo-engine, and `pyg_lib`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from drawing import EDGES, options
from setting import (
    BATCH,
    FANOUT,
    ITEM_LINK,
    NO_PARENT,
    USER_LINK,
    Seeds,
    Setting,
    draw_seeds,
    parents_of,
    row,
)

from weft.graph import Sampler, Store

Array = np.ndarray[Any, Any]
Draw = Callable[[Array, Array], int]
UNCHECKED = "not importable here"


@dataclass(frozen=True)
class Adjacency:
    """One link as 64-bit arrays: the parent of each event, and the events of each parent by time."""

    parent: Array
    offsets: Array
    events: Array


@dataclass(frozen=True)
class Plain:
    """The bench graph as plain arrays.

    Attributes:
        times_us: Of the events.
        users: The link to the users.
        items: The link to the items.
    """

    times_us: Array
    users: Adjacency
    items: Adjacency

    @staticmethod
    def of(store: Store) -> Plain:
        """Copy the links of a store."""
        times = store.times_us("events", np.arange(store.table("events").num_rows))
        counts = {"users": store.table("users").num_rows, "items": store.table("items").num_rows}
        return Plain(
            times,
            _adjacency(parents_of(store, USER_LINK), times, counts["users"]),
            _adjacency(parents_of(store, ITEM_LINK), times, counts["items"]),
        )

    @property
    def num_bytes(self) -> int:
        """Return the bytes of all arrays."""
        links = [a.nbytes for link in (self.users, self.items) for a in vars(link).values()]
        return self.times_us.nbytes + sum(links)


def _adjacency(parent: Array, times: Array, num_parents: int) -> Adjacency:
    known = np.flatnonzero(parent != NO_PARENT)
    order = known[np.lexsort((known, times[known], parent[known]))]
    offsets = np.zeros(num_parents + 1, np.int64)
    np.cumsum(np.bincount(parent[known], minlength=num_parents), out=offsets[1:])
    return Adjacency(np.where(parent == NO_PARENT, -1, parent.astype(np.int64)), offsets, order)


class NumpySampler:
    """The last neighbors before the anchor, disjoint per seed, by whole-array operations."""

    def __init__(self, graph: Plain, hops: int) -> None:
        self.graph = graph
        self.hops = hops
        self.depth = max(int(np.diff(k.offsets).max(initial=1)) for k in (graph.users, graph.items))

    def sample(self, users: Array, anchors_us: Array) -> int:
        """Draw the neighborhoods of users; return how many edges they have."""
        tables = {"users": _Reached(users), "items": _Reached(users[:0]), "events": _Reached(users[:0])}
        num_edges = 0
        for _ in range(self.hops):
            front = {name: table.newest() for name, table in tables.items()}
            for name in ("users", "items"):
                link = getattr(self.graph, name)
                scope, event, at = front["events"]
                parent = link.parent[event]
                has = parent >= 0
                num_edges += tables[name].add(scope[has], parent[has], at[has])
            for name in ("users", "items"):
                scope, parent, at = front[name]
                which, event = self._last(getattr(self.graph, name), parent, anchors_us[scope])
                num_edges += tables["events"].add(scope[which], event, at[which])
        return num_edges

    def _last(self, link: Adjacency, parent: Array, anchors_us: Array) -> tuple[Array, Array]:
        """Return the last visible events of parents, and which parent each belongs to."""
        first, low, high = link.offsets[parent], link.offsets[parent], link.offsets[parent + 1]
        for _ in range(self.depth.bit_length()):
            middle = (low + high) >> 1
            is_open = low < high
            event = link.events[np.minimum(middle, len(link.events) - 1)]
            sees = is_open & (self.graph.times_us[event] <= anchors_us)
            low = np.where(sees, middle + 1, low)
            high = np.where(is_open & ~sees, middle, high)
        taken = np.minimum(low - first, FANOUT)
        which = np.repeat(np.arange(len(parent)), taken)
        back = np.arange(len(which)) - np.repeat(np.cumsum(taken) - taken, taken)
        return which, link.events[low[which] - 1 - back]


class _Reached:
    """The rows of one table that a batch has reached, each once per scope, with the edges to them."""

    def __init__(self, seeds: Array) -> None:
        self.rows = [seeds.astype(np.int64)]
        self.scopes = [np.arange(len(seeds))]
        self.count = len(seeds)
        self.start = 0
        self.edges: list[tuple[Array, Array]] = []
        self.keys = self._key(self.scopes[0], self.rows[0])
        self.positions = np.arange(len(seeds))
        self._sort()

    def newest(self) -> tuple[Array, Array, Array]:
        """Return scopes, rows and positions of what was reached since the last call."""
        scopes, rows = np.concatenate(self.scopes), np.concatenate(self.rows)
        start, self.start = self.start, self.count
        self.scopes, self.rows = [scopes], [rows]
        return scopes[start:], rows[start:], np.arange(start, self.count)

    def add(self, scopes: Array, rows: Array, targets: Array) -> int:
        """Add rows where they are new, and an edge for each."""
        keys = self._key(scopes, rows)
        fresh, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        at = np.searchsorted(self.keys, fresh)
        is_known = at < len(self.keys)
        is_known[is_known] = self.keys[at[is_known]] == fresh[is_known]
        position = np.empty(len(fresh), np.int64)
        position[is_known] = self.positions[at[is_known]]
        new = first[~is_known]
        position[~is_known] = np.arange(self.count, self.count + len(new))
        self.rows.append(rows[new])
        self.scopes.append(scopes[new])
        self.count += len(new)
        self.keys = np.concatenate([self.keys, fresh[~is_known]])
        self.positions = np.concatenate([self.positions, position[~is_known]])
        self._sort()
        self.edges.append((position[inverse], targets))
        return len(keys)

    def _sort(self) -> None:
        order = np.argsort(self.keys, kind="stable")
        self.keys, self.positions = self.keys[order], self.positions[order]

    @staticmethod
    def _key(scopes: Array, rows: Array) -> Array:
        return scopes.astype(np.int64) << 32 | rows


def in_numpy(setting: Setting) -> list[dict[str, Any]]:
    """Measure the sampler in numpy; it must find as many edges as the engine."""
    store = Store(setting.work / "graph")
    graph = Plain.of(store)
    lots = peer_lots(store, setting)
    directed = 2 * sum(k.num_edges for k in store.layout.links)
    rows = [row("numpy_bytes_per_edge", graph.num_bytes / directed, "bytes", note="64-bit arrays, plain CSR")]
    for hops in (2, 3):
        rates, edges = measure(NumpySampler(graph, hops).sample, lots)
        check_edges("numpy", edges, store, lots, hops)
        rows.append(row(f"numpy_last_{hops}hop_edges_per_cpu_s", rates, EDGES))
    return rows


def in_diskgraph(setting: Setting) -> list[dict[str, Any]]:
    """Measure the graph engine of kumo-engine: its ingest, and its sampler with and without rows."""
    import peer_diskgraph

    if not peer_diskgraph.is_importable():
        return [row("diskgraph", float("nan"), "", note=UNCHECKED)]
    store = Store(setting.work / "graph")
    lots = peer_lots(store, setting)
    engine = peer_diskgraph.open_engine(setting.work / "peer")
    rows = []
    for name, hops, is_fused in (
        ("last_2hop", 2, False),
        ("last_3hop", 3, False),
        ("last_3hop_fused", 3, True),
    ):
        rates, edges = measure(peer_diskgraph.sampler(engine, hops, is_fused), lots)
        own = edges_of(store, lots, hops)
        note = f"{edges / own:.3f} of this engine's edges"
        rows.append(row(f"diskgraph_{name}_edges_per_cpu_s", rates, EDGES, note=note))
    return rows


def ingest_diskgraph(setting: Setting) -> list[dict[str, Any]]:
    """Build the same graph with the ingest of kumo-engine."""
    import peer_diskgraph

    if not peer_diskgraph.is_importable():
        return []
    cpu, peak = peer_diskgraph.ingest(setting.work / "tables", setting.work / "peer")
    return [
        row("diskgraph_build_cpu_s", cpu, "CPU-s", note="without statistics"),
        row("diskgraph_build_peak_bytes", peak, "bytes"),
    ]


def in_pyg_lib(setting: Setting) -> list[dict[str, Any]]:
    """Measure the sampler of pyg-lib."""
    import peer_pyg

    if not peer_pyg.is_importable():
        return [row("pyg_lib", float("nan"), "", note=UNCHECKED)]
    store = Store(setting.work / "graph")
    graph = Plain.of(store)
    lots = peer_lots(store, setting)
    rows = []
    for name, hops, strategy in (
        ("last_2hop", 2, "last"),
        ("last_3hop", 3, "last"),
        ("uniform_3hop", 3, "uniform"),
    ):
        rates, _ = measure(peer_pyg.sampler(graph, hops, strategy), lots)
        rows.append(row(f"pyg_lib_{name}_edges_per_cpu_s", rates, EDGES))
    return rows


def peer_lots(store: Store, setting: Setting) -> list[Seeds]:
    """Draw the seeds that peers get: fewer, since they are slower."""
    count = BATCH * max(2, round(8 * min(1.0, setting.scale * 10)))
    return [draw_seeds(store, count, 100 + i) for i in range(min(setting.rounds, 5) + 1)]


def measure(draw: Draw, lots: list[Seeds]) -> tuple[list[float], int]:
    """Return edges per CPU-second of each lot but the first, and the edges of all of those."""
    rates, total = [], 0
    for index, lot in enumerate(lots):
        began = time.process_time()
        edges = sum(draw(rows, anchors) for rows, anchors in lot.batches(BATCH))
        rates.append(edges / (time.process_time() - began))
        total += edges if index else 0
    return rates[1:], total


def edges_of(store: Store, lots: list[Seeds], hops: int) -> int:
    """Count the edges that the engine draws for all lots but the first."""
    sampler = Sampler(store, options(hops), threads=1)
    batches = [b for lot in lots[1:] for b in lot.batches(BATCH)]
    return sum(sampler.sample("users", *b).num_edges for b in batches)


def check_edges(peer: str, edges: int, store: Store, lots: list[Seeds], hops: int) -> None:
    """Stop the bench where a peer did another work."""
    own = edges_of(store, lots, hops)
    if edges != own:
        raise SystemExit(f"{peer} drew {edges} edges and the engine {own}: they did not do the same.")
