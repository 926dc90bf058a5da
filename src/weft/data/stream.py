"""Prepared tables read row by row, past the engine: what `weft.core.TableReader` asks for."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import ROW, TIME, Dtype, Table, fingerprint_batches

FINGERPRINTS = "weft:fingerprints"
STORAGE = {
    Dtype.INT: pa.int64(),
    Dtype.FLOAT: pa.float64(),
    Dtype.BOOL: pa.bool_(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us"),
    Dtype.VECTOR: pa.list_(pa.float32()),
}
_CELLS = 2**20
_MOST_ROWS = 65_536
_BUFFER_BYTES = 1 << 20


def stream_batches(
    path: Path, table: Table, columns: Sequence[str], start: int = 0
) -> Iterator[pa.RecordBatch]:
    """Yield columns of a prepared table from row ``start`` on, with the storage of their `Dtype`.

    Row groups before ``start`` are not read, and columns are decoded a batch at a time.
    """
    fields = [pa.field(name, _storage(table, name)) for name in columns]
    rows = max(1024, min(_MOST_ROWS, _CELLS // max(1, len(fields))))
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
        sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        ends = list(itertools.accumulate(sizes))
        groups = [g for g, end in enumerate(ends) if end > start]
        skipped = start - (ends[groups[0]] - sizes[groups[0]]) if groups else 0
        for batch in file.iter_batches(rows, groups, list(columns), use_threads=False):
            if skipped < len(batch):
                yield _stored(batch.slice(skipped), fields)
            skipped = max(0, skipped - len(batch))


def _storage(table: Table, name: str) -> pa.DataType:
    if name == ROW:
        return pa.int64()
    return STORAGE[Dtype.TIMESTAMP if name == TIME else table.column(name).dtype]


def _stored(batch: pa.RecordBatch, fields: list[pa.Field]) -> pa.RecordBatch:
    arrays = [batch.column(f.name) for f in fields]
    cast = [a if a.type == f.type else a.cast(f.type) for a, f in zip(arrays, fields, strict=True)]
    return pa.RecordBatch.from_arrays(cast, schema=pa.schema(fields))


def stored_fingerprints(path: Path) -> tuple[str, ...] | None:
    """Return the digests that were stored with a prepared table, ``None`` where there are none."""
    found = (pq.read_metadata(path).metadata or {}).get(FINGERPRINTS.encode())
    return None if found is None else tuple(json.loads(found))


def compute_fingerprints(path: Path, table: Table) -> tuple[str, ...]:
    """Read a prepared table and return its digests."""
    return fingerprint_batches(stream_batches(path, table, [*(c.name for c in table.columns), TIME]))
