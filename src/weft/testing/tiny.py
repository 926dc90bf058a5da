"""Tables made in memory, prepared by plain loops, and opened for the data engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import ROW, TIME, Dtype, Resources, Schema
from weft.data.tables import Tables

Row = dict[str, Any]

ARROW_TYPES = {
    Dtype.INT: pa.int64(),
    Dtype.FLOAT: pa.float64(),
    Dtype.BOOL: pa.bool_(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us"),
    Dtype.VECTOR: pa.list_(pa.float32()),
}


def prepare_rows(schema: Schema, rows_by_table: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Add ``__row`` and ``__time`` to the rows of every table and drop those that have no place.

    Dropped are rows with a null time, a null key, and all but the first row of a key. A row of a table
    without a time column takes the newest time among the parents it points to.
    """
    prepared: dict[str, list[Row]] = {}
    for table in schema.tables:
        kept: list[Row] = []
        keys = set()
        for number, row in enumerate(rows_by_table[table.name]):
            key = tuple(row[c] for c in table.primary_key)
            if any(part is None for part in key) or (key and key in keys):
                continue
            if table.time_column and row[table.time_column] is None:
                continue
            keys.add(key)
            time = row[table.time_column] if table.time_column else None
            kept.append({**row, ROW: number, TIME: time})
        prepared[table.name] = kept
    _inherit_times(schema, prepared)
    return prepared


def _inherit_times(schema: Schema, rows_by_table: dict[str, list[Row]]) -> None:
    """Hand times down from parents to children until nothing changes."""
    timeless = [t.name for t in schema.tables if not t.time_column]
    changed = True
    while changed:
        changed = False
        for link in schema.links:
            if link.table not in timeless or link.parent == link.table:
                continue
            times = {tuple(p[c] for c in link.parent_columns): p[TIME] for p in rows_by_table[link.parent]}
            for row in rows_by_table[link.table]:
                time = times.get(tuple(row[c] for c in link.columns))
                if time is not None and (row[TIME] is None or row[TIME] < time):
                    row[TIME] = time
                    changed = True


def open_rows(
    schema: Schema, rows_by_table: Mapping[str, Sequence[Row]], directory: Path, *, memory_bytes: int = 10**9
) -> Tables:
    """Write prepared rows as Parquet and open them."""
    frames = {
        table.name: pa.table(
            {
                column.name: pa.array(
                    [row[column.name] for row in rows_by_table[table.name]], ARROW_TYPES[column.dtype]
                )
                for column in table.columns
            }
            | {
                ROW: pa.array([row[ROW] for row in rows_by_table[table.name]], pa.int64()),
                TIME: pa.array([row[TIME] for row in rows_by_table[table.name]], pa.timestamp("us")),
            }
        )
        for table in schema.tables
    }
    return open_frames(schema, frames, directory, memory_bytes=memory_bytes)


def open_frames(
    schema: Schema, frames: Mapping[str, pa.Table], directory: Path, *, memory_bytes: int = 10**9
) -> Tables:
    """Write prepared Arrow tables as Parquet and open them."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {}
    for number, (name, frame) in enumerate(frames.items()):
        paths[name] = directory / f"table{number}.parquet"
        pq.write_table(frame, paths[name], compression="zstd")
    return Tables(schema, paths, Resources(memory_bytes, 2), directory / "scratch")


def day(number: float) -> dt.datetime:
    """Return the instant ``number`` days after the start of 2020, without a zone."""
    return dt.datetime(2020, 1, 1) + dt.timedelta(days=number)
