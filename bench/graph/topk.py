"""Exact top-K beside the bare multiplication, per CPU-second.

The peer is the BLAS at hand, at its best of two ways: large products with its own threads, and tiles that
stay in the cache. A rate is 2 * users * items * dimensions per CPU-second; the best of some rounds counts,
and the rounds of search and peer alternate.

    python bench/graph/topk.py [--users 20000] [--items 200000] [--k 100] [--threads 2] [--rounds 3]

With `--approximate`, an approximate index beside the exact search, over embeddings in clusters.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.core import one_blas_thread
from weft.graph import ApproximateIndex, TopKOptions, top_k, top_k_blocks

DIMENSIONS = (64, 128, 256)
LEAST_SHARE = 0.6
PEER_USERS = 2048
TILE = (1024, 512)


def measure(
    *, users: int = 20_000, items: int = 200_000, k: int = 100, threads: int | None = None, rounds: int = 3
) -> list[dict[str, Any]]:
    """Return rows of ``name``, ``value``, ``unit`` and ``limit``, the least value that will do."""
    options = TopKOptions() if threads is None else TopKOptions(threads=threads)
    rows, shares = [], []
    for d in DIMENSIONS:
        random = np.random.default_rng(d)
        people = random.standard_normal((users, d), dtype=np.float32)
        things = random.standard_normal((items, d), dtype=np.float32)
        peer = people[:PEER_USERS]
        ways: dict[str, tuple[int, Callable[[], None]]] = {
            "search": (users, lambda p=people, t=things: search(p, t, k, options)),
            "large": (len(peer), lambda p=peer, t=things: multiply_at_once(p, t)),
            "tiles": (len(peer), lambda p=peer, t=things: multiply_in_tiles(p, t)),
        }
        best = dict.fromkeys(ways, 0.0)
        for _ in range(rounds):
            for name, (count, act) in ways.items():
                best[name] = max(best[name], count * items / cpu_seconds(act))
        shares.append(best["search"] / max(best["large"], best["tiles"]))
        rows += [
            row(f"topk_of_blas_d{d}", shares[-1], "of the BLAS rate", LEAST_SHARE),
            row(f"topk_pairs_d{d}", best["search"], "pairs/CPU-s"),
            row(f"topk_flops_d{d}", best["search"] * 2 * d, "flop/CPU-s"),
            row(f"blas_large_d{d}", best["large"] * 2 * d, "flop/CPU-s"),
            row(f"blas_tiles_d{d}", best["tiles"] * 2 * d, "flop/CPU-s"),
        ]
    return [row("topk_of_blas", min(shares), "of the BLAS rate", LEAST_SHARE), *rows]


def measure_approximate(
    *, users: int = 20_000, items: int = 200_000, k: int = 100, threads: int | None = None, rounds: int = 3
) -> list[dict[str, Any]]:
    """Return rows as `measure` does; the index has its default options."""
    options = TopKOptions() if threads is None else TopKOptions(threads=threads)
    random = np.random.default_rng(0)
    centers = random.standard_normal((1000, 64))
    people, things = (
        (centers[random.integers(0, 1000, n)] + 0.5 * random.standard_normal((n, 64))).astype(np.float32)
        for n in (users, items)
    )
    made: list[ApproximateIndex] = []
    building = cpu_seconds(lambda: made.append(ApproximateIndex(things)))
    index = made[0]
    rates = [
        max(users / cpu_seconds(lambda w=way: search(people, w, k, options)) for _ in range(rounds))
        for way in (index, things)
    ]
    found, exact = (top_k(people[:500], way, k).items for way in (index, things))
    shared = sum(len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True))
    return [
        row("approximate_speedup", rates[0] / rates[1], "of the exact rate"),
        row("approximate_recall", shared / exact.size, "of the exact items"),
        row("approximate_build", building, "CPU-s"),
    ]


def row(name: str, value: float, unit: str, limit: float | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "limit": limit}


def cpu_seconds(act: Callable[[], None]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def search(people: np.ndarray, things: np.ndarray | ApproximateIndex, k: int, options: TopKOptions) -> None:
    """Find the best, block by block, as for more users than memory holds lists of."""
    for block in top_k_blocks(people, things, k, options=options):
        assert block.items.shape[1] == k


def multiply_at_once(people: np.ndarray, things: np.ndarray) -> None:
    """Multiply with the threads of the BLAS, with results far larger than any cache."""
    step = max(1, (1 << 27) // len(things))
    scores = np.empty((step, len(things)), np.float32)
    for first in range(0, len(people), step):
        part = people[first : first + step]
        np.matmul(part, things.T, out=scores[: len(part)])


def multiply_in_tiles(people: np.ndarray, things: np.ndarray) -> None:
    """Multiply in one thread, with a result that stays in the cache."""
    scores = np.empty(TILE[0] * TILE[1], np.float32)
    with one_blas_thread():
        for first in range(0, len(people), TILE[0]):
            part = people[first : first + TILE[0]]
            for start in range(0, len(things), TILE[1]):
                tile = things[start : start + TILE[1]]
                np.matmul(part, tile.T, out=scores[: len(part) * len(tile)].reshape(len(part), len(tile)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("users", 20_000), ("items", 200_000), ("k", 100), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--approximate", action="store_true")
    options = vars(parser.parse_args())
    as_json, is_approximate = options.pop("json"), options.pop("approximate")
    rows = measure_approximate(**options) if is_approximate else measure(**options)
    if as_json:
        print(json.dumps(rows))
        return
    for one in rows:
        limit = "" if one["limit"] is None else f"  at least {one['limit']}"
        print(f"{one['name']:<20} {one['value']:>18,.2f} {one['unit']}{limit}")


if __name__ == "__main__":
    main()
