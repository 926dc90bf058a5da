"""Number the keys and write the rows of a RelBench folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import ROW, Schema, Split, Table
from weft.data.engine import fetch_row, quote_name, quote_text
from weft.data.relbench.layout import Layout


def _source(paths: Mapping[str, Path], table: str) -> str:
    return f"read_parquet({quote_text(str(paths[table]))})"


def number_keys(engine: Any, paths: Mapping[str, Path], schema: Schema, layout: Layout) -> dict[str, bool]:
    """Make a table of key and number for every table with a key.

    Returns:
        Table → whether its key is its number already.
    """
    is_same = {}
    for name in layout.keys:
        key = schema.table(name).primary_key
        columns = ", ".join(quote_name(c) for c in key)
        engine.execute(
            f"CREATE TABLE {_numbers(name)} AS SELECT {ROW}, {columns}, "
            f"row_number() OVER (ORDER BY {_order(name, layout)}) - 1 AS __number FROM {_source(paths, name)}"
        )
        differ = f"TRY_CAST({quote_name(key[0])} AS BIGINT) IS DISTINCT FROM __number"
        number = fetch_row(engine, f"SELECT count(*) FROM {_numbers(name)} WHERE {differ}")[0]
        is_same[name] = len(key) > 1 or number == 0
    return is_same


def _numbers(table: str) -> str:
    return quote_name(f"n_{table}")


def _order(table: str, layout: Layout) -> str:
    time = layout.times.get(table)
    return f"{quote_name(time)} NULLS LAST, {ROW}" if time else ROW


def write_rows(
    engine: Any,
    paths: Mapping[str, Path],
    layout: Layout,
    is_same: Mapping[str, bool],
    table: Table,
    path: Path,
) -> None:
    """Write one table with its keys and foreign keys numbered, sorted by time."""
    numbered = layout.numbered(table.name)
    key = layout.keys.get(table.name)
    chosen = [f"r.{quote_name(c.name)}" for c in table.columns if c.name not in numbered]
    joins = []
    if key is not None:
        chosen.insert(0, f"k.__number AS {quote_name(key)}")
        joins.append(f"JOIN {_numbers(table.name)} k ON r.{ROW} = k.{ROW}")
        if not is_same[table.name]:
            chosen.append(f"r.{quote_name(key)} AS {quote_name(f'{key}_value')}")
    for i, foreign in enumerate(f for f in layout.foreign if f.link.table == table.name):
        chosen.append(f"p{i}.__number AS {quote_name(foreign.column)}")
        pairs = zip(foreign.link.columns, foreign.link.parent_columns, strict=True)
        on = " AND ".join(f"r.{quote_name(c)} = p{i}.{quote_name(p)}" for c, p in pairs)
        joins.append(f"LEFT JOIN {_numbers(foreign.link.parent)} p{i} ON {on}")
    time = layout.times.get(table.name)
    order = f"r.{quote_name(time)} NULLS LAST, r.{ROW}" if time else f"r.{ROW}"
    source = f"FROM {_source(paths, table.name)} r {' '.join(joins)}"
    _copy(engine, f"SELECT {', '.join(chosen)} {source} ORDER BY {order}", path)


def _copy(engine: Any, query: str, path: Path) -> None:
    target = quote_text(str(path))
    engine.execute(f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd)").fetchall()


@dataclass(frozen=True)
class NumberedKey:
    """A table, its own key, and the column in which its numbers stand."""

    table: str
    column: str
    number: str


def write_labels(
    engine: Any, labels: pa.Table, split: Split, entity: NumberedKey, item: NumberedKey | None, path: Path
) -> None:
    """Write the labels of one split with entities, and listed items, as numbers.

    Args:
        engine: DuckDB in which `number_keys` has run.
        labels: Entity, ``anchor_time``, ``label``, ``split``.
        split: To write.
        entity: What the labels are about.
        item: What the labels list; ``None`` for labels that are values.
        path: File to write.
    """
    engine.register("labels", labels)
    number = quote_name(entity.number)
    base = (
        f"SELECT l.anchor_time AS timestamp, e.__number AS {number}, l.label FROM labels l "
        f"JOIN {_numbers(entity.table)} e ON l.{quote_name(entity.column)} = e.{quote_name(entity.column)} "
        f"WHERE l.split = {quote_text(split.value)}"
    )
    query = f"SELECT * FROM ({base}) ORDER BY timestamp, {number}"
    if item is not None:
        single = f"SELECT timestamp, {number}, unnest(label) AS label FROM ({base})"
        query = (
            f"SELECT timestamp, {number}, list(i.__number ORDER BY i.__number) AS {quote_name(item.number)} "
            f"FROM ({single}) b JOIN {_numbers(item.table)} i ON b.label = i.{quote_name(item.column)} "
            f"GROUP BY ALL ORDER BY timestamp, {number}"
        )
    _copy(engine, query, path)
    engine.unregister("labels")
