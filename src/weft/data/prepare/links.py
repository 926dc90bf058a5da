"""Keys that point nowhere, counted by link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.core import Link, Schema
from weft.data.engine import fetch_row, quote_name, quote_text


@dataclass(frozen=True)
class LinkCounts:
    """Prepared rows of the child's table: all, those without a key, those whose key has no parent."""

    rows: int
    nulls: int
    dangling: int


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
