"""The files of a data set: gathered from tables, and read again as Arrow, DuckDB or a source."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Resources, UserError
from weft.data.engine import engine_errors, open_duckdb, quote_name, quote_text
from weft.data.frames import is_frame, to_arrow
from weft.data.snapshot import file_name, take_snapshot
from weft.data.sources import Source, connect, is_table_file
from weft.data.sources.files import is_data_file
from weft.data.sources.folder import FolderSource
from weft.data.sources.relbench_folder import (
    DATABASE,
    MANIFEST,
    RelbenchSource,
    has_manifest,
    is_bare_database,
)
from weft.data.sources.writer import ParquetSink

_BATCH_ROWS = 65_536
_SIDECARS = ("-wal", ".wal", "-journal")


def gather_files(name: str, tables: Any, directory: Path, resources: Resources) -> dict[str, Path]:
    """Return the files that hold tables: those that are there as they are, the others written.

    A folder, its Parquet and text files, and a DuckDB or SQLite file are kept byte by byte, so that what is
    connected again has the same digests. Frames and databases behind a URL are streamed into Parquet: memory
    does not grow with the rows of an Arrow reader, a DuckDB relation, an Ibis table or a database.

    Args:
        name: Of the table, where one frame is given.
        tables: A path or URL as for `connect`, one data file, a frame, or a mapping from names to frames.
        directory: Where files are written, if any are.
        resources: Limits.

    Returns:
        Relative name → file.

    Raises:
        UserError: ``HUB011`` for what cannot be a data set, and what `connect` raises.
    """
    if isinstance(tables, Mapping):
        return _write_frames(tables, directory)
    if is_frame(tables):
        return _write_frames({name: tables}, directory)
    text = str(tables)
    if "://" in text:
        return _write_source(connect(text), directory, resources)
    path = Path(text).expanduser()
    if path.is_file() and is_data_file(path.name):
        return {path.name: path}
    # Before it is connected, which makes such a file, too.
    if path.is_file() and any(path.with_name(path.name + end).exists() for end in _SIDECARS):
        raise _no_dataset(f"'{path}' is being written", "close what writes it, then try again.")
    with contextlib.closing(connect(path)):  # says what is wrong with it
        return _files_of(path)


def _files_of(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {path.name: path}
    if has_manifest(path):
        return {MANIFEST: path / MANIFEST} | _below(path / DATABASE, f"{DATABASE}/")
    return _below(path / DATABASE if is_bare_database(path) else path, "")


def _below(folder: Path, prefix: str) -> dict[str, Path]:
    files = ((p.relative_to(folder).as_posix(), p) for p in sorted(folder.rglob("*")) if p.is_file())
    kept = {name: path for name, path in files if is_table_file(name)}
    if any("=" in name.split("/")[0] for name in kept):
        prefix += f"{folder.resolve().name}/"  # a table in partitions has the name of its folder
    return {f"{prefix}{name}": path for name, path in kept.items()}


def _write_frames(frames: Mapping[str, Any], directory: Path) -> dict[str, Path]:
    if not frames:
        raise _no_dataset("no table was given", "give frames by name, or a folder.")
    written = {}
    for name, frame in frames.items():
        path = directory / file_name(str(name))
        _write_frame(str(name), frame, path)
        written[path.name] = path
    return written


def _write_frame(name: str, frame: Any, path: Path) -> None:
    with engine_errors(f"writing the table '{name}'"):
        reader = _reader(frame)
        try:
            sink = ParquetSink(path, reader.schema)
            for batch in reader:
                sink.write(batch)
            sink.close()
        except pa.ArrowException as error:
            raise _no_dataset(
                f"table '{name}' cannot be written as Parquet: {error}", "convert or leave out that column."
            ) from error


def _reader(frame: Any) -> pa.RecordBatchReader:
    """Return the batches of a frame, without holding them all where the frame can be streamed."""
    if isinstance(frame, pa.RecordBatchReader):
        return frame
    for method, options in (("to_arrow_reader", (_BATCH_ROWS,)), ("to_pyarrow_batches", ())):
        if hasattr(frame, method):
            reader: pa.RecordBatchReader = getattr(frame, method)(*options)
            return reader
    return to_arrow(frame).to_reader(max_chunksize=_BATCH_ROWS)


def _write_source(source: Source, directory: Path, resources: Resources) -> dict[str, Path]:
    with contextlib.closing(source):
        info = take_snapshot(source, directory, resources=resources)
    return {table.file: directory / table.file for table in info.tables}


def source_path(folder: Path) -> Path:
    """Return what to connect in the folder of a data set: the folder, or the one database file in it."""
    found = list(folder.iterdir())
    is_database = len(found) == 1 and found[0].is_file() and not is_data_file(found[0].name)
    return found[0] if is_database else folder


def parquet_tables(source: Source, directory: Path, resources: Resources) -> dict[str, Path]:
    """Return one Parquet file per table of a source, those that are none yet written into ``directory``.

    A file that is there already is taken as it is.
    """
    found = {name: _parquet_of(source, name) or directory / file_name(name) for name in source.names()}
    if any(not path.exists() for path in found.values()):
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".part-") as scratch:
            take_snapshot(source, Path(scratch) / "tables", resources=resources)
            with contextlib.suppress(OSError):  # another process was faster, and wrote the same
                (Path(scratch) / "tables").rename(directory)
    return found


def _parquet_of(source: Source, table: str) -> Path | None:
    files = source.files if isinstance(source, RelbenchSource) else source
    return files.single_parquet(table) if isinstance(files, FolderSource) else None


def read_batches(path: Path) -> pa.RecordBatchReader:
    """Return a Parquet file as batches that are read as they are asked for."""
    file = pq.ParquetFile(path)
    return pa.RecordBatchReader.from_batches(file.schema_arrow, _batches(file))


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    with file:
        yield from file.iter_batches(_BATCH_ROWS)


def open_views(tables: Mapping[str, Path], resources: Resources) -> Any:
    """Open a DuckDB in memory in which each Parquet file is a view."""
    scratch = tempfile.mkdtemp(prefix="weft-")
    engine = open_duckdb(resources, Path(scratch))
    weakref.finalize(engine, shutil.rmtree, scratch, ignore_errors=True)
    for name, path in tables.items():
        engine.execute(f"CREATE VIEW {quote_name(name)} AS FROM read_parquet({quote_text(str(path))})")
    return engine


def _no_dataset(why: str, hint: str) -> UserError:
    return UserError("HUB011", f"this cannot be made a data set: {why}.", hint)
