"""A folder of Parquet and text files: a file per table, or a folder of parts per table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from weft.core import Finding, Resources, Severity, UserError, digest_value
from weft.data.declared import Declared
from weft.data.sources.batches import UNTYPED
from weft.data.sources.delimited import TextFile, TextOptions, open_text_file, read_text
from weft.data.sources.files import DataFile, is_data_file, is_hidden, is_local, open_folder, walk
from weft.data.sources.parquet import read_columns, read_parquet
from weft.data.sources.source import check_names, choose

_NOT_DATA = {"readme", "license", "licence", "copying", "notice", "changelog", "authors", "contributing"}
_NOT_DATA |= {"requirements", "manifest"}
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_CHUNK_BYTES = 1 << 22
_LEFT_OUT = {"empty_file", "no_table"}


class FolderSource:
    """Tables in the files of a folder or of any fsspec URL.

    ``orders.parquet`` is the table ``orders``; all data files below ``orders/`` are parts of the
    table ``orders``; folders named ``key=value`` give it a column ``key``. Hidden files, files
    that hold no table, and a folder ``tasks`` are left out.

    Args:
        url: Of the folder.
        tables: Name of a table → name in the folder; all tables without it.
        options: How text files are written, where they do not show it.
    """

    kind = "folder"

    def __init__(
        self, url: str, *, tables: dict[str, str] | None = None, options: TextOptions | None = None
    ) -> None:
        self.url = url
        self._options = options or TextOptions()
        filesystem, root = open_folder(url)
        self._findings: list[Finding] = []
        groups = self._group(filesystem, root)
        self._origin = choose(list(groups), tables, f"'{url}'")
        check_names(list(self._origin), f"'{url}'")
        self._files = {name: groups[origin] for name, origin in self._origin.items()}
        self._text_files: dict[str, TextFile] = {}

    @property
    def declared(self) -> Declared:
        """Files declare nothing."""
        return Declared()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Empty files, and files whose encoding had to be found."""
        return tuple(self._findings)

    def names(self) -> tuple[str, ...]:
        """Return the names of the tables, sorted."""
        return tuple(sorted(self._files))

    def batches(self, table: str, resources: Resources) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all parts in the order of their paths."""
        self._check_parts(table)
        for file in self._files[table]:
            read = read_parquet(file) if file.format == "parquet" else read_text(self._text(file))
            keys = _partition_keys(file)
            for batch in read:
                yield _with_keys(batch, keys) if keys else batch

    def fingerprints(self, resources: Resources) -> dict[str, str]:
        """Return a digest per table of its files' paths and bytes, and of the reading options.

        What was left out counts too: the snapshot says so, and must not say it of a file that is gone.
        """
        left_out = [f for f in self._findings if f.rule in _LEFT_OUT]
        said = [self._options, left_out] if left_out else [self._options]
        return {
            name: digest_value([*said, [[f.relative, _digest(f)] for f in self._files[name]]])
            for name in self.names()
        }

    def single_parquet(self, table: str) -> Path | None:
        """Return the one local Parquet file that is the table, ``None`` where it is more or other files."""
        first, *others = self._files[table]
        is_whole = not others and first.format == "parquet" and not _partition_keys(first)
        return Path(first.path) if is_whole and is_local(first.filesystem) else None

    def close(self) -> None:
        """Do nothing: files are closed as soon as they are read."""

    def _group(self, filesystem: Any, root: str) -> dict[str, list[DataFile]]:
        groups: dict[str, list[DataFile]] = {}
        for file in walk(filesystem, root):
            name = self._table_of(file, root)
            if name is None:
                continue
            if not file.size_bytes:
                self._findings.append(_empty_file(file, name))
                continue
            groups.setdefault(name, []).append(file)
        _check_single(groups)
        return groups

    def _table_of(self, file: DataFile, root: str) -> str | None:
        parts = PurePosixPath(file.relative).parts
        if _is_aside(file):
            return None
        if len(parts) == 1:
            return None if self._is_prose(file) else file.stem
        return PurePosixPath(root).name if "=" in parts[0] else parts[0]

    def _is_prose(self, file: DataFile) -> bool:
        if not file.is_loose_text or not file.size_bytes:
            return False
        dialect = open_text_file(file, self._options).dialect
        is_prose = dialect.is_single or (dialect.delimiter == " " and not dialect.has_numbers)
        if is_prose:
            self._findings.append(_no_table(file))
        return is_prose

    def _text(self, file: DataFile) -> TextFile:
        if file.path not in self._text_files:
            text = open_text_file(file, self._options)
            self._text_files[file.path] = text
            if text.encoding == "cp1252":
                self._findings.append(_western(file))
        return self._text_files[file.path]

    def _check_parts(self, table: str) -> None:
        """Refuse a folder whose files are tables of their own."""
        files = self._files[table]
        if len(files) < 2:
            return
        first = {c.casefold() for c in self._columns(files[0])}
        for file in files[1:]:
            columns = {c.casefold() for c in self._columns(file)}
            if len(first & columns) * 2 < min(len(first), len(columns)):
                raise UserError(
                    "DATA026",
                    f"'{files[0].relative}' and '{file.relative}' lie in one folder but are not parts "
                    f"of one table: they share {len(first & columns)} columns.",
                    "give each table a folder of its own, or connect to the folder itself.",
                )

    def _columns(self, file: DataFile) -> list[str]:
        if file.format == "parquet":
            return read_columns(file)
        return list(self._text(file).dialect.header)


def is_table_file(relative: str) -> bool:
    """Say whether a file of rows would be read as a table, or as a part of one.

    Args:
        relative: Path below the folder of the tables.

    Example:
        >>> is_table_file("orders/2025/part.parquet"), is_table_file("tasks/churn/test.parquet")
        (True, False)
    """
    parts = PurePosixPath(relative).parts
    if not parts or any(is_hidden(p) for p in parts) or not is_data_file(parts[-1]):
        return False
    return not _is_aside(DataFile(None, relative, relative, 0))


def _is_aside(file: DataFile) -> bool:
    """Say whether a data file is left out for its name or its place."""
    parts = PurePosixPath(file.relative).parts
    if parts[0] == "tasks" and len(parts) > 1:
        return True
    return file.stem.casefold() in _NOT_DATA and file.format == "text"


def _check_single(groups: dict[str, list[DataFile]]) -> None:
    for name, files in groups.items():
        tops = [f.relative for f in files if "/" not in f.relative]
        others = [f.relative for f in files if "/" in f.relative]
        if len(tops) > 1 or (tops and others):
            raise UserError(
                "DATA025",
                f"'{tops[0]}' and '{(tops[1:] + others)[0]}' both are the table '{name}'.",
                "rename one of them, or take it out of the folder.",
            )


def _partition_keys(file: DataFile) -> dict[str, str | None]:
    folders = PurePosixPath(file.relative).parts[:-1]
    pairs = (f.split("=", 1) for f in folders if "=" in f)
    return {unquote(k): None if v == _NULL_PARTITION else unquote(v) for k, v in pairs}


def _with_keys(batch: pa.RecordBatch, keys: dict[str, str | None]) -> pa.RecordBatch:
    fields, columns = list(batch.schema), list(batch.columns)
    for key, value in keys.items():
        if key not in batch.schema.names:
            fields.append(pa.field(key, pa.string(), metadata=UNTYPED))
            columns.append(pa.array([value] * batch.num_rows, pa.string()))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _digest(file: DataFile) -> str:
    import hashlib

    sha = hashlib.sha256()
    with file.open_arrow() as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()


def _empty_file(file: DataFile, table: str) -> Finding:
    return Finding(
        "empty_file",
        Severity.ALARM,
        table,
        (),
        f"'{file.relative}' has zero bytes and is not read.",
        "write the file again, or take it out of the folder.",
    )


def _no_table(file: DataFile) -> Finding:
    return Finding(
        "no_table",
        Severity.NOTE,
        file.stem,
        (),
        f"'{file.relative}' has no columns and is not read.",
        "call it .csv if it is a table of one column.",
    )


def _western(file: DataFile) -> Finding:
    return Finding(
        "encoding",
        Severity.NOTE,
        file.stem,
        (),
        f"'{file.relative}' is not UTF-8 and is read as Windows-1252.",
        "write it as UTF-8, or name its encoding.",
    )
