"""Tables made in memory, prepared by plain loops, and opened for the data engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import ROW, TIME, Dtype, Link, Resources, Schema
from weft.data.prepare.inheritance import dated_links, preparation_order
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
    without a time column takes the newest time among the parents it points to, and is dropped where
    that cannot be known: see `weft.data.prepare.times`.
    """
    prepared: dict[str, list[Row]] = {}
    for name in preparation_order(schema):
        table = schema.table(name)
        rows = [
            {**row, ROW: number, TIME: row[table.time_column] if table.time_column else None}
            for number, row in enumerate(rows_by_table[name])
            if all(row[c] is not None for c in table.primary_key)
        ]
        if table.time_column:
            rows = [row for row in rows if row[TIME] is not None]
        elif links := dated_links(schema, name):
            rows = _with_known_times(rows, links, schema.links_from(name), prepared)
        prepared[name] = _first_of_keys(rows, table.primary_key) if table.primary_key else rows
    return {table.name: prepared[table.name] for table in schema.tables}


def _first_of_keys(rows: list[Row], columns: Sequence[str]) -> list[Row]:
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        found.setdefault(tuple(row[c] for c in columns), row)
    return list(found.values())


def _with_known_times(
    rows: list[Row],
    dated: Sequence[Link],
    links: Sequence[Link],
    rows_by_table: Mapping[str, Sequence[Row]],
) -> list[Row]:
    """Hand the newest parent's time to each row, and leave out those whose time cannot be known."""
    kept: list[Row] = []
    gaps: set[int] = set()
    for row in rows:
        keyed = [link for link in links if all(row[c] is not None for c in link.columns)]
        parents = [_parents(row, k, rows_by_table[k.parent]) for k in keyed if k in dated]
        times = [parent[TIME] for found in parents for parent in found if parent[TIME] is not None]
        if times:
            row[TIME] = max(times)
        elif not all(parents):
            continue
        elif keyed and not parents:
            gaps.add(row[ROW])
        kept.append(row)
    num_known = sum(row[TIME] is not None for row in kept)
    is_nearly_all = num_known and 10 * num_known >= 9 * len(kept)
    return [row for row in kept if row[ROW] not in gaps] if is_nearly_all else kept


def _parents(row: Row, link: Link, candidates: Sequence[Row]) -> list[Row]:
    key = [row[c] for c in link.columns]
    return [parent for parent in candidates if [parent[c] for c in link.parent_columns] == key]


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
