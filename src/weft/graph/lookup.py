"""Rows of keys and keys of rows, by the key files of a graph."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Dtype, UserError
from weft.graph import _native
from weft.graph.keycolumns import columns_given
from weft.graph.keyfiles import open_stored_keys
from weft.graph.layout import NO_ROW, Layout, TableLayout

Array = np.ndarray[Any, Any]
_PIECE = 1 << 20
_Accepts = Callable[[pa.DataType], bool]


def _any_of(*tests: _Accepts) -> _Accepts:
    return lambda given: any(test(given) for test in (*tests, pa.types.is_null))


_STORAGE: Mapping[Dtype, pa.DataType] = {
    Dtype.INT: pa.int64(),
    Dtype.FLOAT: pa.float64(),
    Dtype.BOOL: pa.bool_(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us"),
}
_ACCEPTED: Mapping[Dtype, _Accepts] = {
    Dtype.INT: _any_of(pa.types.is_integer, pa.types.is_floating),
    Dtype.FLOAT: _any_of(pa.types.is_integer, pa.types.is_floating),
    Dtype.BOOL: _any_of(pa.types.is_boolean),
    Dtype.STRING: _any_of(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    Dtype.TIMESTAMP: _any_of(pa.types.is_timestamp, pa.types.is_date),
}


class KeyLookup:
    """Finds rows by keys and keys by rows.

    Key files are mapped at once, so that they stay readable when the folder is replaced or removed.

    May be used from several threads at once. See `Store.rows` and `Store.keys` for what goes in and out.

    Args:
        directory: Folder of the graph.
        layout: Its layout.
    """

    def __init__(self, directory: Path, layout: Layout) -> None:
        self._indexes = {
            table.name: open_stored_keys(directory, table.keys.segments)
            for table in layout.tables
            if table.keys.segments
        }

    def rows(self, table: TableLayout, keys: Any, threads: int) -> Array:
        """Return the rows of keys."""
        found = [self.find(table, batch, threads) for batch in key_batches(table, keys)]
        return np.concatenate(found) if found else np.empty(0, np.uint32)

    def find(self, table: TableLayout, batch: pa.RecordBatch, threads: int) -> Array:
        """Return the rows of one piece of what `key_batches` yields."""
        return self._index(table).find(batch, threads)

    def keys(self, table: TableLayout, rows: Array) -> list[Any]:
        """Return the keys of rows."""
        index = self._index(table)
        beyond = rows[(rows >= table.num_rows) & (rows != NO_ROW)]
        if beyond.size:
            raise UserError(
                "GRAPH040",
                f"table '{table.name}' has no row {beyond[0]}; it has {table.num_rows}.",
                "look rows up by their keys in this graph.",
            )
        read = _read_integers if table.keys.are_integers else _read_bytes
        none = (rows == NO_ROW).tolist()
        return [None if n else k for n, k in zip(none, read(index, table, rows), strict=True)]

    def _index(self, table: TableLayout) -> _native.StoredIndex:
        _check_has_key(table)
        return self._indexes[table.name]


def key_batches(table: TableLayout, keys: Any) -> Iterator[pa.RecordBatch]:
    """Yield keys piece by piece in the storage that the engine reads, once they are known to fit."""
    _check_has_key(table)
    return _batches(table, _columns(table, keys))


def keys_to_arrow(table: TableLayout, keys: list[Any]) -> pa.Table:
    """Return keys, as `KeyLookup.keys` gives them, as one column per column of the key."""
    dtypes = table.keys.dtypes
    none = (None,) * len(dtypes)
    columns = [keys] if len(dtypes) == 1 else list(zip(*(k or none for k in keys), strict=True))
    if not keys:
        columns = [[] for _ in dtypes]
    arrays = [pa.array(list(c), _STORAGE[d]) for c, d in zip(columns, dtypes, strict=True)]
    return pa.table(arrays, names=[str(i) for i in range(len(dtypes))])


def keys_from_arrow(stored: pa.Table) -> list[Any]:
    """Return what `keys_to_arrow` was given."""
    columns = [_values_of(c) for c in stored.columns]
    if len(columns) == 1:
        return columns[0]
    pairs = zip(*columns, strict=True)
    return [None if all(v is None for v in key) else key for key in pairs]


def _values_of(column: pa.ChunkedArray) -> list[Any]:
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    micros = column.cast(pa.int64()).to_pylist()
    return [None if m is None else np.datetime64(m, "us") for m in micros]


def _check_has_key(table: TableLayout) -> None:
    if not table.keys.segments:
        raise UserError(
            "GRAPH044",
            f"table '{table.name}' has no primary key.",
            "name its key in weft.yaml and materialize again, or use row numbers.",
        )


def _columns(table: TableLayout, keys: Any) -> list[pa.ChunkedArray]:
    """Return the columns of keys as they are, once they are known to fit."""
    wanted = table.keys.dtypes
    given = columns_given(table, keys)
    if len(given) != len(wanted):
        _refuse(
            table,
            f"the number of columns given is {len(given)}",
            "give one column of values per column of the key, or a list of tuples as keys() returns it.",
        )
    columns = [_arrow(table, column) for column in given]
    for dtype, column in zip(wanted, columns, strict=True):
        if not _ACCEPTED[dtype](column.type):
            types = ", ".join(str(c.type) for c in columns)
            _refuse(table, f"values of type {types} were given", "give keys of the types of the table's key.")
    if len({len(c) for c in columns}) > 1:
        lengths = ", ".join(str(len(c)) for c in columns)
        _refuse(table, f"columns of {lengths} values were given", "give as many values in each column.")
    return columns


def _arrow(table: TableLayout, column: Any) -> pa.ChunkedArray:
    try:
        if not isinstance(column, (pa.Array, pa.ChunkedArray)):
            column = pa.array(column, from_pandas=True)
        chunked = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
        if pa.types.is_dictionary(chunked.type):
            return chunked.cast(chunked.type.value_type)
        if chunked.type == pa.uuid():
            return pa.chunked_array([_uuid_texts(chunked)])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        _refuse(table, f"those given are not one column of such values ({error})", _FORMS)
    return chunked


def _uuid_texts(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if u is None else str(uuid.UUID(str(u))) for u in column.to_pylist()], pa.string())


def _batches(table: TableLayout, columns: list[pa.ChunkedArray]) -> Iterator[pa.RecordBatch]:
    """Yield keys piece by piece in the storage that the engine reads."""
    names = list(table.keys.columns)
    for piece in pa.Table.from_arrays(columns, names).to_batches(max_chunksize=_PIECE):
        try:
            cast = [_cast(c, d) for c, d in zip(piece.columns, table.keys.dtypes, strict=True)]
        except pa.ArrowException as error:
            _refuse(table, f"one that was given cannot be any ({error})", "leave it out, or correct it.")
        yield pa.record_batch(cast, names)


def _cast(column: pa.Array, dtype: Dtype) -> pa.Array:
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_timestamp(column.type) and column.type.tz:
        return column.cast(pa.timestamp("us", column.type.tz))
    return column.cast(_STORAGE[dtype])


def _refuse(table: TableLayout, what: str, hint: str) -> NoReturn:
    pairs = zip(table.keys.columns, table.keys.dtypes, strict=True)
    key = ", ".join(f"{name} {dtype.value}" for name, dtype in pairs)
    raise UserError("GRAPH044", f"keys of '{table.name}' are ({key}); {what}.", hint)


_FORMS = "give an Arrow array, a numpy array or a list of values of one type."


def _read_integers(index: _native.StoredIndex, table: TableLayout, rows: Array) -> Sequence[Any]:
    found = index.integers(rows)
    if table.keys.dtypes == (Dtype.TIMESTAMP,):
        return list(found.view("datetime64[us]"))
    if table.keys.dtypes == (Dtype.BOOL,):
        return list(map(bool, found.tolist()))
    return list(found.tolist())


def _read_bytes(index: _native.StoredIndex, table: TableLayout, rows: Array) -> Iterator[Any]:
    ends, data = index.texts(rows)
    starts = ends.tolist()
    dtypes = table.keys.dtypes
    for i, is_none in enumerate((rows == NO_ROW).tolist()):
        raw = data[starts[i] : starts[i + 1]]
        if is_none:
            yield None
        elif dtypes == (Dtype.STRING,):
            yield raw.decode()
        else:
            parts = tuple(_parts(raw, dtypes))
            yield parts if len(parts) > 1 else parts[0]


def _parts(raw: bytes, dtypes: tuple[Dtype, ...]) -> Iterator[Any]:
    """Yield the values of a key that is bytes, as `weft.graph.layout.Keys` says."""
    at = 0
    for dtype in dtypes:
        if dtype is Dtype.STRING:
            (size,) = struct.unpack_from("<I", raw, at)
            yield raw[at + 4 : at + 4 + size].decode()
            at += 4 + size
        elif dtype is Dtype.BOOL:
            yield raw[at] != 0
            at += 1
        else:
            (value,) = struct.unpack_from("<d" if dtype is Dtype.FLOAT else "<q", raw, at)
            yield np.datetime64(value, "us") if dtype is Dtype.TIMESTAMP else value
            at += 8
