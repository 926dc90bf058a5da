"""Encoded features, column by column: where columns come from, and where the matrix is kept.

Matrices are float32 in column order, so that one feature is a contiguous run and LightGBM reads them as they
are. In files they are plain ``.npy``, mapped when they are read: processes and threads share the pages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_mapped: WeakValueDictionary[tuple[int, ...], np.ndarray] = WeakValueDictionary()
_opening = threading.Lock()


@dataclass(frozen=True)
class Columns:
    """A table that is read one column at a time.

    Attributes:
        schema: Names and types.
        num_rows: Of the table.
        read: Returns the column of a name.
    """

    schema: pa.Schema
    num_rows: int
    read: Callable[[str], pa.ChunkedArray]

    @staticmethod
    def of_table(table: pa.Table) -> Columns:
        """Read from a table in memory."""
        return Columns(table.schema, table.num_rows, table.column)

    @staticmethod
    def of_file(path: Path) -> Columns:
        """Read from a Parquet file; it is never in memory as a whole."""
        file = pq.ParquetFile(path)

        def read(name: str) -> pa.ChunkedArray:
            # Parquet takes a dot for nesting, so that other columns may come along.
            return file.read(columns=[name]).column(name)

        return Columns(file.schema_arrow, file.metadata.num_rows, read)

    def with_column(self, name: str, values: pa.ChunkedArray) -> Columns:
        """Add a column at the end."""
        schema = self.schema.append(pa.field(name, values.type))
        return Columns(schema, self.num_rows, lambda n: values if n == name else self.read(n))


class Writer(Protocol):
    """Takes the columns of one matrix, in order."""

    def put(self, column: np.ndarray) -> None:
        """Take the next column, float32 ``(rows,)``."""
        ...

    def finish(self) -> np.ndarray:
        """Return the matrix, to be read only."""
        ...


Place = Callable[[str, int, int], Writer]


def in_memory(name: str, num_rows: int, num_columns: int) -> Writer:
    """Keep the matrix ``name`` in memory."""
    return _MemoryWriter(num_rows, num_columns)


def in_folder(directory: Path) -> Place:
    """Keep matrices in ``<directory>/<name>.npy``."""
    return lambda name, rows, columns: _FileWriter(matrix_path(directory, name), rows, columns)


def matrix_path(directory: Path, name: str) -> Path:
    """Return where `in_folder` keeps the matrix ``name``."""
    return directory / f"{name}.npy"


def open_array(path: Path) -> np.ndarray:
    """Map an ``.npy`` file, once however often it is asked for: each map would count as memory anew."""
    status = path.stat()
    key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    with _opening:
        found = _mapped.get(key)
        if found is None:
            found = _mapped[key] = np.load(path, mmap_mode="r")
    return np.asarray(found)


def take(matrix: np.ndarray, rows: np.ndarray, columns: Sequence[int] | None = None) -> np.ndarray:
    """Copy some rows, and some of their columns, into a matrix in column order.

    Works a column at a time: numpy's own ``take`` would first copy all of a mapped matrix.
    """
    chosen = range(matrix.shape[1]) if columns is None else columns
    taken = np.empty((len(rows), len(chosen)), dtype=matrix.dtype, order="F")
    for place, column in enumerate(chosen):
        taken[:, place] = matrix[:, column][rows]
    return taken


class _MemoryWriter:
    def __init__(self, num_rows: int, num_columns: int) -> None:
        self._matrix = np.empty((num_rows, num_columns), dtype=np.float32, order="F")
        self._next = 0

    def put(self, column: np.ndarray) -> None:
        self._matrix[:, self._next] = column
        self._next += 1

    def finish(self) -> np.ndarray:
        return self._matrix


class _FileWriter:
    def __init__(self, path: Path, num_rows: int, num_columns: int) -> None:
        self._path = path
        # A file of that name may be mapped somewhere: its content must stay.
        path.unlink(missing_ok=True)
        self._file = path.open("wb")
        header = {"descr": "<f4", "fortran_order": True, "shape": (num_rows, num_columns)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def put(self, column: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(column, dtype="<f4").data)

    def finish(self) -> np.ndarray:
        self._file.close()
        return open_array(self._path)
