"""Digests of successive rows of a prepared table, by which readers and builders tell what was appended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.core.reader import FINGERPRINT_ROWS


class Fingerprints:
    """Digests of each `FINGERPRINT_ROWS` successive rows, batch by batch; the last may cover fewer.

    The length of the batches does not count, nor what lies under a null. Every reader digests the
    columns of a table in the order of its schema and then its effective time, from a row whose
    number is a multiple of `FINGERPRINT_ROWS`. A digest is 32 hexadecimal digits.
    """

    def __init__(self) -> None:
        self._digests: list[str] = []
        self._waiting: list[pa.RecordBatch] = []
        self._num_waiting = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the rows that follow; all batches have the same columns."""
        while self._num_waiting + len(batch) >= FINGERPRINT_ROWS:
            taken = FINGERPRINT_ROWS - self._num_waiting
            self._digests.append(_digest([*self._waiting, batch.slice(0, taken)]))
            batch = batch.slice(taken)
            self._waiting, self._num_waiting = [], 0
        if len(batch):
            self._waiting.append(batch)
            self._num_waiting += len(batch)

    def digests(self) -> tuple[str, ...]:
        """Return the digests of all rows so far."""
        last = [_digest(self._waiting)] if self._waiting else []
        return (*self._digests, *last)


def fingerprint_batches(batches: Iterable[pa.RecordBatch]) -> tuple[str, ...]:
    """Return the digests of successive batches, see `Fingerprints`."""
    found = Fingerprints()
    for batch in batches:
        found.add(batch)
    return found.digests()


def _digest(batches: list[pa.RecordBatch]) -> str:
    table = pa.Table.from_batches(batches)
    sha = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        # The inner field of a list has a name, which says nothing about the values.
        kind = "list" if pa.types.is_list(array.type) else str(array.type)
        sha.update(f"{name}\0{kind}\0".encode())
        _feed(sha, array)
    return sha.hexdigest()[:32]


def _feed(sha: Any, array: pa.Array) -> None:
    """Feed an array's validity, lengths and values, never its buffers as they lie: they may hold anything."""
    if array.null_count:
        _feed_numbers(sha, array.is_valid().cast(pa.uint8()))
    sha.update(b"\1" if array.null_count else b"\0")
    if pa.types.is_list(array.type):
        _feed_numbers(sha, pc.list_value_length(array).fill_null(0))
        _feed(sha, array.flatten())
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        filled = array.fill_null("") if array.null_count else array
        _feed_numbers(sha, pc.binary_length(filled).cast(pa.int64()))
        _feed_text(sha, filled)
    elif pa.types.is_boolean(array.type):
        _feed_numbers(sha, array.cast(pa.uint8()).fill_null(0))
    elif pa.types.is_timestamp(array.type):
        _feed_numbers(sha, array.cast(pa.int64()).fill_null(0))
    else:
        _feed_numbers(sha, array.fill_null(0) if array.null_count else array)


def _feed_numbers(sha: Any, array: pa.Array) -> None:
    sha.update(memoryview(array.to_numpy()))


def _feed_text(sha: Any, array: pa.Array) -> None:
    _, lengths, data = array.buffers()
    if len(array) and data is not None:
        kind = pa.int64() if pa.types.is_large_string(array.type) else pa.int32()
        ends = pa.Array.from_buffers(kind, len(array) + 1, [None, lengths], offset=array.offset)
        sha.update(memoryview(data)[ends[0].as_py() : ends[-1].as_py()])
