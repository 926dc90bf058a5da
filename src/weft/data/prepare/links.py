"""What links give: times for tables without one, and keys that point nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import TIME, Link, Schema
from weft.data.engine import fetch_row, quote_name, quote_text
from weft.data.prepare.casts import Cast


@dataclass(frozen=True)
class LinkCounts:
    """Prepared rows of the child's table: all, those without a key, those whose key has no parent."""

    rows: int
    nulls: int
    dangling: int


def inherited_times(
    engine: Any,
    view: str,
    casts: Mapping[str, Cast],
    links: tuple[Link, ...],
    schema: Schema,
    paths: Mapping[str, Path],
    keep: str,
) -> pa.ChunkedArray | None:
    """Return the newest parent's time per kept row in the snapshot's order, ``None`` without links."""
    if not links:
        return None
    keys = {c: f"k{i}" for i, c in enumerate(sorted({c for k in links for c in k.columns}))}
    chosen = ", ".join(f"{casts[c].sql} AS {k}" for c, k in keys.items())
    base = f"SELECT {chosen}, file_row_number AS p FROM {view} WHERE {keep}"
    joins = []
    for i, link in enumerate(links):
        pairs = zip(link.columns, link.parent_columns, strict=True)
        on = " AND ".join(f"base.{keys[c]} = t{i}.{quote_name(p)}" for c, p in pairs)
        joins.append(f"LEFT JOIN ({_parent_times(link, schema, paths)}) t{i} ON {on}")
    newest = f"greatest({', '.join(f't{i}.{TIME}' for i in range(len(links)))})"
    rows = f"FROM base {' '.join(joins)} ORDER BY p"
    found = engine.sql(
        f"WITH base AS ({base}) SELECT CAST({newest} AS TIMESTAMP) AS t {rows}"
    ).to_arrow_table()
    return found.column(0)


def _parent_times(link: Link, schema: Schema, paths: Mapping[str, Path]) -> str:
    columns = ", ".join(quote_name(c) for c in link.parent_columns)
    source = f"read_parquet({quote_text(str(paths[link.parent]))})"
    if link.parent_columns == schema.table(link.parent).primary_key:
        return f"SELECT {columns}, {TIME} FROM {source}"
    return f"SELECT {columns}, max({TIME}) AS {TIME} FROM {source} GROUP BY {columns}"


def count_links(engine: Any, schema: Schema, paths: Mapping[str, Path]) -> dict[str, LinkCounts]:
    """Count, per link, the prepared rows without a key and those whose key has no parent."""
    return {link.name: _count_link(engine, link, paths) for link in sorted(schema.links)}


def _count_link(engine: Any, link: Link, paths: Mapping[str, Path]) -> LinkCounts:
    child = f"read_parquet({quote_text(str(paths[link.table]))})"
    parent = f"read_parquet({quote_text(str(paths[link.parent]))})"
    given = " AND ".join(f"c.{quote_name(n)} IS NOT NULL" for n in link.columns)
    pairs = zip(link.columns, link.parent_columns, strict=True)
    on = " AND ".join(f"c.{quote_name(n)} = p.{quote_name(q)}" for n, q in pairs)
    rows, keyed = fetch_row(engine, f"SELECT count(*), count(*) FILTER ({given}) FROM {child} c")
    matched = fetch_row(engine, f"SELECT count(*) FROM {child} c SEMI JOIN {parent} p ON {on}")[0]
    return LinkCounts(rows, rows - keyed, keyed - matched)
