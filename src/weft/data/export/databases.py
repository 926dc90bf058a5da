"""DuckDB, SQLite and PostgreSQL: written in one transaction."""

from __future__ import annotations

import datetime as dt
import io
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pv

from weft.core import UserError
from weft.data.engine import quote_name, settle
from weft.data.export.errors import mismatch
from weft.data.export.plain import flat_columns
from weft.data.sources.postgres import open_postgres, postgres_errors, without_password

_CHUNK_ROWS = 65_536


def write_duckdb(table: pa.Table, path: Path, table_name: str, mode: str) -> int:
    """Write or append to a table of a DuckDB file; return the number of rows it holds."""
    import duckdb

    is_new = not path.exists()
    name = quote_name(table_name)
    try:
        with closing(duckdb.connect(str(path))) as engine:
            settle(engine)
            engine.execute("BEGIN")
            engine.register("weft_rows", table)
            there = _duckdb_types(engine, table_name)
            if mode == "append" and there:
                new = {r[0]: r[1] for r in engine.execute("DESCRIBE weft_rows").fetchall()}
                if list(there.items()) != list(new.items()):
                    raise mismatch(f"{path}:{table_name}", there, new)
                engine.execute(f"INSERT INTO {name} SELECT * FROM weft_rows").fetchall()
            else:
                engine.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM weft_rows").fetchall()
            total = engine.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
            engine.execute("COMMIT")
            return int(total)
    except BaseException:
        if is_new:
            for left in (path, path.with_name(path.name + ".wal")):
                left.unlink(missing_ok=True)
        raise


def _duckdb_types(engine: Any, table_name: str) -> dict[str, str]:
    rows = engine.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name = current_schema() AND table_name = ? AND database_name = current_database() "
        "ORDER BY column_index",
        [table_name],
    ).fetchall()
    return dict(rows)


def write_sqlite(table: pa.Table, path: Path, table_name: str, mode: str) -> int:
    """Write or append to a table of a SQLite file; return the number of rows it holds.

    Times are written as ISO text and Booleans as 0 and 1, declared as such; lists as JSON.
    """
    table = flat_columns(table)
    types = {f.name: _sqlite_type(f.type) for f in table.schema}
    name = quote_name(table_name)
    is_new = not path.exists()
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            there = {r[1]: r[2] for r in connection.execute(f"PRAGMA table_info({name})")}
            if mode == "append" and there:
                if list(there.items()) != list(types.items()):
                    raise mismatch(f"{path}:{table_name}", there, types)
            else:
                connection.execute(f"DROP TABLE IF EXISTS {name}")
                columns = ", ".join(f"{quote_name(n)} {t}" for n, t in types.items())
                connection.execute(f"CREATE TABLE {name} ({columns})")
            marks = ", ".join("?" * len(types))
            for batch in table.to_batches(_CHUNK_ROWS):
                columns_ = [_sqlite_values(c) for c in batch.columns]
                connection.executemany(f"INSERT INTO {name} VALUES ({marks})", zip(*columns_, strict=True))
            total = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            connection.execute("COMMIT")
            return int(total)
    except BaseException:
        if is_new:
            path.unlink(missing_ok=True)
        else:
            _undo(path)
        raise


def _undo(path: Path) -> None:
    """Let SQLite take back what a failed write left in its journal, by reading the file."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0.1)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()


def _sqlite_type(kind: pa.DataType) -> str:
    tests: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
        (pa.types.is_boolean, "BOOLEAN"),
        (pa.types.is_integer, "INTEGER"),
        (pa.types.is_floating, "REAL"),
        (pa.types.is_decimal, "REAL"),
        (pa.types.is_temporal, "TIMESTAMP"),
    )
    return next((name for test, name in tests if test(kind)), "TEXT")


def _sqlite_values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        return [None if v is None else v.replace(tzinfo=None).isoformat(sep=" ") for v in column.to_pylist()]
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values: list[Any] = column.to_pylist()
    if pa.types.is_temporal(column.type):
        return [None if v is None else v.isoformat() if isinstance(v, dt.date) else str(v) for v in values]
    return values


def postgres_place(url: str) -> str:
    """Return a database URL without what is secret in it."""
    return without_password(url)


def write_postgres(table: pa.Table, url: str, table_name: str, mode: str) -> int:
    """Write or append to a table of a PostgreSQL database; return the number of rows it holds."""
    place = without_password(url)
    table = flat_columns(table)
    types = {f.name: _postgres_type(f.type) for f in table.schema}
    name = ".".join(quote_name(p) for p in table_name.split(".", 1))
    with postgres_errors(place), open_postgres(url) as connection:
        there = _postgres_types(connection, name)
        if there and list(there.items()) == list(types.items()):
            if mode == "replace":
                # Emptied and not dropped, so that grants and views stay.
                connection.execute(f"TRUNCATE {name}")
        elif there and mode == "append":
            raise mismatch(f"{place}:{table_name}", there, types)
        else:
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            columns = ", ".join(f"{quote_name(n)} {t}" for n, t in types.items())
            connection.execute(f"CREATE TABLE {name} ({columns})")
        _copy_in(connection, table, name)
        total = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        connection.commit()
    return int(total)


def _copy_in(connection: Any, table: pa.Table, name: str) -> None:
    options = pv.WriteOptions(include_header=False, quoting_style="needed")
    with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
        for batch in table.to_batches(_CHUNK_ROWS):
            sink = io.BytesIO()
            pv.write_csv(batch, sink, options)
            copy.write(sink.getvalue())


def _postgres_types(connection: Any, name: str) -> dict[str, str]:
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [name],
    ).fetchall()
    return dict(rows)


def _postgres_type(kind: pa.DataType) -> str:
    tests: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "bigint"),
        (pa.types.is_floating, "double precision"),
        (pa.types.is_decimal, "numeric"),
        (pa.types.is_date, "date"),
        (pa.types.is_time, "time without time zone"),
    )
    if pa.types.is_timestamp(kind):
        return "timestamp with time zone" if kind.tz else "timestamp without time zone"
    if pa.types.is_binary(kind):
        raise UserError("DATA044", "binary values cannot be written to PostgreSQL.", "leave the column out.")
    return next((name for test, name in tests if test(kind)), "text")
