"""Candidate items and recommendations of any number of entities, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

import weft.data as data
import weft.learn as learn
from weft.flow import Context

_BLOCK = 4_096


def write_candidates(
    context: Context, tables: data.Tables, query: Any, seeds: pa.Table, excluded: Any, path: Path
) -> int:
    """Collect the candidate items of seeds into one file, block by block; return their number."""
    writer: pq.ParquetWriter | None = None
    written = 0
    try:
        for begin, part in _parts(seeds):
            values = data.build_candidates(tables, query, part, excluded=excluded).table
            values = values.set_column(0, "seed", pc.add(values["seed"], begin))
            writer = writer or pq.ParquetWriter(path, values.schema, compression="zstd")
            writer.write_table(values)
            written += values.num_rows
            context.progress.update(begin + part.num_rows, seeds.num_rows, "entities")
    finally:
        if writer is not None:
            writer.close()
    return written


def write_recommendations(
    context: Context,
    predictor: learn.Predictor,
    tables: data.Tables,
    query: Any,
    seeds: pa.Table,
    graph: learn.GraphView | None,
    candidates: Path,
    path: Path,
) -> int:
    """Rank the items of seeds into one file; return the number of its rows."""
    wanted = learn.Wanted(**context.parameters.get("wanted", {}))

    def blocks() -> Iterator[learn.Block]:
        for begin, part in _parts(seeds):
            seen = None if wanted.keep_seen else data.find_seen(tables, query, part)
            yield learn.Block(part, _read_block(candidates, begin, part.num_rows), seen)
            context.progress.update(begin + part.num_rows, seeds.num_rows, "entities")

    writer: pq.ParquetWriter | None = None
    written = 0
    threads = context.resources.threads
    try:
        for lists in learn.recommend_blocks(predictor, query.task, blocks(), graph, wanted, threads=threads):
            writer = writer or pq.ParquetWriter(path, lists.schema, compression="zstd")
            writer.write_table(lists)
            written += lists.num_rows
    finally:
        if writer is not None:
            writer.close()
    return written


def _parts(seeds: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    for begin in range(0, max(1, seeds.num_rows), _BLOCK):
        yield begin, seeds.slice(begin, _BLOCK)


def _read_block(path: Path, begin: int, num: int) -> pa.Table:
    """Read the candidates of successive seeds, numbered by their place in the block."""
    seed = ds.field("seed")
    found = ds.dataset(str(path), format="parquet").to_table(filter=(seed >= begin) & (seed < begin + num))
    return found.set_column(0, "seed", pc.subtract(found["seed"], begin))
