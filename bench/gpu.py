"""Networks on a GPU: how fast they train, and how fast the best items are found, beside what the GPU can do.

    python bench/gpu.py [--only train|topk] [--scale 1.0] [--json FILE]

`train`: epochs of `sage` on `rel_f1`, driver-position, in the folder that WEFT_TEST_DATA names, at RelBench's
settings as in `bench/networks.py`: rows by the clock on the GPU, rows per CPU second on one thread, and the
share of the time in which the GPU worked on steps. `topk`: pairs of a user and an item by the clock, for the
100 best; ``limit`` is what the fastest matrix product of the same run comes to, float32 like the search.
Without a GPU the CPU is measured in its place, at an eightieth of the size, and the first line says so.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import RELBENCH, catch_fit, with_config

from graph import machine, short, without_nan
from weft.core import Silent
from weft.learn.networks.device_items import DeviceItems
from weft.learn.networks.fitting import Fit
from weft.learn.networks.recovery import find_device

Row = dict[str, Any]
K = 100
DIMENSIONS = (64, 128, 256)
TILE = 1 << 16
# Users, items, side of the square product, rounds.
SIZES = {"cuda": (8_192, 1_000_000, 8_192, 5), "cpu": (1_024, 100_000, 2_048, 3)}
EPOCHS = {"cuda": 3, "cpu": 1}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=tuple(PARTS), default="")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the users and items of the search")
    parser.add_argument("--json", type=Path, help="file for the rows as JSON")
    options = parser.parse_args()
    device, load = find_device(), os.getloadavg()[0]
    print(header(device, load), flush=True)
    rows: list[Row] = []
    for name, measure in PARTS.items():
        if options.only in ("", name):
            rows += show(measure(device, options.scale))
    if options.json:
        told = {**machine(), "device": name_of(device), "load_before": load, "load_after": os.getloadavg()[0]}
        options.json.write_text(
            json.dumps({"rows": [without_nan(r) for r in rows], "machine": told}, indent=1)
        )


def header(device: torch.device, load: float) -> str:
    """Say what is measured, and name the columns."""
    where = f"{os.cpu_count()} cores, load {load:.2f}, torch {torch.__version__}"
    first = f"{name_of(device)}, {where}"
    if device.type != "cuda":
        first = f"there is no GPU here: the CPU is measured in its place ({first})"
    return f"{first}\n{'name':<34}{'value':>10}{'limit':>10}{'of limit':>10}  unit"


def name_of(device: torch.device) -> str:
    """Name the GPU, or the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(machine()["processor"])


