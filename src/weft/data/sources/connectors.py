"""Open a source from what the user names: a path, a URL, or frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from weft.core import UserError
from weft.data.sources.delimited import TextOptions
from weft.data.sources.folder import FolderSource
from weft.data.sources.memory import MemorySource
from weft.data.sources.relbench_folder import (
    DATABASE,
    RelbenchSource,
    has_manifest,
    is_bare_database,
)
from weft.data.sources.source import Source

GROUP = "weft.connectors"
_DUCKDB_SUFFIXES = (".duckdb", ".ddb")
_SQLITE_SUFFIXES = (".sqlite", ".sqlite3", ".db3")


def connect(
    source: Any,
    *,
    tables: Mapping[str, str] | None = None,
    use_manifest: bool = True,
    delimiter: str | None = None,
    encoding: str | None = None,
    schemas: tuple[str, ...] | None = None,
) -> Source:
    """Open a source of tables; nothing is copied yet.

    Args:
        source: A mapping of name → pandas, polars, Arrow, DuckDB or Ibis table; a folder of Parquet
            and text files, or an fsspec URL of one; a RelBench folder; a DuckDB or SQLite file;
            ``duckdb:///path``, ``sqlite:///path``, ``postgresql://…``; or a URL whose scheme an
            installed connector registers.
        tables: Name of a table in Weft → its name in the source; all tables without it.
        use_manifest: Take keys, times and links from a RelBench folder's ``manifest.yaml``.
        delimiter: Of text files, where it cannot be seen from them.
        encoding: Of text files, likewise.
        schemas: Of a PostgreSQL database; all but the system's own without it.

    Raises:
        UserError: ``DATA020`` when nothing is found at ``source``, ``EXT002`` when no connector
            knows its scheme; and what each connector raises.

    Example:
        >>> import pyarrow as pa
        >>> connect({"users": pa.table({"id": [1, 2]})}).names()
        ('users',)
    """
    chosen = None if tables is None else dict(tables)
    if isinstance(source, Mapping):
        return MemorySource(source, tables=chosen)
    text = _path_or_url(source)
    scheme, _, rest = text.partition("://")
    options = TextOptions(delimiter, encoding)
    if rest:
        return _connect_url(text, scheme, rest, chosen, options, schemas)
    return _connect_path(Path(text).expanduser(), chosen, options, use_manifest=use_manifest)


def _path_or_url(source: Any) -> str:
    if not isinstance(source, (str, os.PathLike)):
        raise UserError(
            "DATA020",
            f"a {type(source).__name__} is not a source.",
            "give a path, a URL, or a mapping from names to tables.",
        )
    return os.fspath(source)


def _connect_url(
    url: str,
    scheme: str,
    rest: str,
    tables: dict[str, str] | None,
    options: TextOptions,
    schemas: tuple[str, ...] | None,
) -> Source:
    if scheme == "duckdb":
        return _duckdb(url_path(rest), tables)
    if scheme == "sqlite":
        return _sqlite(url_path(rest), tables)
    if scheme in ("postgresql", "postgres"):
        from weft.data.sources.postgres import PostgresSource

        return PostgresSource(url, tables=tables, schemas=schemas)
    plugin = _plugin(scheme)
    if plugin is not None:
        return plugin(url, tables=tables)
    import fsspec

    if scheme not in fsspec.available_protocols():
        raise UserError(
            "EXT002",
            f"no connector knows '{scheme}://'.",
            "use a folder, duckdb:///, sqlite:///, postgresql://, s3://, or install a connector.",
        )
    return FolderSource(url, tables=tables, options=options)


def url_path(rest: str) -> Path:
    """``duckdb:///x.db`` is a path from where we are, ``duckdb:////x.db`` one from the root."""
    path = unquote(rest.removeprefix("/"))
    # An absolute path written with three slashes is accepted where only it exists.
    if not Path(path).exists() and Path("/" + path).exists():
        return Path("/" + path)
    return Path(path)


def _plugin(scheme: str) -> Callable[..., Source] | None:
    found = [e for e in entry_points(group=GROUP) if e.name == scheme]
    if not found:
        return None
    try:
        loaded: Callable[..., Source] = found[0].load()
    except Exception as error:
        raise UserError(
            "EXT003",
            f"the connector for '{scheme}://' ({found[0].value}) cannot be loaded: {error}.",
            "install what it needs, or ask its author.",
        ) from error
    return loaded


def _connect_path(
    path: Path, tables: dict[str, str] | None, options: TextOptions, *, use_manifest: bool
) -> Source:
    if path.is_file():
        return _connect_file(path, tables)
    if has_manifest(path):
        return RelbenchSource(path, tables=tables, use_manifest=use_manifest)
    if is_bare_database(path):
        path = path / DATABASE
    return FolderSource(str(path), tables=tables, options=options)


def _connect_file(path: Path, tables: dict[str, str] | None) -> Source:
    if _head(path).startswith(b"SQLite format 3") or path.suffix in _SQLITE_SUFFIXES:
        return _sqlite(path, tables)
    if is_duckdb_file(path) or path.suffix in _DUCKDB_SUFFIXES:
        return _duckdb(path, tables)
    raise UserError(
        "DATA020",
        f"'{path}' is neither a folder nor a DuckDB or SQLite file.",
        "give the folder that holds the file.",
    )


def is_duckdb_file(path: Path) -> bool:
    """Say whether there is a file that begins as DuckDB's do."""
    return path.is_file() and _head(path)[8:12] == b"DUCK"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _duckdb(path: Path, tables: dict[str, str] | None) -> Source:
    from weft.data.sources.duckdb_file import DuckdbSource

    return DuckdbSource(path, tables=tables)


def _sqlite(path: Path, tables: dict[str, str] | None) -> Source:
    from weft.data.sources.sqlite_file import SqliteSource

    return SqliteSource(path, tables=tables)
