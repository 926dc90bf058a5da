"""Stages that measure memory: what the machine can do, and what the gather of rows makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from setting import Setting, cpu_seconds, row

from weft.core import Dtype, Stype
from weft.graph import Residency, Store, _native
from weft.graph.layout import File, Keys, Layout, PackedColumn, Section, Storage, TableLayout, TableSegment
from weft.graph.manifest import write_manifest

WIDTH = 64
ROWS = 4_000_000
PER_CALL = 65_536
LOTS = 8
PROBE_BYTES = 2**30
READS = 8_000_000


def reads(setting: Setting) -> list[dict[str, Any]]:
    """Measure independent random reads of 8 bytes, on huge pages and on small ones."""
    size = max(2**22, round(PROBE_BYTES * min(1.0, setting.scale)))
    rates: dict[bool, list[float]] = {}
    for has_huge_pages in (True, False):
        memory = _native.ProbeMemory(size, has_huge_pages)
        memory.read_words(READS, 1)
        rates[has_huge_pages] = [
            READS / cpu_seconds(lambda m=memory, k=k: m.read_words(READS, k)) for k in range(setting.rounds)
        ]
    huge = float(np.median(rates[True]))
    return [
        row("random_reads_per_cpu_s", rates[True], "reads/CPU-s", limit=huge, note="8 bytes, huge pages"),
        row("random_reads_4k_per_cpu_s", rates[False], "reads/CPU-s", limit=huge, note="8 bytes, 4 KB pages"),
    ]


def gather(setting: Setting) -> list[dict[str, Any]]:
    """Gather rows of 256 bytes, and copy the same rows bare from the same pages; rounds alternate."""
    folder = setting.work / "wide"
    if not folder.exists():
        write_wide(folder, max(10_000, round(ROWS * setting.scale)))
    rows = []
    for residency in Residency:
        ours, bare = _compare(Store(folder, residency=residency), setting)
        suffix = "" if residency is Residency.MAPPED else "_resident"
        share = [a / b for a, b in zip(ours, bare, strict=True)]
        where = "mapped file" if residency is Residency.MAPPED else "huge pages"
        rows += [
            row(f"gather_of_limit{suffix}", share, "of bare copies", limit=1.0, least=0.6, note=where),
            row(
                f"gather_rows{suffix}_per_cpu_s", ours, "rows/CPU-s", limit=float(np.median(bare)), note=where
            ),
        ]
    return rows


def _compare(store: Store, setting: Setting) -> tuple[list[float], list[float]]:
    num_rows = store.table("wide").num_rows
    rng = np.random.default_rng(3)
    out = np.zeros((PER_CALL, WIDTH * 4), np.uint8)
    everything = np.arange(num_rows, dtype=np.uint32)
    for start in range(0, num_rows, PER_CALL):  # every block is checked before anything is measured
        store.native.gather(0, everything[start : start + PER_CALL], 1)

    def rate(act: Callable[[Any], Any]) -> float:
        # Rows of their own: those that the other one has read would still be in the last cache.
        lots = [rng.integers(0, num_rows, PER_CALL, dtype=np.uint32) for _ in range(LOTS)]

        def act_on_all() -> None:
            for lot in lots:
                act(lot)

        return LOTS * PER_CALL / cpu_seconds(act_on_all)

    def ours(lot: Any) -> Any:
        return store.native.gather(0, lot, 1)[0]

    def bare(lot: Any) -> Any:
        _native.copy_rows(store.native, 0, lot, out)
        return out

    pairs = [(rate(ours), rate(bare)) for _ in range(setting.rounds + 1)][1:]
    check = rng.integers(0, num_rows, PER_CALL, dtype=np.uint32)
    assert np.array_equal(ours(check), bare(check))
    return [a for a, _ in pairs], [b for _, b in pairs]


def write_wide(folder: Path, num_rows: int) -> None:
    """Write a graph of one table whose rows are 64 numbers of four bytes."""
    path = "nodes/wide/0/rows.bin"
    (folder / path).parent.mkdir(parents=True)
    values = np.arange(num_rows * WIDTH, dtype=np.float32).reshape(-1).view(np.uint8)
    root = _native.write_file(str(folder / path), _native.Kind.rows, WIDTH * 4, values, through=False)
    columns = tuple(
        PackedColumn(f"v{i}", Dtype.FLOAT, Stype.NUMERICAL, Storage.FLOAT32, i) for i in range(WIDTH)
    )
    table = TableLayout(
        name="wide",
        num_rows=num_rows,
        stride=WIDTH * 4,
        sections=(Section(Storage.FLOAT32, 0, WIDTH),),
        columns=columns,
        segments=(TableSegment(num_rows, File(path, root)),),
        keys=Keys(),
        order_by=None,
        fingerprints=(),
        newest_us=None,
    )
    write_manifest(folder, Layout((table,), ()))
