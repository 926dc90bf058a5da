"""Dictionaries: the distinct values of columns that are stored as codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from weft.core import Dtype, UserError
from weft.graph import _native
from weft.graph.keyfiles import key_files
from weft.graph.layout import File, KeyKind, KeySegment, PackedColumn

_PAYLOAD = 4096
_NUMBERS = {Dtype.INT: pa.int64(), Dtype.FLOAT: pa.float64()}


def read_dictionary(folder: Path, column: PackedColumn) -> pa.Array:
    """Check and map the dictionary of a column; its values, by code.

    Raises:
        UserError: ``GRAPH001`` … ``GRAPH006`` for a file that is damaged or not the graph's.
    """
    return read_words(folder, [w.values for w in column.dictionary or ()], column.dtype)


def read_words(folder: Path, words: Sequence[KeySegment], dtype: Dtype) -> pa.Array:
    """Check and map the values of successive parts of a dictionary; see `read_dictionary`."""
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
