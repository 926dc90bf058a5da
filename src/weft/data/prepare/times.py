"""The times of a table without one: taken from parents, unknown, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from weft.core import TIME, Link, Schema
from weft.data.engine import quote_name, quote_text
from weft.data.prepare.casts import Cast
from weft.data.prepare.inheritance import dated_links

_MISSING_PARENT, _NO_PARENT = 1, 2
_NEARLY_ALL = 0.9
_NUM_SHOWN = 5


@dataclass(frozen=True)
class LostRows:
    """Rows whose time cannot be known, with the first few in words.

    Attributes:
        positions: In the snapshot's file, from 0, int64, ascending.
        shown: Such as ``row 1 (order_id 7)``.
    """

    positions: np.ndarray[Any, Any]
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class InheritedTimes:
    """What the parents of a table's rows say about when they came to be.

    Attributes:
        times: The newest parent's time per row that has a key, in the snapshot's order.
        missing_parent: Rows that point to a parent in a table with times that is not there, and to no
            other that gives a time.
        no_parent: Rows that point to no such table, where nearly all others take a time in this way.
    """

    times: pa.ChunkedArray
    missing_parent: LostRows
    no_parent: LostRows


def inherit_times(
    engine: Any,
    view: str,
    table: str,
    casts: Mapping[str, Cast],
    schema: Schema,
    paths: Mapping[str, Path],
    keep: str,
) -> InheritedTimes | None:
    """Return the times that rows take from their parents, ``None`` where no parent has one.

    Args:
        engine: DuckDB with the view.
        view: Of the snapshot's table.
        table: Its name.
        casts: How its columns are read.
        schema: Of all tables.
        paths: Table → prepared file; those of the parents are written.
        keep: Condition that holds for the rows that count.
    """
    links = dated_links(schema, table)
    if not links:
        return None
    query = _states_sql(view, casts, links, set(schema.links_from(table)) - set(links), schema, paths, keep)
    found = engine.sql(query).to_arrow_table()
    times, states = found.column(0), found.column(1).to_numpy()
    missing, absent = states == _MISSING_PARENT, states == _NO_PARENT
    if not _is_nearly_all(len(times) - times.null_count, len(times) - int(missing.sum())):
        absent = np.zeros_like(absent)
    none = LostRows(np.empty(0, np.int64))
    if not (missing.any() or absent.any()):
        return InheritedTimes(times, none, none)
    rows = engine.sql(f"SELECT file_row_number FROM {view} WHERE {keep} ORDER BY file_row_number")
    positions = rows.to_arrow_table().column(0).to_numpy()
    columns = sorted({c for k in links for c in k.columns})
    return InheritedTimes(
        times,
        LostRows(positions[missing], _shown(engine, view, casts, columns, positions[missing])),
        LostRows(positions[absent], _shown(engine, view, casts, (), positions[absent])),
    )


def _is_nearly_all(num_known: int, num_rows: int) -> bool:
    return num_known > 0 and num_known >= _NEARLY_ALL * num_rows


def _states_sql(
    view: str,
    casts: Mapping[str, Cast],
    links: tuple[Link, ...],
    others: Iterable[Link],
    schema: Schema,
    paths: Mapping[str, Path],
    keep: str,
) -> str:
    """Return a query for time and state of each row, in the snapshot's order."""
    keys = {c: f"k{i}" for i, c in enumerate(sorted({c for k in links for c in k.columns}))}
    chosen = ", ".join(f"{casts[c].sql} AS {k}" for c, k in keys.items())
    leans = _any(_all(f"({casts[c].sql}) IS NOT NULL" for c in k.columns) for k in sorted(others))
    base = f"SELECT {chosen}, {leans} AS leans, file_row_number AS p FROM {view} WHERE {keep}"
    joins, keyed, dangling = [], [], []
    for i, link in enumerate(links):
        pairs = list(zip(link.columns, link.parent_columns, strict=True))
        on = " AND ".join(f"base.{keys[c]} = t{i}.{quote_name(p)}" for c, p in pairs)
        joins.append(f"LEFT JOIN ({_parent_times(link, schema, paths)}) t{i} ON {on}")
        keyed.append(_all(f"base.{keys[c]} IS NOT NULL" for c in link.columns))
        dangling.append(f"({keyed[-1]} AND t{i}.{quote_name(link.parent_columns[0])} IS NULL)")
    newest = f"greatest({', '.join(f't{i}.{TIME}' for i in range(len(links)))})"
    state = (
        f"CASE WHEN {newest} IS NOT NULL THEN 0 WHEN {_any(dangling)} THEN {_MISSING_PARENT} "
        f"WHEN leans AND NOT {_any(keyed)} THEN {_NO_PARENT} ELSE 0 END"
    )
    return (
        f"WITH base AS ({base}) SELECT CAST({newest} AS TIMESTAMP) AS t, CAST({state} AS UTINYINT) AS state "
        f"FROM base {' '.join(joins)} ORDER BY p"
    )


def _all(conditions: Iterable[str]) -> str:
    return f"({' AND '.join(conditions)})"


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(conditions) or 'false'})"


def _parent_times(link: Link, schema: Schema, paths: Mapping[str, Path]) -> str:
    columns = ", ".join(quote_name(c) for c in link.parent_columns)
    source = f"read_parquet({quote_text(str(paths[link.parent]))})"
    if link.parent_columns == schema.table(link.parent).primary_key:
        return f"SELECT {columns}, {TIME} FROM {source}"
    return f"SELECT {columns}, max({TIME}) AS {TIME} FROM {source} GROUP BY {columns}"


def _shown(
    engine: Any,
    view: str,
    casts: Mapping[str, Cast],
    columns: Iterable[str],
    positions: np.ndarray[Any, Any],
) -> tuple[str, ...]:
    names = list(columns)
    first = ", ".join(str(p) for p in positions[:_NUM_SHOWN])
    if not first:
        return ()
    values = ", ".join(["file_row_number + 1", *(f"CAST({casts[c].sql} AS VARCHAR)" for c in names)])
    found = engine.execute(
        f"SELECT {values} FROM {view} WHERE file_row_number IN ({first}) ORDER BY file_row_number"
    ).fetchall()
    return tuple(_words(number, names, keys) for number, *keys in found)


def _words(number: int, names: list[str], keys: list[str | None]) -> str:
    given = [f"{n} {k[:60]}" for n, k in zip(names, keys, strict=True) if k is not None]
    return f"row {number} ({', '.join(given)})" if given else f"row {number}"
