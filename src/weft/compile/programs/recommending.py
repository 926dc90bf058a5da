"""Candidate items and recommendations of any number of entities, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
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

    def blocks() -> Iterator[pa.Table]:
        for begin, part in _parts(context, seeds):
            values = data.build_candidates(tables, query, part, excluded=excluded).table
            yield values.set_column(0, "seed", pc.add(values["seed"], begin))

    return _write(blocks(), path)


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
        for begin, part in _parts(context, seeds):
            seen = None if wanted.keep_seen else data.find_seen(tables, query, part)
            yield learn.Block(part, _read_block(candidates, begin, part.num_rows), seen)

    threads = context.resources.threads
    return _write(
        learn.recommend_blocks(predictor, query.task, blocks(), graph, wanted, threads=threads), path
    )


def _write(blocks: Iterator[pa.Table], path: Path) -> int:
    """Write blocks into one file as they come; return the number of rows. There is at least one block."""
    first = next(blocks)
    written = 0
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for block in chain([first], blocks):
            writer.write_table(block)
            written += block.num_rows
    return written


def _parts(context: Context, seeds: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Divide seeds into blocks, one at least, and tell how far it is after each."""
    for begin in range(0, max(1, seeds.num_rows), _BLOCK):
        part = seeds.slice(begin, _BLOCK)
        yield begin, part
        context.progress.update(begin + part.num_rows, seeds.num_rows, "entities")


def _read_block(path: Path, begin: int, num: int) -> pa.Table:
    """Read the candidates of successive seeds, numbered by their place in the block."""
    seed = ds.field("seed")
    found = ds.dataset(str(path), format="parquet").to_table(filter=(seed >= begin) & (seed < begin + num))
    return found.set_column(0, "seed", pc.subtract(found["seed"], begin))
