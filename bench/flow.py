"""What a node costs beyond its program: in a thread, in a process, found again; from 10 to 2,000 nodes.

    python bench/flow.py [--json FILE] [--folder DIR] [--full] [--strict]

Milliseconds of wall time per node of plans of tiny nodes, independent and in a chain, beside what the same
run measures for one fsync of a small file and for the start of the Python interpreter with an empty program.
``limit`` is what a value is to stay below; ``process_…_ms`` is told without the interpreter's start, which
every process of Python pays. With ``--full`` 2,000 nodes run on the process backend too, which takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weft.core import Resources
from weft.flow import Node, Plan, Store, run_plan
from weft.flow.backends.base import Backend
from weft.flow.backends.process import ProcessBackend

Row = dict[str, Any]
INLINE_MS, PROCESS_MS = 5.0, 150.0
INLINE_SIZES, PROCESS_SIZES, MOST = (10, 100, 2000), (10, 40), 2000
LIMITS = Resources(10**9, 2)


def main() -> int:
    """Run the bench; return 1 when a limit is passed and ``--strict`` was given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    parser.add_argument("--full", action="store_true", help="2,000 nodes on the process backend as well")
    parser.add_argument("--strict", action="store_true", help="end with 1 when a limit is passed")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    print(f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for row in measure(Path(name), is_full=options.full):
            rows.append(row)
            limit = "" if row["limit"] is None else f"   below {row['limit']:g}"
            print(f"{row['name']:<40} {row['value']:9.2f} {row['unit']}{limit}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    passed = [r["name"] for r in rows if r["limit"] is not None and r["value"] > r["limit"]]
    print(f"above the limit: {', '.join(passed)}" if passed else "no limit was passed")
    return 1 if passed and options.strict else 0


def measure(folder: Path, *, is_full: bool) -> Iterator[Row]:
    """Yield all rows, the machine's own first."""
    yield row("fsync_ms", fsync_ms(folder), "ms")
    run_ms(folder / "warm", 10, is_chain=False)
    inline: dict[int, float] = {}
    for size in INLINE_SIZES:
        # A short plan is measured several times: its few nodes take less than what disturbs them.
        rounds = max(1, 200 // size)
        for is_chain, shape in ((False, "independent"), (True, "chain")):
            places = [folder / f"inline-{size}-{shape}-{i}" for i in range(rounds)]
            value = statistics.median(run_ms(place, size, is_chain=is_chain) for place in places)
            again = statistics.median(run_ms(place, size, is_chain=is_chain) for place in places)
            yield row(f"inline_{shape}_{size}_ms_per_node", value, "ms", INLINE_MS)
            yield row(f"found_{shape}_{size}_ms_per_node", again, "ms", INLINE_MS)
            inline[size] = max(value, inline.get(size, 0.0))
    yield row("inline_2000_of_100", inline[2000] / inline[100], "ratio", 1.5)
    yield from measure_processes(folder, (*PROCESS_SIZES, MOST) if is_full else PROCESS_SIZES)


def measure_processes(folder: Path, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Yield what a node in a process costs, one after the other."""
    backend = ProcessBackend(folder / "process")
    run_ms(folder / "process-warm", 2, is_chain=True, backend=backend)
    starts, values = [], {}
    for size in sizes:
        starts.append(interpreter_ms())
        values[size] = run_ms(folder / f"process-{size}", size, is_chain=True, backend=backend)
        starts.append(interpreter_ms())
    start = statistics.median(starts)
    yield row("interpreter_ms", start, "ms")
    for size, value in values.items():
        yield row(f"process_{size}_ms_per_node", value - start, "ms", PROCESS_MS)
    yield row(f"process_{sizes[-1]}_of_{sizes[0]}", values[sizes[-1]] / values[sizes[0]], "ratio", 1.5)


def row(name: str, value: float, unit: str, limit: float | None = None) -> Row:
    """Make one row."""
    return {"name": name, "value": round(value, 4), "unit": unit, "limit": limit}


def run_ms(place: Path, size: int, *, is_chain: bool, backend: Backend | None = None) -> float:
    """Run a plan of ``size`` tiny nodes; return milliseconds per node."""
    plan, store = make_plan(size, is_chain=is_chain), Store(place)
    began = time.perf_counter()
    run_plan(plan, store, resources=LIMITS, workers=1 if backend else None, backend=backend)
    return (time.perf_counter() - began) / size * 1e3


def make_plan(count: int, *, is_chain: bool) -> Plan:
    """Make a plan of tiny nodes."""
    nodes = [
        Node(
            f"n{i}",
            "flow_tiny:tiny",
            parameters={"n": i, "chain": is_chain},
            inputs={"before": f"n{i - 1}"} if is_chain and i else {},
        )
        for i in range(count)
    ]
    return Plan("chain" if is_chain else "independent", tuple(nodes))


def fsync_ms(folder: Path, count: int = 100) -> float:
    """Return milliseconds that writing and syncing a small new file takes."""
    began = time.perf_counter()
    for i in range(count):
        with open(folder / f"f{i}", "wb") as file:
            file.write(b"x" * 300)
            file.flush()
            os.fsync(file.fileno())
    return (time.perf_counter() - began) / count * 1e3


def interpreter_ms(count: int = 10) -> float:
    """Return milliseconds that a process of Python takes which does nothing."""
    began = time.perf_counter()
    for _ in range(count):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.perf_counter() - began) / count * 1e3


if __name__ == "__main__":
    sys.exit(main())
