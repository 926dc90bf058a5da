"""Dictionaries: the distinct values of columns that are stored as codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from weft.core import Dtype, UserError
from weft.graph import _native
from weft.graph.keyfiles import key_files, open_stored_keys
from weft.graph.layout import File, KeyKind, KeySegment, Layout, PackedColumn
from weft.graph.once import Once

_PAYLOAD = 4096
_NUMBERS = {Dtype.INT: pa.int64(), Dtype.FLOAT: pa.float64()}


class Dictionaries:
    """The dictionaries of a graph: their files are mapped at once, values are read when first asked for.

    What is mapped stays readable when the graph's folder is replaced or removed.

    Args:
        folder: Of the graph.
        layout: Its layout.

    Raises:
        UserError: ``GRAPH001`` … ``GRAPH006`` for a file that is damaged or not the graph's.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._mapped = {
            f"{table.name}\0{column.name}": _Mapped(folder, column)
            for table in layout.tables
            for column in table.columns
            if column.dictionary is not None
        }
        self._read = Once(lambda name: self._mapped[name].read())

    def get(self, table: str, column: str) -> pa.Array:
        """Return the values of a column of codes, by code."""
        return self._read.get(f"{table}\0{column}")


class _Mapped:
    """The mapped files of one dictionary."""

    def __init__(self, folder: Path, column: PackedColumn) -> None:
        parts = [w.values for w in column.dictionary or ()]
        self.folder, self.parts, self.dtype = folder, parts, column.dtype
        self.num_values = sum(part.num_rows for part in parts)
        self.index = open_stored_keys(folder, parts) if parts else None

    def read(self) -> pa.Array:
        kind = _NUMBERS.get(self.dtype, pa.string())
        if self.index is None:
            return pa.array([], kind)
        codes = np.arange(self.num_values, dtype=np.uint32)
        if kind != pa.string():
            numbers = self.index.integers(codes)
            return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])
        starts, text = self.index.texts(codes)
        buffers = [None, pa.py_buffer(starts), pa.py_buffer(text)]
        try:
            values = pa.Array.from_buffers(pa.large_string(), len(codes), buffers)
            values.validate(full=True)
        except pa.ArrowInvalid as error:
            raise _misfit(self.folder, self.parts[0], error) from error
        return values.cast(pa.string())


def read_words(folder: Path, words: Sequence[KeySegment], dtype: Dtype) -> pa.Array:
    """Check and map the values of successive parts of a dictionary; for a build that goes on from them."""
    kind = _NUMBERS.get(dtype, pa.string())
    parts = [_read_words(folder, w, kind) for w in words]
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def _read_words(folder: Path, words: KeySegment, kind: pa.DataType) -> pa.Array:
    named = {n: _payload(folder, f, k, size) for n, (f, k, size) in key_files(words).items() if n != "slots"}
    if words.kind is KeyKind.BYTES:
        kind, buffers = pa.large_string(), [None, named["offsets"], named["bytes"]]
    else:
        buffers = [None, named["values"]]
    try:
        values = pa.Array.from_buffers(kind, words.num_rows, buffers)
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _misfit(folder, words, error) from error
    return values.cast(pa.string()) if words.kind is KeyKind.BYTES else values


def _misfit(folder: Path, words: KeySegment, error: pa.ArrowInvalid) -> UserError:
    file = words.offsets or words.values
    assert file is not None
    return UserError(
        "GRAPH006",
        f"'{folder / file.path}' does not hold the values that the manifest promises ({error}).",
        "materialize the graph again from its tables.",
    )


def _payload(folder: Path, file: File, kind: _native.Kind, item_bytes: int) -> pa.Buffer:
    path = str(folder / file.path)
    size = _native.check_file(path, kind, item_bytes, file.root)
    with pa.memory_map(path) as source:
        source.seek(_PAYLOAD)
        return source.read_buffer(size)
