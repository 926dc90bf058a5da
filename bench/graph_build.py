"""Building a graph: CPU seconds per stage, peak memory, bytes per edge, and what an update costs.

    python bench/graph_build.py [--scale 1.0] [--threads 2] [--memory-limit 4GB] [--work FOLDER] [--json FILE]

Each measurement runs in a process of its own, so that the peak is that build's and nobody else's. To compare
with, ``read`` is what the machine can do at best: the same columns read by the same reader and thrown away.
Fails when a build of the full size takes more than 12 CPU seconds, 0.7 GB, one and a half times the bytes of
its edges, or 6 bytes per directed edge.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from graph_data import ROW_GROUP, SIZES, ParquetReader, generate

from weft.core import TIME, Resources, parse_size, peak_memory_bytes
from weft.graph import materialize

MOST_CPU_S, MOST_BYTES, MOST_EDGE_BYTES, MOST_SHARE = 12.0, 700_000_000, 6.0, 1.5


class Stages:
    """CPU and wall seconds of each stage, as progress reports them."""

    def __init__(self) -> None:
        self.begun: tuple[str, float, float] | None = None
        self.rows: list[tuple[str, float, float]] = []

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        """End the stage under way and begin the next."""
        now = time.process_time(), time.perf_counter()
        if self.begun:
            name, cpu, wall = self.begun
            self.rows.append((name, now[0] - cpu, now[1] - wall))
        self.begun = (note, *now)


def measure_read(data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Read every column of every table once."""
    reader = ParquetReader(data)
    cpu, wall = time.process_time(), time.perf_counter()
    for table in reader.schema.tables:
        for batch in reader.batches(table.name, [*(c.name for c in table.columns), TIME]):
            del batch
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def measure_build(data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Build the whole graph."""
    return measure(data, options, options.work / "graph", None)


def measure_update(data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Build on the graph of the tables before the last rows were appended."""
    return measure(options.work / "later", options, options.work / "updated", options.work / "graph")


def measure(data: Path, options: argparse.Namespace, target: Path, base: Path | None) -> dict[str, Any]:
    """Build a graph; return what it took and what it is."""
    reader, stages = ParquetReader(data), Stages()
    resources = Resources(parse_size(options.memory_limit), options.threads)
    cpu, wall = time.process_time(), time.perf_counter()
    layout = materialize(reader, target, resources=resources, base=base, progress=stages)
    stages.update(0)
    edges = sum(f.stat().st_size for f in (target / "edges").rglob("*.bin"))
    edges += sum(f.stat().st_size for f in target.rglob("time.bin"))
    return {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "peak_bytes": peak_memory_bytes(),
        "edge_bytes": edges,
        "directed_edges": 2 * sum(k.num_edges for k in layout.links),
        "stages": stages.rows,
    }


def in_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Run a measurement in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def append_rows(data: Path, target: Path, share: float) -> None:
    """Copy tables, with the first rows of each once more at their end, users and items under new keys."""
    target.mkdir(parents=True)
    shutil.copy(data / "schema.json", target)
    reader = ParquetReader(target)
    for table in reader.schema.tables:
        rows = pq.read_table(data / f"{table.name}.parquet")
        more = rows.slice(0, max(1, int(len(rows) * share)))
        for key in table.primary_key:
            at = more.column_names.index(key)
            more = more.set_column(at, key, pc.add(more.column(key), len(rows)))
        pq.write_table(pa.concat_tables([rows, more]), target / f"{table.name}.parquet", ROW_GROUP)
        reader.fingerprints(table.name)


def change_column(data: Path, target: Path, table: str, column: str) -> None:
    """Copy tables, with one more in each value of a column of numbers."""
    target.mkdir(parents=True)
    for path in data.iterdir():
        shutil.copy(path, target)
    rows = pq.read_table(data / f"{table}.parquet")
    at = rows.column_names.index(column)
    changed = rows.set_column(at, column, pc.add(rows.column(column), 1))
    pq.write_table(changed, target / f"{table}.parquet", ROW_GROUP)
    (target / f"{table}.fingerprints.json").unlink()
    ParquetReader(target).fingerprints(table)


def report(name: str, row: dict[str, Any]) -> None:
    """Print a measurement."""
    peak = f"{row['peak_bytes'] / 1e6:.0f} MB" if "peak_bytes" in row else ""
    print(f"{name:<44}{row['cpu_s']:>8.2f}{row['wall_s']:>8.2f}{peak:>10}")
    for stage, cpu, wall in row.get("stages", []):
        if cpu >= 0.05:
            print(f"  {stage:<42}{cpu:>8.2f}{wall:>8.2f}")


def within(row: dict[str, Any]) -> bool:
    """Print how a whole build stands to its limits; return whether it is within all."""
    per_edge = row["edge_bytes"] / row["directed_edges"]
    share = row["peak_bytes"] / row["edge_bytes"]
    print(f"{row['directed_edges']:,} directed edges, {per_edge:.2f} bytes each; peak {share:.2f} of them")
    return (
        row["cpu_s"] <= MOST_CPU_S
        and row["peak_bytes"] <= MOST_BYTES
        and per_edge <= MOST_EDGE_BYTES
        and share <= MOST_SHARE
    )


def main() -> int:
    """Generate the tables, measure, and say whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--memory-limit", default="4GB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, help="folder to work in and keep; a temporary one by default")
    parser.add_argument("--json", type=Path, help="file for the rows as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        options.work = options.work or Path(scratch)
        data = options.work / "data"
        if not data.exists():
            generate(data, scale=options.scale)
        shutil.rmtree(options.work / "later", ignore_errors=True)
        append_rows(data, options.work / "later", 0.01)
        print(f"{'':<44}{'CPU s':>8}{'wall s':>8}{'peak':>10}")
        rows = {"read": in_process(measure_read, data, options)}
        report("read", rows["read"])
        rows["build"] = in_process(measure_build, data, options)
        report(f"build, {int(SIZES['events'] * options.scale):,} events", rows["build"])
        rows["update"] = in_process(measure_update, data, options)
        report("update, one in a hundred rows appended", rows["update"])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    is_within = within(rows["build"])
    print("within the limits" if is_within or options.scale != 1 else "ABOVE the limits")
    return 0 if is_within or options.scale != 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
