"""A SQLite file, read by the standard library."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from weft.core import Finding, Link, Resources, UnavailableError, UserError, digest_file, digest_value
from weft.data.declared import Declared
from weft.data.sources.canonical import Kind
from weft.data.sources.literals import kind_of, parse
from weft.data.sources.parquet import first_line
from weft.data.sources.source import batch_rows, check_names, choose

_WAIT_S = 1.0
_TIMES = ("DATE", "TIME")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteSource:
    """Tables and views of a SQLite file, with the keys it declares.

    SQLite checks no types, so each column is what its values are. Text in columns declared as a
    date or time, and the 0 and 1 of columns declared as Boolean, are read as such where all are.
    """

    kind = "sqlite"
    findings: tuple[Finding, ...] = ()

    def __init__(self, path: Path, *, tables: dict[str, str] | None = None) -> None:
        if not path.is_file():
            raise UserError("DATA020", f"there is no file '{path}'.", "give the path of a SQLite file.")
        self.path = path
        with self._open() as connection:
            found = connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
            ).fetchall()
            self._origin = choose([n for (n,) in found], tables, f"'{path}'")
            check_names(list(self._origin), f"'{path}'")
            self._declared = _declared(connection, self._origin, path.name)

    @property
    def declared(self) -> Declared:
        """Primary and foreign keys of the file."""
        return self._declared

    def names(self) -> tuple[str, ...]:
        """Return the names of the tables and views, sorted."""
        return tuple(sorted(self._origin))

    def batches(self, table: str, resources: Resources) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the order SQLite keeps them: by row id, or by key without one."""
        with self._open() as connection:
            origin = _quoted(self._origin[table])
            described = connection.execute(f"PRAGMA table_xinfo({origin})").fetchall()
            declared = {row[1]: (row[2] or "").upper() for row in described}
            cursor = connection.execute(f"SELECT * FROM {origin}")
            names = [d[0] for d in cursor.description]
            kinds = [declared.get(n, "") for n in names]
            yield _batch(names, kinds, [])
            while rows := cursor.fetchmany(batch_rows(len(names))):
                yield _batch(names, kinds, rows)

    def fingerprints(self, resources: Resources) -> dict[str, str]:
        """Return a digest of the file, and of its write-ahead log, per table."""
        log = self.path.with_name(self.path.name + "-wal")
        content = [digest_file(p) for p in (self.path, log) if p.exists()]
        return {n: digest_value([origin, *content]) for n, origin in self._origin.items()}

    def close(self) -> None:
        """Do nothing: connections are closed as soon as a table is read."""

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            # What a writer that died left half done is undone by the next to open the file, who must write.
            is_left = self.path.with_name(self.path.name + "-journal").exists()
            mode = "rw" if is_left and os.access(self.path, os.W_OK) else "ro"
            address = f"file:{quote(str(self.path.resolve()))}?mode={mode}"
            with closing(sqlite3.connect(address, uri=True, timeout=_WAIT_S)) as connection:
                connection.text_factory = _decode
                yield connection
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) in _BUSY:
                raise UnavailableError(
                    "DATA031", f"'{self.path}' is in use by another process.", "try again when it is free."
                ) from error
            raise UserError(
                "DATA030",
                f"'{self.path}' cannot be read as a SQLite file: {first_line(error)}",
                "check that the file is whole.",
            ) from error


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", errors="replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _batch(names: list[str], kinds: list[str], rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [_array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _array(values: tuple[Any, ...], kind: str) -> pa.Array:
    types = {type(v) for v in values} - {type(None)}
    if not types:
        return pa.nulls(len(values), _declared_type(kind))
    if types == {bytes}:
        return pa.array(values, pa.binary())
    if types <= {int, float}:
        if "BOOL" in kind and set(values) <= {0, 1, None}:
            return pa.array([None if v is None else bool(v) for v in values], pa.bool_())
        return pa.array(values, pa.float64() if float in types else pa.int64())
    texts = pa.array([None if v is None else _text(v) for v in values], pa.string())
    if types == {str} and any(word in kind for word in _TIMES):
        found = kind_of(texts)
        if found == Kind.TIME:
            return parse(texts, found, pa.timestamp("us"))
    return texts


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _declared_type(kind: str) -> pa.DataType:
    """The type of an empty column: only what the file declares is known."""
    tests = (
        ("BOOL", pa.bool_()),
        ("INT", pa.int64()),
        *((word, pa.timestamp("us")) for word in _TIMES),
        *((word, pa.float64()) for word in ("REAL", "FLOA", "DOUB")),
    )
    return next((t for word, t in tests if word in kind), pa.null())


def _declared(connection: sqlite3.Connection, origin: dict[str, str], name: str) -> Declared:
    by_origin = {o.casefold(): n for n, o in origin.items()}
    keys: dict[str, tuple[str, ...]] = {}
    for table, source in origin.items():
        rows = connection.execute(f"PRAGMA table_info({_quoted(source)})").fetchall()
        columns = tuple(r[1] for r in sorted(rows, key=lambda r: r[5]) if r[5])
        if columns:
            keys[table] = columns
    links = []
    for table, source in origin.items():
        by_number: dict[int, list[Any]] = {}
        for row in connection.execute(f"PRAGMA foreign_key_list({_quoted(source)})").fetchall():
            by_number.setdefault(row[0], []).append(row)
        for rows in by_number.values():
            parent = by_origin.get(rows[0][2].casefold())
            if parent is None:
                continue
            ordered = sorted(rows, key=lambda r: r[1])
            columns = tuple(r[3] for r in ordered)
            # A reference without columns means the parent's key.
            targets = tuple(r[4] for r in ordered) if ordered[0][4] else keys.get(parent, ())
            if len(targets) == len(columns):
                links.append(Link(table, columns, parent, targets))
    return Declared(keys, {}, {}, tuple(sorted(links)), name)
