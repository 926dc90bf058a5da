"""Tiny graphs in memory, written by the obvious lines: what the engine is compared with.

A `ToyTable` holds rows in the order of the prepared table; `write_toy` lays them out as a graph folder,
in any number of segments, ordered by any link, with any unit of time codes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from weft.core import Dtype, Stype
from weft.graph import _native
from weft.graph.layout import (
    NO_ROW,
    File,
    Keys,
    Layout,
    LinkLayout,
    LinkSegment,
    PackedColumn,
    Section,
    Storage,
    TableLayout,
    TableSegment,
    TimeCodes,
)
from weft.graph.manifest import write_manifest


@dataclass
class ToyTable:
    """Rows in prepared order: times (``None``: no time) and one value each."""

    name: str
    times: list[int | None]
    order_by: int | None = None  # index of a link
    cuts: tuple[int, ...] = ()  # where appended segments start
    unit_factor: int = 1  # > 1 makes codes round down

    def __len__(self) -> int:
        return len(self.times)


@dataclass
class ToyLink:
    """A link: the parent's prepared row of each child's prepared row, or ``None``."""

    child: int
    parent: int
    to: list[int | None]


@dataclass
class Toy:
    """A database: tables, links, and once written the prepared row of each row."""

    tables: list[ToyTable]
    links: list[ToyLink]
    source: list[list[int]] = field(default_factory=list)

    def name(self, link: int) -> str:
        return f"link{link}"


def write_toy(toy: Toy, directory: Path) -> Layout:
    """Write a toy as a graph folder; parents of ``order_by`` must come before their children."""
    directory.mkdir(parents=True)
    toy.source = [[] for _ in toy.tables]
    segments = [_order(toy, t) for t in range(len(toy.tables))]
    tables = tuple(_write_table(toy, t, segments[t], directory) for t in range(len(toy.tables)))
    links = tuple(_write_link(toy, k, segments, tables, directory) for k in range(len(toy.links)))
    layout = Layout(tables, links)
    write_manifest(directory, layout)
    return layout


def _key(time: int | None) -> tuple[bool, int]:
    return (time is not None, time or 0)


def _order(toy: Toy, t: int) -> list[list[int]]:
    """Return the prepared rows of each segment, in the order of the graph."""
    table = toy.tables[t]
    edges = [0, *(c for c in table.cuts if 0 < c < len(table)), len(table)]
    segments = []
    for first, end in itertools.pairwise(edges):
        rows = list(range(first, end))
        if table.order_by is not None:
            link = toy.links[table.order_by]
            row_of = {s: r for r, s in enumerate(toy.source[link.parent])}

            def parent(s, link=link, row_of=row_of):
                return math.inf if link.to[s] is None else row_of[link.to[s]]

            rows.sort(key=lambda s: (parent(s), _key(table.times[s]), s))
        segments.append(rows)
        toy.source[t].extend(rows)
    return segments


def _file(directory: Path, path: str, kind, array: np.ndarray, item_bytes: int) -> File:
    target = directory / path
    target.parent.mkdir(parents=True, exist_ok=True)
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return File(path, _native.write_file(str(target), kind, item_bytes, raw, through=False))


def codes_of(table: ToyTable, rows: list[int]) -> tuple[TimeCodes, np.ndarray, np.ndarray]:
    """Return how the times of rows are coded, their codes and what the codes round off."""
    times = [table.times[s] for s in rows]
    known = [t for t in times if t is not None]
    origin = min(known, default=0)
    unit = max(1, math.gcd(*(t - origin for t in known)))
    if table.unit_factor > 1:  # what a code rounds off has 32 bits
        unit = min(unit * table.unit_factor, 2**32 - 1)
    unit = max(unit, (max(known, default=0) - origin) // (2**32 - 2) + 1)
    codes = [0 if t is None else (t - origin) // unit + 1 for t in times]
    lows = [0 if t is None else (t - origin) % unit for t in times]
    return TimeCodes(origin, unit), np.array(codes, np.uint32), np.array(lows, np.uint32)


def _write_table(toy: Toy, t: int, segments: list[list[int]], directory: Path) -> TableLayout:
    table, kinds = toy.tables[t], _native.Kind
    written = []
    for s, rows in enumerate(segments):
        folder = f"nodes/{table.name}/{s}"
        packed = np.zeros(
            len(rows), [("value", np.float64), ("code", np.int32), ("flag", np.uint8), ("pad", "V3")]
        )
        packed["value"] = np.array(rows, float) + 0.5
        packed["code"] = np.array(rows, np.int32) % 3
        packed["flag"] = np.array(rows) % 2
        is_timed = any(x is not None for x in table.times)
        codes, code, low = codes_of(table, rows)
        written.append(
            TableSegment(
                num_rows=len(rows),
                rows=_file(directory, f"{folder}/rows.bin", kinds.rows, packed, 16),
                time=_file(directory, f"{folder}/time.bin", kinds.time, code, 4) if is_timed else None,
                low=_file(directory, f"{folder}/low.bin", kinds.low, low, 4)
                if is_timed and low.any()
                else None,
                source=_file(directory, f"{folder}/source.bin", kinds.source, np.array(rows, np.uint32), 4),
                codes=codes if is_timed else None,
            )
        )
    columns = (
        PackedColumn("value", Dtype.FLOAT, Stype.NUMERICAL, Storage.FLOAT64, 0),
        PackedColumn("code", Dtype.STRING, Stype.CATEGORICAL, Storage.INT32, 0),
        PackedColumn("flag", Dtype.BOOL, Stype.CATEGORICAL, Storage.UINT8, 0),
    )
    sections = (Section(Storage.FLOAT64, 0, 1), Section(Storage.INT32, 8, 1), Section(Storage.UINT8, 12, 1))
    order_by = None if table.order_by is None else toy.name(table.order_by)
    return TableLayout(
        table.name, len(table), 16, sections, columns, tuple(written), Keys(), order_by, (), None
    )


def _write_link(toy: Toy, k: int, segments: list, tables: tuple, directory: Path) -> LinkLayout:
    link, kinds = toy.links[k], _native.Kind
    child, parents = toy.tables[link.child], toy.source[link.parent]
    row_of = {s: r for r, s in enumerate(parents)}
    child_row = {s: r for r, s in enumerate(toy.source[link.child])}
    is_timed = any(x is not None for x in child.times)
    written = []
    for s, rows in enumerate(segments[link.child]):
        folder = f"edges/{k}/{s}"
        to = np.array([NO_ROW if link.to[c] is None else row_of[link.to[c]] for c in rows], np.uint32)
        _, code, _ = codes_of(child, rows)
        code_of = dict(zip(rows, code.tolist(), strict=True))
        children = [
            sorted((c for c in rows if link.to[c] == p), key=lambda c: (_key(child.times[c]), c))
            for p in parents
        ]
        used = [r for r, c in enumerate(children) if c] if s else list(range(len(parents)))
        offsets = np.cumsum([0, *(len(children[r]) for r in used)]).astype(np.uint32)
        flat = [c for r in used for c in children[r]]
        is_contiguous = child.order_by == k
        pairs = np.array([[child_row[c], code_of[c]] for c in flat], np.uint32).reshape(-1, 2)
        if not is_timed:
            pairs = pairs[:, :1]
        kind = kinds.children if is_timed else kinds.children_row
        written.append(
            LinkSegment(
                parent=_file(directory, f"{folder}/parent.bin", kinds.parent, to, 4),
                offsets=_file(directory, f"{folder}/offsets.bin", kinds.offsets, offsets, 4),
                children=None
                if is_contiguous
                else _file(directory, f"{folder}/children.bin", kind, pairs, 8 if is_timed else 4),
                parents=_file(
                    directory, f"{folder}/parents.bin", kinds.sparse_parent, np.array(used, np.uint32), 4
                )
                if s
                else None,
            )
        )
    num_edges = sum(x is not None for x in link.to)
    return LinkLayout(
        toy.name(k),
        child.name,
        ("fk",),
        toy.tables[link.parent].name,
        num_edges,
        len(link.to) - num_edges,
        0,
        tuple(written),
    )
