"""A batch as one buffer of bytes, and back without copying.

```
0       magic "WEFTBTCH", version, bytes of the header, bytes of everything, checksum of the
        payload, checksum of all before the payload but itself; zeros up to 64
64      header: JSON that names tables, links and hops, and type, shape and place of each array
...     payload, from the next multiple of 64 on: the arrays, each at a multiple of 64
```

Numbers are little-endian, checksums CRC-32C. Every byte is under one of the two checksums.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import Batch, BatchEdges, BatchRows, Scope, Toward, UserError, from_json, to_json
from weft.graph import _native

Array = np.ndarray[Any, Any]

WIRE_VERSION = 1

_MAGIC = b"WEFTBTCH"
_ALIGNMENT = 64
_FIXED = struct.Struct("<8sIIQI")
_OWN_CHECKSUM = struct.Struct("<I")
_KINDS = "biuf"
_MAX_ITEM_BYTES = 8
_HINT = "fetch or make the batch again."


def encode_batch(batch: Batch) -> Array:
    """Write a batch into one new buffer.

    Args:
        batch: Its arrays may be of any layout and of booleans, integers and floats of up to 8 bytes.

    Returns:
        The bytes, shape ``(n,)``, uint8, at an address that is a multiple of 64.

    Raises:
        UserError: GRAPH066 when an array holds something else.
    """
    arrays = list(_arrays_of(batch))
    places, size = _place(arrays)
    header = to_json(_describe(batch, places)).encode()
    payload_at = _aligned(_ALIGNMENT + len(header))
    buffer = _aligned_buffer(payload_at + size)
    for array, place in zip(arrays, places, strict=True):
        start = payload_at + place.offset
        target = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(target, array)
    buffer[_ALIGNMENT : _ALIGNMENT + len(header)] = np.frombuffer(header, np.uint8)
    payload = _native.crc32c(buffer[payload_at:])
    _FIXED.pack_into(buffer.data, 0, _MAGIC, WIRE_VERSION, len(header), len(buffer), payload)
    _OWN_CHECKSUM.pack_into(buffer.data, _FIXED.size, _head_checksum(buffer, payload_at))
    return buffer


def decode_batch(buffer: Any) -> Batch:
    """Read a batch whose arrays are views of ``buffer``, writable where it is.

    Costs one pass over the bytes for the checksums.

    Args:
        buffer: What `encode_batch` returned: an array of uint8, bytes, or a memory map. Aligned to 64 bytes,
            so are the arrays.

    Raises:
        UserError: GRAPH062 not a batch, GRAPH063 a newer version, GRAPH064 truncated, GRAPH065 damaged.
    """
    data: Array = np.frombuffer(buffer, np.uint8)
    header_bytes, payload_at = _check(data)
    text = data[_ALIGNMENT : _ALIGNMENT + header_bytes].tobytes()
    try:
        header = from_json(_Header, text)
        arrays = (_view(data[payload_at:], place) for place in header.arrays)
        return _rebuild(header, arrays)
    except (AttributeError, KeyError, TypeError, ValueError, StopIteration) as error:
        raise _damaged(f"has a header that describes no batch ({error})") from error


@dataclass(frozen=True)
class _Place:
    """Where an array is: bytes from the start of the payload."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class _Rows:
    table: str
    per_hop: tuple[int, ...]
    blocks: tuple[str, ...]


@dataclass(frozen=True)
class _Edges:
    link: str
    toward: Toward
    per_hop: tuple[int, ...]


@dataclass(frozen=True)
class _Header:
    """A batch without its arrays, which follow in the order of `_arrays_of`."""

    seed_table: str
    scope: Scope
    tables: tuple[_Rows, ...]
    edges: tuple[_Edges, ...]
    arrays: tuple[_Place, ...]


def _arrays_of(batch: Batch) -> Iterator[Array]:
    yield from (batch.seeds, batch.anchors_us, batch.seed_scopes, batch.scope_anchors_us)
    for rows in batch.tables.values():
        yield from (rows.rows, rows.scope, rows.age_us, *rows.blocks.values())
    for edges in batch.edges:
        yield from (edges.source, edges.target)