def wait_for(device: torch.device) -> None:
    """Wait until the device has done what was queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def row(name: str, value: float, unit: str, limit: float | None = None, note: str = "") -> Row:
    """Make a row; a value that could not be measured is NaN."""
    return {"name": name, "value": value, "unit": unit, "limit": limit, "note": note}


def show(rows: list[Row]) -> list[Row]:
    """Print rows."""
    for one in rows:
        limit = one["limit"]
        beside = f"{short(limit):>10}{one['value'] / limit:>10.3f}" if limit else " " * 20
        note = f"; {one['note']}" if one["note"] else ""
        print(f"{one['name']:<34}{short(one['value']):>10}{beside}  {one['unit']}{note}", flush=True)
    return rows


def measure_training(device: torch.device, scale: float) -> list[Row]:
    """Train on the device and on one thread of the CPU."""
    data = os.environ.get("WEFT_TEST_DATA")
    if not data:
        note = "not run: WEFT_TEST_DATA is not set, the real data sets are not here"
        return [row("train_samples_per_s", float("nan"), "samples/s", note=note)]
    fit = catch_fit(Path(data))
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    wall_s, _, num_rows, share = epochs_of(fit, device)
    torch.set_num_threads(1)
    _, cpu_s, cpu_rows, _ = epochs_of(fit, torch.device("cpu"))
    fast, slow = num_rows / wall_s, cpu_rows / cpu_s
    busy = float("nan") if share is None else share
    return [
        row("train_samples_per_s", fast, "samples/s", note=f"on {device}, by the clock"),
        row("train_samples_per_cpu_s", slow, "samples/CPU-s", note="one thread, what feeds it included"),
        row("train_speedup", fast / slow, "of one CPU thread"),
        row("train_busy_share", busy, "of the time", note="measured on a GPU only" if share is None else ""),
    ]


def epochs_of(fit: Fit, device: torch.device) -> tuple[float, float, int, float | None]:
    """Train some epochs; return seconds by the clock and of the CPU, the rows, and the device's busy share.

    On a GPU an epoch before them loads its libraries and fills its memory.
    """
    other = with_config(fit, "sage", epochs=EPOCHS[device.type] + 1, **RELBENCH)
    other.device = device
    with tempfile.TemporaryDirectory() as folder:
        trainer = other._trainer(Path(folder))
        trainer._start()
        if device.type == "cuda":
            trainer._epoch(Silent())
            trainer._begin()
        wait_for(device)
        began, cpu_began = time.perf_counter(), time.process_time()
        for _ in range(EPOCHS[device.type]):
            trainer._position.step, trainer._position.total = 0, 0.0
            trainer._epoch(Silent())
        wait_for(device)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        return wall_s, cpu_s, len(trainer.rows) * EPOCHS[device.type], trainer._stepper.busy.share


def measure_search(device: torch.device, scale: float) -> list[Row]:
    """Search the best items, and multiply as the search does and as fast as can be."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    num_users, num_items, side, rounds = SIZES[device.type]
    num_users, num_items = (max(K, round(n * scale)) for n in (num_users, num_items))
    peak = square_product(device, side, rounds)
    found = [rates(device, d, num_users, num_items, rounds) for d in DIMENSIONS]
    peak = max([peak, *(2 * d * product for d, (_, product) in zip(DIMENSIONS, found, strict=True))])
    rows = [row("product_flops", peak, "flop/s", note=f"float32, {torch.get_float32_matmul_precision()}")]
    for d, (search, product) in zip(DIMENSIONS, found, strict=True):
        limit = peak / (2 * d)
        rows += [
            row(f"topk_pairs_d{d}", search, "pairs/s", limit, f"{num_users:,} users, {num_items:,} items"),
            row(f"product_pairs_d{d}", product, "pairs/s", limit, "the same products, nothing selected"),
            row(f"topk_of_product_d{d}", search / product, "of the same products"),
        ]
    return rows


def square_product(device: torch.device, side: int, rounds: int) -> float:
    """Return the operations per second of a large product."""
    square = torch.randn(side, side, device=device)
    out = torch.empty_like(square)
    seconds = fastest({"square": lambda: torch.matmul(square, square, out=out)}, device, rounds)
    return 2 * side**3 / seconds["square"]


def rates(device: torch.device, d: int, num_users: int, num_items: int, rounds: int) -> tuple[float, float]:
    """Return pairs per second of the search, and of its products alone."""
    random = np.random.default_rng(d)
    items = random.standard_normal((num_items, d), dtype=np.float32)
    users = torch.from_numpy(random.standard_normal((num_users, d), dtype=np.float32)).to(device)
    searched = DeviceItems(items, K, device)
    width = min(TILE, num_items)
    tile = torch.from_numpy(items[:width]).to(device)
    out = torch.empty(min(num_users, searched.plan.step), width, device=device)

    def multiply() -> None:
        for first in range(0, num_users, len(out)):
            block = users[first : first + len(out)]
            for _ in range(0, num_items, width):
                torch.matmul(block, tile.T, out=out[: len(block)])

    acts = {"search": lambda: searched.best(users), "product": multiply}
    seconds = fastest(acts, device, rounds)
    pairs = num_users * num_items
    return pairs / seconds["search"], num_users * width * -(-num_items // width) / seconds["product"]


def fastest(acts: dict[str, Callable[[], Any]], device: torch.device, rounds: int) -> dict[str, float]:
    """Return the least seconds of each by the clock; rounds alternate, and one before them warms up."""
    found = dict.fromkeys(acts, float("inf"))
    for number in range(rounds + 1):
        for name, act in acts.items():
            wait_for(device)
            began = time.perf_counter()
            act()
            wait_for(device)
            if number:
                found[name] = min(found[name], time.perf_counter() - began)
    return found


PARTS: dict[str, Callable[[torch.device, float], list[Row]]] = {
    "train": measure_training,
    "topk": measure_search,
}

if __name__ == "__main__":
    main()
