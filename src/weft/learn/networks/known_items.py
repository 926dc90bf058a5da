"""The items that a network keeps an embedding of, by key, so that any graph of the schema finds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

from weft.core import GraphSource
from weft.learn.encoders.column import Array
from weft.learn.networks.inputs import NO_ROW

FILE = "items.arrow"


@dataclass(frozen=True)
class KnownItems:
    """Items that were true for a train seed, the most frequent first.

    Attributes:
        table: Table of the items.
        keys: Their keys; the item of ``keys[i]`` has the number ``i + 1``, any other item 0.
    """

    table: str
    keys: pa.Array

    def __len__(self) -> int:
        return len(self.keys)

    @staticmethod
    def of_truth(table: str, truth: pa.ChunkedArray, most: int) -> KnownItems:
        """Collect them from the true items of train.

        Args:
            table: Table of the items.
            truth: A list of keys per train seed.
            most: At most so many are kept.
        """
        flat = pa.chunked_array([c.flatten() for c in truth.chunks], type=truth.type.value_type)
        coded = flat.combine_chunks().drop_null().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        counts = np.bincount(coded.indices.to_numpy(), minlength=len(coded.dictionary))
        order = np.argsort(-counts, kind="stable")[:most]
        return KnownItems(table, coded.dictionary.take(pa.array(order)))

    def bind(self, source: GraphSource) -> Array:
        """Return the number of each row of the graph's table of items, int64 ``(rows,)``."""
        table = next(t for t in source.tables if t.name == self.table)
        numbers = np.zeros(table.num_rows, np.int64)
        rows = source.rows(self.table, self.keys)
        here = np.flatnonzero(rows != NO_ROW)
        numbers[rows[here]] = here + 1
        return numbers

    def save(self, directory: Path) -> None:
        """Write the keys."""
        table = pa.table({self.table: self.keys})
        with ipc.new_file(str(directory / FILE), table.schema) as file:
            file.write_table(table)

    @staticmethod
    def load(directory: Path) -> KnownItems:
        """Read the keys back."""
        with ipc.open_file((directory / FILE).read_bytes()) as file:
            table = file.read_all()
        keys = table.column(0).combine_chunks()
        return KnownItems(table.column_names[0], keys)
