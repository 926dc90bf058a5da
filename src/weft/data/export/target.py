"""Choose how a table is written from the name of its target."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import UserError
from weft.data.export import databases, files
from weft.data.export.errors import export_errors
from weft.data.export.plain import Rows
from weft.data.sources.connectors import is_duckdb_file, url_path

MODES = ("append", "replace")
_Writer = Callable[[Rows, Path, str, str], int]


@dataclass(frozen=True)
class Exported:
    """Where a table went, and how many rows are there now."""

    target: str
    rows_written: int
    rows_total: int


def export_frame(
    table: pa.Table | pa.RecordBatchReader,
    target: str | os.PathLike[str],
    *,
    table_name: str = "predictions",
    mode: str = "append",
) -> Exported:
    """Write ``table`` to a file or a database, all of it or nothing.

    A file is written beside the old one and takes its place at the end; a database is written in
    one transaction. Whatever goes wrong, the old content is there as it was.

    Args:
        table: What to write; batches of a reader are never in memory together on the way to a file.
        target: ``x.parquet``; ``x.csv`` or ``x.tsv``, also ``.gz``; the same behind an fsspec URL;
            ``x.duckdb`` or ``duckdb:///path``; ``x.sqlite``, a new ``x.db``, or ``sqlite:///path``;
            ``postgresql://…``.
        table_name: Table of a database; files have none. ``schema.table`` in PostgreSQL.
        mode: ``"append"`` adds rows to what is there and needs the same columns and types;
            ``"replace"`` takes its place.

    Raises:
        UserError: ``DATA041`` for an unknown target or mode, ``DATA042`` when the columns of what
            is there differ, ``DATA044`` when it may not be written, ``DATA028`` when a server
            refuses.
        UnavailableError: ``DATA043`` when the disk is full, ``DATA031`` when a file is in use,
            ``DATA029`` when a server does not answer.
    """
    if mode not in MODES:
        raise UserError("DATA041", f"'{mode}' is no way to write.", "choose append or replace.")
    text, rows = os.fspath(target), Rows(table)
    scheme, _, rest = text.partition("://")
    if scheme in ("postgresql", "postgres") and rest:
        total = databases.write_postgres(rows.table(), text, table_name, mode)
        return Exported(databases.postgres_place(text), rows.num_read, total)
    if rest and scheme not in ("duckdb", "sqlite", "file"):
        return _write_remote(rows, text, mode)
    path = url_path(rest) if rest else Path(text).expanduser()
    return _write_local(rows, path, scheme if rest else "", table_name, mode)


def _write_local(rows: Rows, path: Path, scheme: str, table_name: str, mode: str) -> Exported:
    write = _writer(path, scheme)
    with export_errors(str(path)):
        total = write(rows, path, table_name, mode)
    return Exported(str(path), rows.num_read, total)


def _writer(path: Path, scheme: str) -> _Writer:
    if scheme == "duckdb" or path.suffix in (".duckdb", ".ddb"):
        return _whole(databases.write_duckdb)
    if scheme == "sqlite" or path.suffix in (".sqlite", ".sqlite3", ".db3"):
        return _whole(databases.write_sqlite)
    if path.suffix == ".db":
        # Both engines use this ending: what is there decides, and a new file is SQLite's.
        return _whole(databases.write_duckdb if is_duckdb_file(path) else databases.write_sqlite)
    return _file_writer(path.name)


def _whole(write: Callable[[pa.Table, Path, str, str], int]) -> _Writer:
    """Give a writer that needs all rows at once these."""
    return lambda rows, *rest: write(rows.table(), *rest)


def _file_writer(name: str) -> _Writer:
    lowered = name.lower()
    if lowered.endswith((".parquet", ".pq")):
        return files.write_parquet
    if lowered.removesuffix(".gz").endswith((".csv", ".tsv")):
        return files.write_text
    raise UserError(
        "DATA041",
        f"'{name}' does not say how to write it.",
        "give a name that ends with .parquet, .csv, .duckdb or .sqlite, or a database URL.",
    )


def _write_remote(rows: Rows, url: str, mode: str) -> Exported:
    import fsspec

    write = _file_writer(url.rsplit("/", 1)[-1])
    filesystem: Any
    with export_errors(url), tempfile.TemporaryDirectory() as folder:
        filesystem, remote = fsspec.core.url_to_fs(url)
        path = Path(folder) / url.rsplit("/", 1)[-1]
        if mode == "append" and filesystem.exists(remote):
            filesystem.get_file(remote, str(path))
        total = write(rows, path, "", mode)
        # Object stores show an object when all of it has arrived, and not before.
        filesystem.put_file(str(path), remote)
    return Exported(url, rows.num_read, total)
