"""Stages that write: tables, and the graph from them."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from graph_build import append_rows, change_column
from graph_data import ParquetReader, generate
from setting import Setting, row

from weft.core import Resources, peak_memory_bytes, reset_peak_memory
from weft.graph import Store, materialize
from weft.graph.layout import File, Layout


def make_tables(setting: Setting) -> list[dict[str, Any]]:
    """Generate the tables."""
    generate(setting.work / "tables", scale=setting.scale)
    return []


def read_tables(setting: Setting) -> list[dict[str, Any]]:
    """Read every column of every table and throw it away: no build can be cheaper."""
    reader = ParquetReader(setting.work / "tables")
    began = time.process_time()
    for table in reader.schema.tables:
        for batch in reader.batches(table.name, [c.name for c in table.columns]):
            assert len(batch)
    return [row("read_cpu_s", time.process_time() - began, "CPU-s", note="Parquet read and thrown away")]


def build(setting: Setting) -> list[dict[str, Any]]:
    """Build the graph, in a process that does nothing else."""
    folder = setting.work / "graph"
    shutil.rmtree(folder, ignore_errors=True)
    reader = ParquetReader(setting.work / "tables")
    resources = Resources(setting.memory_limit, setting.threads)
    reset_peak_memory()
    before = peak_memory_bytes()
    began, wall = time.process_time(), time.perf_counter()
    materialize(reader, folder, resources=resources)
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    peak = peak_memory_bytes()
    layout = Store(folder).layout
    share = peak / edge_bytes(layout, folder)
    return [
        row("build_cpu_s", cpu, "CPU-s", most=12.0),
        row("build_wall_s", wall, "s"),
        row("build_peak_bytes", peak, "bytes", most=0.73e9, note=f"{before / 1e6:.0f} MB before the build"),
        row("build_peak_of_edges", share, "of the edges' bytes", most=1.5),
        *sizes(layout, folder),
    ]


def append(setting: Setting) -> list[dict[str, Any]]:
    """Build on the graph what comes to one in a hundred rows more of each table."""
    later = setting.work / "later"
    if not later.exists():
        append_rows(setting.work / "tables", later, 0.01)
    return _build_on(setting, later, "append_1pct")


def change(setting: Setting) -> list[dict[str, Any]]:
    """Build on the graph what comes of other values in one column of the users."""
    changed = setting.work / "changed"
    if not changed.exists():
        change_column(setting.work / "tables", changed, "users", "age")
    return _build_on(setting, changed, "change_one_parent")


def _build_on(setting: Setting, tables: Path, name: str) -> list[dict[str, Any]]:
    folder = setting.work / "next"
    shutil.rmtree(folder, ignore_errors=True)
    reader, resources = ParquetReader(tables), Resources(setting.memory_limit, setting.threads)
    began = time.process_time()
    materialize(reader, folder, resources=resources, base=setting.work / "graph")
    cpu = time.process_time() - began
    files = [p.stat() for p in folder.rglob("*") if p.is_file()]
    written = sum(f.st_size for f in files if f.st_nlink == 1)
    return [
        row(f"{name}_cpu_s", cpu, "CPU-s", note="imports included"),
        row(f"{name}_bytes", written, "bytes", note="of new files; the others are linked"),
    ]


def sizes(layout: Layout, folder: Path) -> list[dict[str, Any]]:
    """Count the bytes of a built graph."""
    directed = 2 * sum(k.num_edges for k in layout.links)
    whole = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return [
        row(
            "bytes_per_edge", edge_bytes(layout, folder) / directed, "bytes", most=6.0, note="directed edges"
        ),
        row("directed_edges", directed, "edges"),
        row("nodes", sum(t.num_rows for t in layout.tables), "rows"),
        row("graph_bytes", whole, "bytes", note="with rows and keys"),
    ]


def edge_bytes(layout: Layout, folder: Path) -> int:
    """Sum the files that sampling walks on: parents, offsets, children, and the times of child tables."""
    files: list[File | None] = []
    for link in layout.links:
        for part in link.segments:
            files += [part.parent, part.offsets, part.children, part.parents]
    for name in {link.child for link in layout.links}:
        for segment in layout.table(name).segments:
            files += [segment.time, segment.low]
    return sum((folder / f.path).stat().st_size for f in files if f is not None)
