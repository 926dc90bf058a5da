"""Stages that draw neighborhoods."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from setting import (
    BATCH,
    FANOUT,
    Seeds,
    Setting,
    cpu_seconds,
    draw_seeds,
    edges_per_cpu_s,
    row,
    wall_seconds,
)

from weft.core import Scope, Toward
from weft.graph import ALL, Choice, Loader, SampleOptions, Sampler, Store, Strategy, _native

LARGE_BATCH = 4096
SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
LAST, UNIFORM = Strategy(), Strategy(Choice.UNIFORM)
EDGES = "edges/CPU-s"


def options(hops: int, *, strategy: Strategy = LAST, rows: bool = False) -> SampleOptions:
    """Ask for some hops of ten neighbors, disjoint, with or without the values of their rows."""
    return SampleOptions((FANOUT,) * hops, strategy, columns=None if rows else ())


def checked(store: Store) -> Store:
    """Walk every edge once, so that what is measured is the state that lasts: each block has been checked."""
    for table, hops in (("users", 2), ("items", 1)):
        walks = ({"*": ALL}, {(k.name, Toward.PARENT): 1 for k in store.layout.links})[:hops]
        sampler = Sampler(store, SampleOptions(walks, scope=Scope.SHARED, columns=()), threads=1)
        every = np.arange(store.table(table).num_rows)
        for part in np.array_split(every, max(1, len(every) // 20_000)):
            sampler.sample(table, part, np.full(len(part), np.iinfo(np.int64).max))
    return store


def draw(setting: Setting) -> list[dict[str, Any]]:
    """Measure the headline figures: batches of 512 seeds, one thread, new seeds in every round."""
    store = checked(Store(setting.work / "graph"))
    lots = _lots(store, setting, num_batches=96)
    cases = {
        "last_2hop_edges_per_cpu_s": (options(2), 20e6),
        "last_3hop_edges_per_cpu_s": (options(3), 12e6),
        "uniform_3hop_edges_per_cpu_s": (options(3, strategy=UNIFORM), 8e6),
        "last_3hop_fused_edges_per_cpu_s": (options(3, rows=True), 5e6),
    }
    rows = []
    for name, (asked, least) in cases.items():
        rates = edges_per_cpu_s(Sampler(store, asked, threads=1), lots)
        rows.append(row(name, rates, EDGES, least=least))
    first = Store(setting.work / "graph")
    sampler = Sampler(first, options(2), threads=1)
    cold = edges_per_cpu_s(sampler, [Seeds(lots[0].rows[:0], lots[0].anchors_us[:0]), lots[0]])
    rows.append(row("last_2hop_unchecked_edges_per_cpu_s", cold, EDGES, note="blocks checked on the way"))
    batch = Sampler(store, options(3), threads=1).sample("users", *lots[0].batches(BATCH)[0])
    rows.append(row("edges_per_seed_3hop", batch.num_edges / BATCH, "edges"))
    return rows


def batch_sizes(setting: Setting) -> list[dict[str, Any]]:
    """Measure both depths over the sizes of a batch."""
    store = checked(Store(setting.work / "graph"))
    rows = []
    for hops in (2, 3):
        sampler = Sampler(store, options(hops), threads=1)
        lots = _lots(store, setting, num_batches=32)
        for size in SIZES:
            rates = edges_per_cpu_s(sampler, lots, min(size, len(lots[0].rows)))
            rows.append(row(f"last_{hops}hop_edges_per_cpu_s_b{size}", rates, EDGES))
    return rows


def two_threads(setting: Setting) -> list[dict[str, Any]]:
    """Compare two threads with one by the clock, rounds alternating; the limit is what bare reads gain.

    One thread is measured on each of two cores in turn: those of a shared machine are seldom equally fast.
    """
    store = checked(Store(setting.work / "graph"))
    lot = _lots(store, setting, num_batches=16)[0]
    one, two = (Sampler(store, options(3), threads=n) for n in (1, 2))
    memory = _native.ProbeMemory(round(2**28 * min(1.0, setting.scale * 4)), False)
    small, large = lot.batches(BATCH), lot.batches(min(LARGE_BATCH, len(lot.rows)))
    gains: dict[str, list[float]] = {name: [] for name in ("call", "large", "loader", "reads", "cpu")}
    # Short rounds, and many: a neighbor on the machine that comes or goes spoils one, not all.
    for _ in range(8 * setting.rounds + 1):
        alone, alone_cpu = _on_each_core(lambda: _draw_all(one, small))
        both, both_cpu = _seconds(lambda: _draw_all(two, small))
        gains["call"].append(alone / both)
        gains["cpu"].append(alone_cpu / both_cpu)
        gains["loader"].append(alone / _seconds(lambda: _load_all(one, small))[0])
        alone_large = _on_each_core(lambda: _draw_all(one, large))[0]
        gains["large"].append(alone_large / _seconds(lambda: _draw_all(two, large))[0])
        gains["reads"].append(_reading_gain(memory))
    gain = {name: values[1:] for name, values in gains.items()}
    limit = float(np.median(gain["reads"]))
    notes = {
        "two_thread_speedup": ("call", "in one call of sample"),
        "two_thread_speedup_b4096": ("large", "in one call of sample, 4096 seeds"),
        "two_worker_speedup": ("loader", "a Loader with two workers"),
    }
    rows = [
        row(name, gain[key], "of one", limit=limit, least=1.8 if key != "loader" else None, note=note)
        for name, (key, note) in notes.items()
    ]
    told = "what one thread takes; holds under load"
    rows.append(row("two_thread_cpu_share", gain["cpu"], "of two's CPU-s", note=told))
    rows.append(row("two_thread_reads_speedup", gain["reads"], "of one", note="bare random reads"))
    return rows


def first_batch(setting: Setting) -> list[dict[str, Any]]:
    """Open the graph and draw a batch with its rows, first thing in a process; imports are not counted."""
    seeds = np.load(setting.work / "first.npz")
    began = time.perf_counter()
    store = Store(setting.work / "graph")
    opened = time.perf_counter()
    batch = Sampler(store, options(2, rows=True)).sample("users", seeds["rows"], seeds["anchors_us"])
    ended = time.perf_counter()
    assert batch.num_edges > 0
    return [
        row(
            "first_batch_ms", (ended - began) * 1e3, "ms", most=50.0, note="open and draw, 512 seeds, 2 hops"
        ),
        row("open_ms", (opened - began) * 1e3, "ms"),
    ]


def keep_first_seeds(setting: Setting) -> list[dict[str, Any]]:
    """Write the seeds of `first_batch`, so that reading them is not in its time."""
    store = Store(setting.work / "graph")
    seeds = draw_seeds(store, BATCH, 11)
    np.savez(setting.work / "first.npz", rows=seeds.rows, anchors_us=seeds.anchors_us)
    return []


def curve_point(setting: Setting) -> list[dict[str, Any]]:
    """Measure the cost of an edge and of a row on a graph of one size, by equally many seeds at any size."""
    store = Store(setting.work / "graph")
    lots = [draw_seeds(store, BATCH * 16, 200 + i) for i in range(setting.rounds + 2)]
    rates = edges_per_cpu_s(Sampler(store, options(3), threads=1), lots)[1:]
    events = store.table("events").num_rows
    picks = [
        np.random.default_rng(i).integers(0, events, 2**18, dtype=np.uint32)
        for i in range(setting.rounds + 2)
    ]
    table = store.index("events")
    gathers = [cpu_seconds(lambda p=p: store.native.gather(table, p, 1)) / len(p) for p in picks][2:]
    return [
        row("edge_ns", [1e9 / r for r in rates], "CPU-ns"),
        row("row_ns", [1e9 * g for g in gathers], "CPU-ns"),
    ]


def _lots(store: Store, setting: Setting, *, num_batches: int) -> list[Seeds]:
    share = min(1.0, setting.scale * 10)
    count = BATCH * max(8, round(num_batches * share))
    return [draw_seeds(store, count, 100 + i) for i in range(setting.rounds + 1)]


def _seconds(act: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds by the clock and the CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - wall, time.process_time() - cpu


def _on_each_core(act: Callable[[], None]) -> tuple[float, float]:
    """Return what a call takes on one core, by the clock and in CPU seconds, the mean of two cores."""
    allowed = os.sched_getaffinity(0)
    taken = []
    try:
        for core in sorted(allowed)[:2]:
            os.sched_setaffinity(0, {core})
            taken.append(_seconds(act))
    finally:
        os.sched_setaffinity(0, allowed)
    wall, cpu = np.mean(taken, axis=0)
    return float(wall), float(cpu)


def _draw_all(sampler: Sampler, batches: list[Any]) -> None:
    for rows, anchors in batches:
        sampler.sample("users", rows, anchors)


def _load_all(sampler: Sampler, batches: list[Any]) -> None:
    with Loader(lambda b: sampler.sample("users", *b), batches, workers=2, ahead=4) as loader:
        for _ in loader:
            pass


def _reading_gain(memory: Any) -> float:
    from concurrent.futures import ThreadPoolExecutor

    count = 1_000_000
    alone, _ = _on_each_core(lambda: _read_all(memory, count))
    with ThreadPoolExecutor(2) as pool:
        return alone / wall_seconds(lambda: list(pool.map(lambda key: memory.read_words(count, key), (1, 2))))


def _read_all(memory: Any, count: int) -> None:
    for key in (1, 2):
        memory.read_words(count, key)
