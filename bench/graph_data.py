"""A graph to measure the graph engine on: users, items, and events of skewed popularity.

    python bench/graph_data.py FOLDER [--scale 1.0] [--seed 0]

Writes prepared-like Parquet: 1 M users, 100 k items and 10 M events at scale 1, events in no order of
time, which is the hard case for a build. `ParquetReader` reads any such folder.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import (
    ROW,
    TIME,
    Column,
    Dtype,
    Link,
    Schema,
    Stype,
    Table,
    fingerprint_batches,
    from_json,
    to_json,
)

SIZES = {"users": 1_000_000, "items": 100_000, "events": 10_000_000}
ROW_GROUP = 122_880
CHUNK = 8 * ROW_GROUP
START_US = 1_600_000_000_000_000
SPAN_S = 2 * 365 * 86_400


class ParquetReader:
    """Reads a folder of prepared-like Parquet files: a `weft.core.TableReader`.

    Args:
        directory: Holds ``schema.json`` and ``<table>.parquet``, and gets ``<table>.fingerprints.json``
            when fingerprints are first asked for.
        batch_rows: Longest batch.
    """

    def __init__(self, directory: Path, *, batch_rows: int = 65_536) -> None:
        self.directory = directory
        self.schema = from_json(Schema, (directory / "schema.json").read_text())
        self.batch_rows = batch_rows

    def num_rows(self, table: str) -> int:
        """Return the number of rows of a table."""
        with self._open(table) as file:
            return int(file.metadata.num_rows)

    def batches(self, table: str, columns: Sequence[str], *, start: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the named columns from row ``start`` on; row groups before it are not read."""
        with self._open(table) as file:
            sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
            ends = list(itertools.accumulate(sizes))
            groups = [g for g, end in enumerate(ends) if end > start]
            skip = start - (ends[groups[0]] - sizes[groups[0]]) if groups else 0
            for batch in file.iter_batches(self.batch_rows, groups, list(columns), use_threads=False):
                if skip < len(batch):
                    yield batch.slice(skip).select(list(columns))
                skip = max(0, skip - len(batch))

    def fingerprints(self, table: str) -> tuple[str, ...]:
        """Return the digest of each block of rows, computed once per file."""
        kept = self.directory / f"{table}.fingerprints.json"
        if not kept.exists():
            columns = [*(c.name for c in self.schema.table(table).columns), TIME]
            kept.write_text(json.dumps(fingerprint_batches(self.batches(table, columns))))
        return tuple(json.loads(kept.read_text()))

    def _open(self, table: str) -> pq.ParquetFile:
        return pq.ParquetFile(self.directory / f"{table}.parquet", pre_buffer=False, buffer_size=1 << 20)


