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
    """Read what `pack_table` wrote; the table views the bytes."""
    return pa.ipc.open_stream(pa.py_buffer(raw)).read_all()


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
    """Read a message; its arrays view the batch."""
    arrays = {}
    for index, described in enumerate(batch.schema):
        if not described.metadata:
            continue
        dtype, shape = json.loads(described.metadata[b"array"])
        column = batch.column(index)
        first, end = np.frombuffer(column.buffers()[1], np.int64)[column.offset : column.offset + 2]
        data = column.buffers()[2]
        raw = np.frombuffer(data, np.uint8)[first:end] if end > first else np.empty(0, np.uint8)
        arrays[described.name] = raw.view(dtype).reshape(shape)
    return Message(json.loads(batch.schema.metadata[b"values"]), arrays)
