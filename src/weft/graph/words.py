"""Dictionaries: the distinct values of columns that are stored as codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from weft.core import UserError
from weft.graph import _native
from weft.graph.layout import Layout, PackedColumn


def dictionary_checksum(path: Path) -> int:
    """Return the CRC-32C of a file, which is mapped and not held."""
    return _native.crc32c(np.memmap(path, np.uint8, "r"))


def read_dictionary(folder: Path, column: PackedColumn) -> pa.Array:
    """Check and map the dictionary of a column; its values, by code.

    Raises:
        UserError: ``GRAPH001`` when the file cannot be opened, ``GRAPH004`` when it is damaged.
    """
    assert column.dictionary is not None
    path = folder / column.dictionary
    check_dictionary(path, column.dictionary_crc)
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    values = table.column("value").combine_chunks()
    return values if isinstance(values, pa.Array) else pa.concat_arrays(values.chunks)


def check_dictionary(path: Path, crc: int) -> int:
    """Check the file of a dictionary against its checksum; return its bytes."""
    again = "materialize the graph again; its tables are still in the store."
    try:
        size = path.stat().st_size
        found = dictionary_checksum(path) if size else 0
    except OSError as error:
        raise UserError("GRAPH001", f"'{path}' cannot be opened: {error.strerror}.", again) from error
    if not size or found != crc:
        raise UserError("GRAPH004", f"'{path}' is damaged.", again)
    return size


def dictionaries_of(layout: Layout) -> Iterator[tuple[str, int]]:
    """Yield path and checksum of every dictionary of a graph."""
    for table in layout.tables:
        for column in table.columns:
            if column.dictionary is not None:
                yield column.dictionary, column.dictionary_crc