def generate(directory: Path, *, scale: float = 1.0, seed: int = 0) -> Schema:
    """Write the bench graph's tables, schema and fingerprints into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    sizes = {name: max(10, int(size * scale)) for name, size in SIZES.items()}
    rng = np.random.default_rng(seed)
    ids = {name: rng.permutation(sizes[name]).astype(np.int64) + 1 for name in ("users", "items")}
    write(directory, "users", user_batches(rng, ids["users"]))
    write(directory, "items", item_batches(rng, ids["items"]))
    write(directory, "events", event_batches(rng, sizes["events"], ids))
    (directory / "schema.json").write_text(to_json(SCHEMA))
    reader = ParquetReader(directory)
    for name in sizes:
        (directory / f"{name}.fingerprints.json").unlink(missing_ok=True)
        reader.fingerprints(name)
    return SCHEMA


def user_batches(rng: np.random.Generator, ids: np.ndarray) -> Iterator[dict[str, pa.Array]]:
    """Yield the columns of the users, a chunk at a time."""
    for chunk in np.array_split(ids, max(1, len(ids) // CHUNK)):
        n = len(chunk)
        yield {
            "user_id": pa.array(chunk),
            "age": pa.array(rng.integers(16, 90, n), mask=rng.random(n) < 0.05),
            "country": choice(rng, [f"country {i}" for i in range(40)], n),
            TIME: pa.nulls(n, pa.timestamp("us")),
        }


def item_batches(rng: np.random.Generator, ids: np.ndarray) -> Iterator[dict[str, pa.Array]]:
    """Yield the columns of the items in one chunk."""
    n = len(ids)
    yield {
        "item_id": pa.array(ids),
        "price": pa.array(rng.integers(1, 100_000, n) / 100),
        "category": choice(rng, [f"category {i}" for i in range(200)], n),
        "title": pa.array([f"item number {i}" for i in ids]),
        TIME: pa.nulls(n, pa.timestamp("us")),
    }


def event_batches(
    rng: np.random.Generator, num_events: int, ids: dict[str, np.ndarray]
) -> Iterator[dict[str, pa.Array]]:
    """Yield the columns of the events; popularity falls as a power of the rank."""
    for start in range(0, num_events, CHUNK):
        n = min(CHUNK, num_events - start)
        at = START_US + rng.integers(0, SPAN_S, n) * 1_000_000
        user = ids["users"][(len(ids["users"]) * rng.random(n) ** 2).astype(np.int64)]
        item = ids["items"][(len(ids["items"]) * rng.random(n) ** 3).astype(np.int64)]
        yield {
            "time": pa.array(at).cast(pa.timestamp("us")),
            "user_id": pa.array(user, mask=rng.random(n) < 0.001),
            "item_id": pa.array(item),
            "amount": pa.array(rng.integers(1, 50_000, n) / 100, mask=rng.random(n) < 0.02),
            "quantity": pa.array(rng.integers(1, 10, n)),
            "channel": choice(rng, ["web", "app", "shop", "phone", "mail"], n),
            "is_gift": pa.array(rng.random(n) < 0.1),
            TIME: pa.array(at).cast(pa.timestamp("us")),
        }


def choice(rng: np.random.Generator, values: list[str], n: int) -> pa.Array:
    """Draw ``n`` of some texts."""
    return pa.DictionaryArray.from_arrays(rng.integers(0, len(values), n), values).cast(pa.string())


def write(directory: Path, name: str, chunks: Iterator[dict[str, pa.Array]]) -> None:
    """Write chunks of columns as one Parquet file with row numbers."""
    first = 0
    writer = None
    for chunk in chunks:
        n = len(next(iter(chunk.values())))
        table = pa.table({ROW: pa.array(np.arange(first, first + n)), **chunk})
        writer = writer or pq.ParquetWriter(directory / f"{name}.parquet", table.schema, compression="zstd")
        writer.write_table(table, ROW_GROUP)
        first += n
    assert writer is not None
    writer.close()


def _columns(**kinds: tuple[Dtype, Stype]) -> tuple[Column, ...]:
    return tuple(Column(name, dtype, stype) for name, (dtype, stype) in kinds.items())


ID, AMOUNT, COUNT = (Dtype.INT, Stype.ID), (Dtype.FLOAT, Stype.NUMERICAL), (Dtype.INT, Stype.NUMERICAL)
CATEGORY, TITLE = (Dtype.STRING, Stype.CATEGORICAL), (Dtype.STRING, Stype.TEXT)
SCHEMA = Schema(
    (
        Table("users", _columns(user_id=ID, age=COUNT, country=CATEGORY), ("user_id",)),
        Table("items", _columns(item_id=ID, price=AMOUNT, category=CATEGORY, title=TITLE), ("item_id",)),
        Table(
            "events",
            _columns(
                time=(Dtype.TIMESTAMP, Stype.TIMESTAMP),
                user_id=ID,
                item_id=ID,
                amount=AMOUNT,
                quantity=COUNT,
                channel=CATEGORY,
                is_gift=(Dtype.BOOL, Stype.CATEGORICAL),
            ),
            time_column="time",
        ),
    ),
    (
        Link("events", ("user_id",), "users", ("user_id",)),
        Link("events", ("item_id",), "items", ("item_id",)),
    ),
)


def main() -> None:
    """Generate the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generate(options.directory, scale=options.scale, seed=options.seed)


if __name__ == "__main__":
    main()
