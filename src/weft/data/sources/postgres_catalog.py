"""What PostgreSQL's catalog says about tables, and how each type is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Link
from weft.data.declared import Declared
from weft.data.engine import quote_name

_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, t.typname, t.typcategory, e.typname AS element,
       CASE WHEN b.typname = 'numeric' AND a.atttypmod > 4 THEN (a.atttypmod - 4) & 65535 END AS scale
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type b ON b.oid = a.atttypid
LEFT JOIN pg_type t ON t.oid = CASE WHEN b.typtype = 'd' THEN b.typbasetype ELSE b.oid END
LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND (%(schemas)s::text[] IS NULL OR n.nspname = ANY(%(schemas)s))
  AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname, c.relname, a.attnum
"""
_CONSTRAINTS = """
SELECT n.nspname, c.relname, k.contype::text,
       (SELECT array_agg(a.attname::text ORDER BY u.i) FROM unnest(k.conkey) WITH ORDINALITY u(num, i)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num),
       fn.nspname, f.relname,
       (SELECT array_agg(a.attname::text ORDER BY u.i) FROM unnest(k.confkey) WITH ORDINALITY u(num, i)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE k.contype IN ('p', 'f') AND k.conparentid = 0
ORDER BY n.nspname, c.relname, k.conname
"""
_INTEGERS = {"int2", "int4", "int8", "oid"}
_FLOATS = {"float4", "float8"}
_DATES = {"date", "timestamp", "timestamptz"}
_NO_TICKS = 9 * 10**18


@dataclass(frozen=True)
class PostgresColumn:
    """One column: its name, and how its values travel as text."""

    name: str
    type: str
    category: str
    element: str | None
    scale: int | None

    @property
    def arrow(self) -> pa.DataType:
        """Type of the text that `sql` makes."""
        if self.type in _INTEGERS or self.type in _DATES:
            return pa.int64()
        if self.type in _FLOATS or self.type in ("numeric", "money", "interval", "time", "timetz"):
            return pa.float64()
        return pa.bool_() if self.type == "bool" else pa.string()

    @property
    def is_vector(self) -> bool:
        """Whether the values are lists of numbers."""
        numbers = _INTEGERS | _FLOATS | {"numeric"}
        return self.element in numbers or self.type in ("vector", "halfvec")

    @property
    def is_binary(self) -> bool:
        """Whether the values are bytes, which are not read."""
        return self.type == "bytea"

    @property
    def sql(self) -> str:
        """Expression whose text Arrow reads as `arrow`."""
        name = quote_name(self.name)
        if self.type in _DATES:
            # Ticks travel exactly; 'infinity' and years before Christ have none, and are counted later.
            ticks = f"(extract(epoch FROM {name}) * 1000000)::int8"
            first, last = "timestamp '0001-01-01'", "timestamp '9999-12-31 23:59:59.999999'"
            plain = f"{name} AT TIME ZONE 'UTC'" if self.type == "timestamptz" else name
            is_known = f"isfinite({name}) AND {plain} BETWEEN {first} AND {last}"
            return f"CASE WHEN {is_known} THEN {ticks} WHEN {name} IS NOT NULL THEN {_NO_TICKS} END"
        if self.type in ("interval", "time", "timetz"):
            return f"extract(epoch FROM {name})::float8"
        if self.type == "numeric":
            return f"{name}::float8"
        if self.type == "money":
            return f"{name}::numeric::float8"
        if self.is_binary:
            return "NULL::text"
        if self.type in ("vector", "halfvec"):
            return f"btrim({name}::text, '[]')"
        if self.is_vector:
            return f"array_to_string({name}, ',', 'nan')"
        if self.category == "A":
            return f"array_to_string({name}, '|')"
        return name if self.arrow != pa.string() else f"{name}::text"

    def finish(self, values: pa.Array) -> pa.Array:
        """Turn what was read into values of the column's type."""
        if self.type in _DATES:
            return values.cast(pa.timestamp("us"))
        if self.is_binary:
            return values.cast(pa.binary())
        if self.is_vector:
            return _vectors(values)
        if self.type == "numeric" and self.scale == 0:
            return _whole(values)
        return values


def _whole(values: pa.Array) -> pa.Array:
    if pc.all(pc.less(pc.abs(values), 2.0**53)).as_py() is False:
        return values
    return values.cast(pa.int64())


def _vectors(values: pa.Array) -> pa.Array:
    # An empty list has no length to share with others: it counts as missing.
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    words = pc.split_pattern(values, ",")
    numbers = pc.if_else(pc.equal(words.values, ""), pa.scalar(None, pa.string()), words.values)
    return pa.ListArray.from_arrays(words.offsets, numbers.cast(pa.float32()), mask=pc.is_null(words))


@dataclass(frozen=True)
class PostgresTable:
    """One table or view, and how to read it."""

    schema: str
    name: str
    columns: tuple[PostgresColumn, ...]
    primary_key: tuple[str, ...]

    def copy_sql(self) -> str:
        """Return the ``COPY`` that streams all rows, in order of the key if there is one."""
        columns = ", ".join(c.sql for c in self.columns)
        order = ", ".join(quote_name(k) for k in self.primary_key)
        order = f" ORDER BY {order}" if order else ""
        query = f"SELECT {columns} FROM {quote_name(self.schema)}.{quote_name(self.name)}{order}"
        return f"COPY ({query}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')"


@dataclass(frozen=True)
class Catalog:
    """Tables by the name Weft gives them, and foreign keys among them."""

    tables: dict[str, PostgresTable]
    foreign_keys: tuple[Link, ...]

    def declared(self, chosen: Mapping[str, str], place: str) -> Declared:
        """Return the declarations about the tables that were chosen, under their names."""
        by_origin = {origin: name for name, origin in chosen.items()}
        keys = {n: self.tables[o].primary_key for n, o in chosen.items() if self.tables[o].primary_key}
        links = [
            Link(by_origin[k.table], k.columns, by_origin[k.parent], k.parent_columns)
            for k in self.foreign_keys
            if k.table in by_origin and k.parent in by_origin
        ]
        return Declared(keys, {}, {}, tuple(sorted(links)), place)


def read_catalog(connection: Any, schemas: tuple[str, ...] | None) -> Catalog:
    """Read tables, views, columns and keys; those this user may not read are left out."""
    wanted = list(schemas) if schemas else None
    columns: dict[tuple[str, str], list[PostgresColumn]] = {}
    for schema, table, name, kind, category, element, scale in connection.execute(
        _COLUMNS, {"schemas": wanted}
    ).fetchall():
        found = columns.setdefault((schema, table), [])
        if name is not None:
            found.append(PostgresColumn(name, kind, category, element, scale))
    keys: dict[tuple[str, str], tuple[str, ...]] = {}
    links = []
    for schema, table, kind, own, parent_schema, parent, targets in connection.execute(
        _CONSTRAINTS
    ).fetchall():
        if kind == "p":
            keys[schema, table] = tuple(own)
        elif (schema, table) in columns and (parent_schema, parent) in columns:
            child, other = _name(schema, table), _name(parent_schema, parent)
            links.append(Link(child, tuple(own), other, tuple(targets)))
    tables = {
        _name(s, t): PostgresTable(s, t, tuple(c), keys.get((s, t), ())) for (s, t), c in columns.items()
    }
    return Catalog(tables, tuple(links))


def _name(schema: str, table: str) -> str:
    return table if schema == "public" else f"{schema}_{table}"
