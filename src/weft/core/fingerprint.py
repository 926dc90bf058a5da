"""Digests of successive rows of a prepared table, by which readers and builders tell what was appended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.core.reader import FINGERPRINT_ROWS


def fingerprint_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    """Digest each `FINGERPRINT_ROWS` successive rows; the last digest may cover fewer.

    The length of the batches does not count, nor what lies under a null. Every reader digests the
    columns of a table in the order of its schema and then its effective time, from a row whose
    number is a multiple of `FINGERPRINT_ROWS`.

    Args:
        batches: Rows in order, all with the same columns.

    Yields:
        32 hexadecimal digits per block of rows.
    """
    waiting: list[pa.RecordBatch] = []
    num_waiting = 0
    for batch in batches:
        while num_waiting + len(batch) >= FINGERPRINT_ROWS:
            taken = FINGERPRINT_ROWS - num_waiting
            yield _digest([*waiting, batch.slice(0, taken)])
            batch = batch.slice(taken)
            waiting, num_waiting = [], 0
        if len(batch):
            waiting.append(batch)
            num_waiting += len(batch)
    if waiting:
        yield _digest(waiting)


def _digest(batches: list[pa.RecordBatch]) -> str:
    table = pa.Table.from_batches(batches)
    sha = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        sha.update(f"{name}\0{array.type}\0".encode())
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
