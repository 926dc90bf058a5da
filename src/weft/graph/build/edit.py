"""What changed in a table whose rows keep their numbers, by digests of the columns that edges rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from weft.core import TIME, Schema, digest_value
from weft.graph.build.job import Edit, Job, TableWork
from weft.graph.layout import TableLayout


class ColumnDigests:
    """One digest per column over successive batches, whatever their length and what lies under nulls."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._found = {name: _ColumnDigest() for name in columns}

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the rows that follow; the batch may have other columns too."""
        for name, found in self._found.items():
            found.add(batch.column(name))

    def digests(self) -> dict[str, str]:
        """Return the digest of each column's values so far."""
        return {name: found.digest() for name, found in self._found.items()}


class _ColumnDigest:
    """Hashes values where they lie: a copy by Arrow costs a memory pool for the thread that makes it."""

    def __init__(self) -> None:
        self._values = hashlib.sha256()
        self._lengths = hashlib.sha256()
        self._nulls = hashlib.sha256()
        self._kind = ""
        self._num_rows = 0

    def add(self, array: pa.Array) -> None:
        self._kind = str(array.type)
        nulls = _nulls(array)
        if len(nulls):
            self._nulls.update((nulls + self._num_rows).astype("<i8").data)
        self._num_rows += len(array)
        if pa.types.is_string(array.type):
            self._add_texts(array.fill_null("") if len(nulls) else array)
        elif pa.types.is_boolean(array.type):
            self._values.update(array.cast(pa.uint8()).fill_null(0).to_numpy().data)
        elif len(array):
            first = array.offset
            values = np.frombuffer(array.buffers()[1], "<i8")[first : first + len(array)]
            if len(nulls):
                values = values.copy()
                values[nulls] = 0
            self._values.update(values.data)

    def _add_texts(self, array: pa.Array) -> None:
        _, ends, data = array.buffers()
        if len(array):
            each = np.frombuffer(ends, "<i4")[array.offset : array.offset + len(array) + 1]
            self._lengths.update(np.diff(each).data)
            self._values.update(memoryview(data or b"")[each[0] : each[-1]])

    def digest(self) -> str:
        parts = (self._values, self._lengths, self._nulls)
        return digest_value([self._kind, self._num_rows, *(p.hexdigest() for p in parts)])


def _nulls(array: pa.Array) -> np.ndarray[Any, Any]:
    """Return the positions of nulls."""
    if not array.null_count:
        return np.empty(0, np.int64)
    bits = np.frombuffer(array.buffers()[0], np.uint8)
    valid = np.unpackbits(bits, count=array.offset + len(array), bitorder="little")[array.offset :]
    return np.flatnonzero(valid == 0)


def fixed_columns(schema: Schema, table: str) -> list[str]:
    """Return the columns that edges rest on: keys, foreign keys, what links point to, the time."""
    columns = [*schema.table(table).primary_key]
    for link in schema.links:
        columns += link.columns if link.table == table else ()
        columns += link.parent_columns if link.parent == table else ()
    return list(dict.fromkeys([*columns, TIME]))


def find_edit(job: Job, work: TableWork, base: TableLayout) -> Edit:
    """Read the fixed columns of the rows that an earlier build read, and say which hold other values now.

    A column of which the earlier build kept no digest counts as changed. Costs one reading of those columns.
    """
    columns = fixed_columns(job.schema, work.name)
    changed: set[str] = set()
    found = []
    for stored in base.segments:
        digests = ColumnDigests(columns)
        for batch in job.rows(work.name, columns, stored.first_source, stored.num_rows):
            digests.add(batch)
        found.append(digests.digests())
        changed |= {c for c in columns if stored.digests.get(c) != found[-1][c]}
    return Edit(frozenset(changed), tuple(found))


def edit_of_values(base: TableLayout) -> Edit:
    """Return the edit of a table whose rows are packed anew and that changed in nothing else."""
    return Edit(frozenset(), tuple(s.digests for s in base.segments))
