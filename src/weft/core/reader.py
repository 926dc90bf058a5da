"""What an engine needs to read prepared tables that another engine keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from weft.core.schema import Schema

ROW = "__row"
TIME = "__time"
FINGERPRINT_ROWS = 65_536


class TableReader(Protocol):
    """Reads prepared tables row by row, in order, without holding a table in memory.

    The rows of a table are numbered 0 … n-1. Besides its own columns each has `ROW`, its number,
    and `TIME`, when it came to be (timestamp[us], null for a row without time, visible always).
    """

    schema: Schema

    def num_rows(self, table: str) -> int:
        """Return the number of rows of a table."""
        ...

    def batches(self, table: str, columns: Sequence[str], *, start: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of the rows from ``start`` on, in order of `ROW`.

        Columns have the storage of their `Dtype`; the length of a batch is the reader's choice.
        """
        ...

    def fingerprints(self, table: str) -> tuple[str, ...]:
        """Return a digest of each `FINGERPRINT_ROWS` successive rows; the last may hold fewer.

        Two readers whose digests of a block agree hold the same values there, so that what was
        appended since is found without reading what was there before.
        """
        ...
