"""Random tiny databases for hypothesis: nulls, ties, self-links, composite, dangling and missing keys.

Times lie on a grid of half days around the start of 2020, some a microsecond beside it, so that rows fall on
the bounds of windows. Floats are multiples of a quarter, so that sums are exact in any order.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from weft.core import Column, Dtype, Link, Schema, Stype, Table
from weft.data.tables import Tables
from weft.testing.tiny import Row, day, open_rows, prepare_rows

TABLE_NAMES = ("people", "big orders", "Größe", "select", "e")
DAYS = 100
MAX_ROWS = 14

INTEGERS = st.sampled_from([-2, -1, 0, 0, 1, 2, 3])
FLOATS = st.sampled_from([-1.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0])
TEXTS = st.sampled_from(["a", "b", "ab", "A", "b%a_", "", "ü", "it's"])
ITEMS = st.sampled_from(["a", "b", "ab", "A", "ü", "b c", "1", "it's", " b ", "\u00a0a\t", "", " "])
SEPARATORS = (",", ";", "|", "<>", "json")
INSTANTS = st.builds(
    lambda halves, micro: day(halves / 2) + dt.timedelta(microseconds=micro),
    st.integers(0, 2 * DAYS),
    st.sampled_from([0, 0, 0, 0, 1, -1]),
)


def sets(separator: str) -> st.SearchStrategy[str]:
    """Draw texts of several categories: none, one, doubled, with space around them, in every writing."""
    items = st.lists(ITEMS, max_size=4)
    if separator == "<>":
        return items.map(lambda found: "".join(f"<{item}>" for item in found))
    if separator != "json":
        return items.map(separator.join)
    others = st.sampled_from(["", " ", "[", "7", '["a", null, 1, 2.5, true]', "[ ]"])
    return st.one_of(items.map(json.dumps), items.map(lambda i: json.dumps(i, ensure_ascii=False)), others)


VALUES: dict[Stype, st.SearchStrategy[Any]] = {
    Stype.CATEGORICAL: TEXTS,
    Stype.TIMESTAMP: INSTANTS,
}
FEATURES = (
    Column("n", Dtype.INT, Stype.NUMERICAL),
    Column("x y", Dtype.FLOAT, Stype.NUMERICAL),
    Column("text", Dtype.STRING, Stype.CATEGORICAL),
    Column("flag", Dtype.BOOL, Stype.CATEGORICAL),
    Column("when", Dtype.TIMESTAMP, Stype.TIMESTAMP),
)
TAGS = Column("tags", Dtype.STRING, Stype.MULTICATEGORICAL)


@dataclass(frozen=True)
class TinyDatabase:
    """A schema with its prepared rows; the first table is the one to predict for."""

    schema: Schema
    rows: dict[str, list[Row]]

    def open(self, directory: Path) -> Tables:
        """Write the rows into a folder and open them for the data engine."""
        return open_rows(self.schema, self.rows, directory)

    def with_rows(self, table: str, rows: Sequence[Row]) -> TinyDatabase:
        """Return a copy with other rows in one table."""
        return TinyDatabase(self.schema, {**self.rows, table: list(rows)})


@st.composite
def databases(draw: st.DrawFn, *, max_tables: int = 5) -> TinyDatabase:
    """Draw a database of two to five tables with links from later tables to earlier ones or themselves."""
    names = TABLE_NAMES[: draw(st.integers(2, max_tables))]
    keys = [draw(st.sampled_from(["int", "text"]))]
    keys += [draw(st.sampled_from(["int", "text", "pair", "none"])) for _ in names[1:]]
    tables: list[Table] = []
    links: list[Link] = []
    for position, (name, kind) in enumerate(zip(names, keys, strict=True)):
        table, own_links = _draw_table(draw, name, kind, tables, position)
        tables.append(table)
        links += own_links
    schema = Schema(tuple(tables), tuple(links))
    rows: dict[str, list[Row]] = {}
    for table in tables:
        rows[table.name] = _draw_rows(draw, schema, table, rows)
    return TinyDatabase(schema, prepare_rows(schema, rows))


def _draw_table(
    draw: st.DrawFn, name: str, kind: str, earlier: list[Table], position: int
) -> tuple[Table, list[Link]]:
    key_types = {"int": [Dtype.INT], "text": [Dtype.STRING], "pair": [Dtype.INT, Dtype.STRING], "none": []}
    key = tuple(Column(f"key{i}", dtype, Stype.ID) for i, dtype in enumerate(key_types[kind]))
    tags = replace(TAGS, separator=draw(st.sampled_from(SEPARATORS)))
    columns = [*key, *FEATURES, tags]
    time = "at" if draw(st.integers(0, 3)) else None
    end = "until" if position == 0 and time and draw(st.booleans()) else None
    columns += [Column(c, Dtype.TIMESTAMP, Stype.TIMESTAMP) for c in (time, end) if c]
    own = Table(name, tuple(columns), tuple(c.name for c in key), time, end)
    parents = [t for t in earlier if t.primary_key]
    chosen = (
        [draw(st.sampled_from(parents)) for _ in range(draw(st.sampled_from([1, 1, 2])))] if parents else []
    )
    if own.primary_key and draw(st.integers(0, 3)) == 0:
        chosen.append(own)
    links = []
    for number, parent in enumerate(chosen):
        names = tuple(f"fk{number}_{c}" for c in parent.primary_key)
        types = [parent.column(c).dtype for c in parent.primary_key]
        columns += [Column(n, t, Stype.ID) for n, t in zip(names, types, strict=True)]
        links.append(Link(name, names, parent.name, parent.primary_key))
    return Table(name, tuple(columns), own.primary_key, time, end), links


def _draw_rows(draw: st.DrawFn, schema: Schema, table: Table, rows: dict[str, list[Row]]) -> list[Row]:
    made: list[Row] = []
    for number in range(draw(st.integers(0 if rows else 1, MAX_ROWS))):
        row: Row = {}
        for column in table.columns:
            row[column.name] = _draw_value(draw, table, column, number)
        for link in schema.links_from(table.name):
            parents = made if link.parent == table.name else rows[link.parent]
            row |= dict(zip(link.columns, _draw_key(draw, schema, link, parents), strict=True))
        made.append(row)
    return made


def _draw_value(draw: st.DrawFn, table: Table, column: Column, number: int) -> Any:
    if column.name in table.primary_key:
        # A few keys are given twice, or are null: preparation drops those rows.
        repeated = draw(st.integers(0, 9)) == 0
        value = None if repeated and draw(st.booleans()) else number - repeated
        return value if value is None or column.dtype is Dtype.INT else f"k{value}"
    if draw(st.integers(0, 4)) == 0:
        return None
    if column.stype is Stype.MULTICATEGORICAL:
        return draw(sets(column.separator or ","))
    by_dtype = {Dtype.INT: INTEGERS, Dtype.FLOAT: FLOATS, Dtype.BOOL: st.booleans()}
    return draw(by_dtype[column.dtype] if column.dtype in by_dtype else VALUES.get(column.stype, TEXTS))


def _draw_key(draw: st.DrawFn, schema: Schema, link: Link, parents: Sequence[Row]) -> tuple[Any, ...]:
    """Draw a foreign key: mostly a parent's, sometimes dangling, sometimes null."""
    kind = draw(st.sampled_from(["parent", "parent", "parent", "parent", "dangling", "null"]))
    if kind == "null" or (kind == "parent" and not parents):
        return tuple(None for _ in link.columns)
    if kind == "parent":
        parent = draw(st.sampled_from(parents))
        return tuple(parent[c] for c in link.parent_columns)
    types = [schema.table(link.parent).column(c).dtype for c in link.parent_columns]
    return tuple(99 if dtype is Dtype.INT else "k99" for dtype in types)
