"""What client and shard send each other: named arrays and a few plain values, without copies.

A message is a record batch of one row. Each array is a column of bytes whose field says type and shape; plain
values are JSON in the metadata of the schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, Any]
VERSION = 2


@dataclass(frozen=True)
class Message:
    """Plain values that ``json`` can write, and arrays by name."""

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)


def pack_table(table: pa.Table) -> Array:
    """Write an Arrow table as an array of bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), np.uint8)


def unpack_table(raw: Array) -> pa.Table:
    """Read what `pack_table` wrote; the table views the bytes, and points nowhere else.

    Raises:
        ValueError: Bytes that are no table.
    """
    try:
        table = pa.ipc.open_stream(pa.py_buffer(raw)).read_all()
    except OSError as error:  # nothing is read but memory
        raise ValueError(str(error)) from error
    table.validate(full=True)
    return table


def to_batch(message: Message) -> pa.RecordBatch:
    """Write a message as a record batch that views its arrays."""
    fields, columns = [], []
    for name, array in message.arrays.items():
        flat = np.ascontiguousarray(array)
        offsets = pa.py_buffer(np.array([0, flat.nbytes], np.int64))
        data = pa.py_buffer(flat.reshape(-1).view(np.uint8)) if flat.nbytes else pa.py_buffer(b"")
        columns.append(pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, data]))
        kind = json.dumps([flat.dtype.str, flat.shape])
        fields.append(pa.field(name, pa.large_binary(), nullable=False, metadata={"array": kind}))
    if not fields:
        columns, fields = [pa.array([0], pa.int8())], [pa.field("", pa.int8())]
    values = json.dumps({"version": VERSION, **message.values})
    return pa.record_batch(columns, schema=pa.schema(fields, metadata={"values": values}))


def from_batch(batch: pa.RecordBatch) -> Message:
    """Read a message; its arrays view the batch.

    Raises:
        ValueError: A batch that is no message; `KeyError`, `IndexError`, `TypeError` likewise.
    """
    batch.validate(full=True)
    arrays = {}
    for index, described in enumerate(batch.schema):
        if described.metadata:
            arrays[described.name] = _array(batch.column(index), json.loads(described.metadata[b"array"]))
    values = json.loads((batch.schema.metadata or {})[b"values"])
    if not isinstance(values, dict):
        raise TypeError(f"values are {type(values).__name__}")
    return Message(values, arrays)


def _array(column: pa.Array, described: Any) -> Array:
    dtype, shape = described
    if not isinstance(dtype, str) or np.dtype(dtype).kind not in "iu":
        raise TypeError(f"an array of {dtype!r}")
    if not pa.types.is_large_binary(column.type) or len(column) != 1:
        raise TypeError(f"an array in {len(column)} of {column.type}")
    _, offsets, data = column.buffers()
    first, end = np.frombuffer(offsets, np.int64)[column.offset : column.offset + 2]
    raw = np.frombuffer(data, np.uint8)[first:end] if end > first else np.empty(0, np.uint8)
    if any(not isinstance(size, int) or size < 0 for size in shape):
        raise ValueError(f"an array of shape {shape}")
    return raw.view(dtype).reshape(shape)
