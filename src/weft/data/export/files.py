"""Parquet and text files: written aside, then put in place at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from weft.data.export.errors import mismatch
from weft.data.export.plain import Rows, flat_columns

_CHUNK_BYTES = 1 << 20
_GROUP_ROWS = 1 << 20


def write_parquet(rows: Rows, path: Path, table_name: str, mode: str) -> int:
    """Write or append to a Parquet file; return the number of rows it holds."""
    is_append = mode == "append" and path.exists()
    with _in_place_of(path) as new, pq.ParquetFile(path) if is_append else _nothing() as old:
        schema = old.schema_arrow if old is not None else rows.schema
        if not schema.equals(rows.schema):
            raise mismatch(str(path), _types(schema), _types(rows.schema))
        with pq.ParquetWriter(new, schema, compression="zstd") as writer:
            for batch in old.iter_batches() if old is not None else ():
                writer.write_batch(batch)
            for batch in _large(rows.batches()):
                writer.write_table(batch)
        num_old = old.metadata.num_rows if old is not None else 0
    return int(num_old + rows.num_read)


def _large(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Put batches together as far as a row group should go: many small ones are slow to read."""
    held: list[pa.RecordBatch] = []
    num_held = 0
    for batch in batches:
        held.append(batch)
        num_held += batch.num_rows
        if num_held >= _GROUP_ROWS:
            yield pa.Table.from_batches(held)
            held, num_held = [], 0
    if held:
        yield pa.Table.from_batches(held)


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


def _types(schema: pa.Schema) -> dict[str, str]:
    return {f.name: str(f.type) for f in schema}


def write_text(rows: Rows, path: Path, table_name: str, mode: str) -> int:
    """Write or append to a text file with a header; return the number of rows it holds.

    Lists are written as JSON. The types of rows already there are not known: only names are
    compared.
    """
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    schema = flat_columns(rows.schema.empty_table()).schema
    is_append = mode == "append" and path.exists() and path.stat().st_size > 0
    num_old = _check_text(schema.names, path, delimiter) if is_append else 0
    options = pv.WriteOptions(include_header=not is_append, delimiter=delimiter)
    with _in_place_of(path) as new, _open_write(new, path) as sink:
        if is_append:
            _copy_lines(path, sink)
        with pv.CSVWriter(sink, schema, write_options=options) as writer:
            for batch in rows.batches():
                writer.write_table(flat_columns(pa.Table.from_batches([batch])))
    return num_old + rows.num_read


def _copy_lines(path: Path, sink: pa.NativeFile) -> None:
    last = b"\n"
    with _open_read(path) as old:
        while chunk := old.read(_CHUNK_BYTES):
            sink.write(chunk)
            last = chunk[-1:]
    if last != b"\n":
        sink.write(b"\n")


def _open_read(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None)


def _open_write(path: Path, named: Path) -> pa.NativeFile:
    return pa.output_stream(str(path), compression="gzip" if named.suffix == ".gz" else None)


def _check_text(wanted: list[str], path: Path, delimiter: str) -> int:
    with _open_read(path) as stream:
        reader = pv.open_csv(
            stream, parse_options=pv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        )
        names = reader.schema.names
        if names != wanted:
            there = dict.fromkeys(names, "text")
            raise mismatch(str(path), there, dict.fromkeys(wanted, "text"))
    with _open_read(path) as stream:
        texts = pv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        parse = pv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        return sum(b.num_rows for b in pv.open_csv(stream, parse_options=parse, convert_options=texts))


@contextmanager
def _in_place_of(path: Path) -> Iterator[Path]:
    """Give a path to write; what is there takes the place of ``path`` when the block ends well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    new = Path(name)
    try:
        yield new
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, new)
        else:
            new.chmod(0o666 & ~_umask())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
