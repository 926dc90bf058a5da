"""A DuckDB file, opened for reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import Finding, Link, Resources, UnavailableError, UserError, digest_file, digest_value
from weft.data.declared import Declared
from weft.data.engine import quote_name, settle
from weft.data.sources.parquet import first_line
from weft.data.sources.source import batch_rows, check_names, choose

_LISTED = (
    "SELECT schema_name, table_name AS name FROM duckdb_tables() WHERE NOT internal AND NOT temporary "
    "UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal AND NOT temporary "
    "ORDER BY ALL"
)
_CONSTRAINTS = (
    "SELECT schema_name, table_name, constraint_type, constraint_column_names, referenced_table, "
    "referenced_column_names FROM duckdb_constraints() ORDER BY table_oid, constraint_index"
)


class DuckdbSource:
    """Tables and views of a DuckDB file, with the keys it declares.

    Tables outside the schema ``main`` are called ``schema_table``.
    """

    kind = "duckdb"
    findings: tuple[Finding, ...] = ()

    def __init__(self, path: Path, *, tables: dict[str, str] | None = None) -> None:
        if not path.is_file():
            raise UserError("DATA020", f"there is no file '{path}'.", "give the path of a DuckDB file.")
        self.path = path
        with self._open(None) as engine:
            found = {_name(s, n): (s, n) for s, n in engine.execute(_LISTED).fetchall()}
            chosen = choose(list(found), tables, f"'{path}'")
            check_names(list(chosen), f"'{path}'")
            self._origin = {name: found[origin] for name, origin in chosen.items()}
            self._declared = _declared(engine, self._origin, path.name)

    @property
    def declared(self) -> Declared:
        """Primary and foreign keys of the file."""
        return self._declared

    def names(self) -> tuple[str, ...]:
        """Return the names of the tables and views, sorted."""
        return tuple(sorted(self._origin))

    def batches(self, table: str, resources: Resources) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the order of the file."""
        schema, origin = self._origin[table]
        with self._open(resources) as engine:
            relation = engine.sql(f"SELECT * FROM {quote_name(schema)}.{quote_name(origin)}")
            reader = relation.to_arrow_reader(batch_rows(len(relation.columns)))
            empty = [pa.nulls(0, f.type) for f in reader.schema]
            yield pa.RecordBatch.from_arrays(empty, schema=reader.schema)
            yield from reader

    def fingerprints(self, resources: Resources) -> dict[str, str]:
        """Return a digest of the file, and of its write-ahead log, per table."""
        log = self.path.with_name(self.path.name + ".wal")
        content = [digest_file(p) for p in (self.path, log) if p.exists()]
        return {n: digest_value([list(origin), *content]) for n, origin in self._origin.items()}

    def close(self) -> None:
        """Do nothing: the file is closed as soon as a table is read."""

    @contextmanager
    def _open(self, resources: Resources | None) -> Iterator[Any]:
        import duckdb

        try:
            engine = duckdb.connect(str(self.path), read_only=True)
            try:
                # Set afterwards: connections of one process to one file must agree on their configuration.
                settle(engine)
                if resources is not None:
                    engine.execute(f"SET threads = {resources.threads}")
                    megabytes = max(resources.memory_bytes // 1_000_000, 1)
                    engine.execute(f"SET memory_limit = '{megabytes}MB'")
                yield engine
            finally:
                engine.close()
        except duckdb.ConnectionException as error:
            raise self._in_use(error) from error
        except duckdb.IOException as error:
            if "lock" in str(error).casefold():
                raise self._in_use(error) from error
            raise self._unreadable(error) from error
        except duckdb.OutOfMemoryException:
            raise
        except (duckdb.Error, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def _in_use(self, error: BaseException) -> UnavailableError:
        return UnavailableError(
            "DATA031",
            f"'{self.path}' is in use: {first_line(error)}",
            "close the connection that writes to it, then try again.",
        )

    def _unreadable(self, error: BaseException) -> UserError:
        return UserError(
            "DATA030",
            f"'{self.path}' cannot be read as a DuckDB file: {first_line(error)}",
            "check that the file is whole and of a version that the installed DuckDB reads.",
        )


def _name(schema: str, table: str) -> str:
    return table if schema == "main" else f"{schema}_{table}"


def _declared(engine: Any, origin: dict[str, tuple[str, str]], name: str) -> Declared:
    by_origin = {o: n for n, o in origin.items()}
    keys: dict[str, tuple[str, ...]] = {}
    links = []
    for schema, table, kind, columns, parent, targets in engine.execute(_CONSTRAINTS).fetchall():
        child = by_origin.get((schema, table))
        if child is None:
            continue
        if kind == "PRIMARY KEY":
            keys[child] = tuple(columns)
        elif kind == "FOREIGN KEY" and (found := by_origin.get((schema, parent))):
            links.append(Link(child, tuple(columns), found, tuple(targets)))
    return Declared(keys, {}, {}, tuple(sorted(links)), name)