def _place(arrays: list[Array]) -> tuple[list[_Place], int]:
    """Give each array its place; return the bytes of all."""
    places, size = [], 0
    for array in arrays:
        if array.dtype.kind not in _KINDS or array.dtype.itemsize > _MAX_ITEM_BYTES:
            raise UserError(
                "GRAPH066",
                f"an array of the batch holds {array.dtype}.",
                "give a batch arrays of booleans, integers or floats of up to 8 bytes.",
            )
        places.append(_Place(array.dtype.str, array.shape, size))
        size = _aligned(size + array.nbytes)
    return places, size


def _describe(batch: Batch, places: list[_Place]) -> _Header:
    tables = (_Rows(name, rows.per_hop, tuple(rows.blocks)) for name, rows in batch.tables.items())
    edges = (_Edges(e.link, e.toward, e.per_hop) for e in batch.edges)
    return _Header(batch.seed_table, batch.scope, tuple(tables), tuple(edges), tuple(places))


def _rebuild(header: _Header, arrays: Iterator[Array]) -> Batch:
    take: Callable[[], Array] = arrays.__next__
    seeds, anchors_us, seed_scopes, scope_anchors_us = take(), take(), take(), take()
    tables = {}
    for rows in header.tables:
        numbers, scope, age_us = take(), take(), take()
        blocks = {storage: take() for storage in rows.blocks}
        tables[rows.table] = BatchRows(numbers, scope, age_us, blocks, rows.per_hop)
    edges = [BatchEdges(e.link, e.toward, take(), take(), e.per_hop) for e in header.edges]
    if next(arrays, None) is not None or len(tables) != len(header.tables):
        raise ValueError("more than its parts")
    return Batch(
        seed_table=header.seed_table,
        seeds=seeds,
        anchors_us=anchors_us,
        seed_scopes=seed_scopes,
        scope_anchors_us=scope_anchors_us,
        scope=header.scope,
        tables=tables,
        edges=tuple(edges),
    )


def _view(payload: Array, place: _Place) -> Array:
    dtype = np.dtype(place.dtype)
    if dtype.kind not in _KINDS or min(place.shape, default=0) < 0 or place.offset < 0:
        raise ValueError(f"an array {place}")
    stop = place.offset + math.prod(place.shape) * dtype.itemsize
    if stop > len(payload):
        raise ValueError(f"an array {place} behind the end")
    return payload[place.offset : stop].view(dtype).reshape(place.shape)


def _check(data: Array) -> tuple[int, int]:
    """Check everything but the header's words; return its length, and where the payload starts."""
    if data[: len(_MAGIC)].tobytes() != _MAGIC[: len(data)] or len(data) == 0:
        raise UserError("GRAPH062", f"{len(data)} bytes do not begin as a batch does.", _HINT)
    if len(data) < _ALIGNMENT:
        raise _truncated(len(data), _ALIGNMENT)
    _, version, header_bytes, size, payload = _FIXED.unpack_from(data.data)
    if version > WIRE_VERSION:
        raise UserError(
            "GRAPH063",
            f"the batch has version {version}; this Weft reads {WIRE_VERSION}.",
            "use one version of Weft on both sides.",
        )
    if len(data) < size:
        raise _truncated(len(data), size)
    payload_at = _aligned(_ALIGNMENT + header_bytes)
    if len(data) > size or payload_at > size:
        raise _damaged(f"has {len(data)} bytes where {size} are told")
    if _OWN_CHECKSUM.unpack_from(data.data, _FIXED.size)[0] != _head_checksum(data, payload_at):
        raise _damaged("has a damaged header")
    if _native.crc32c(data[payload_at:]) != payload:
        raise _damaged("has damaged arrays")
    return header_bytes, payload_at


def _head_checksum(data: Array, payload_at: int) -> int:
    own = _FIXED.size + _OWN_CHECKSUM.size
    return _native.crc32c(data[own:payload_at], _native.crc32c(data[: _FIXED.size]))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _aligned_buffer(size: int) -> Array:
    whole = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % _ALIGNMENT
    return whole[start : start + size]


def _truncated(size: int, wanted: int) -> UserError:
    return UserError("GRAPH064", f"the batch has {size} bytes of {wanted}.", _HINT)


def _damaged(what: str) -> UserError:
    return UserError("GRAPH065", f"the batch {what}.", _HINT)
