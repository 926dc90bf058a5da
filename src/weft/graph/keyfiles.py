"""Opening the key files of a graph, for lookups and for builds that go on from an earlier graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.graph import _native
from weft.graph.layout import File, KeyKind, KeySegment

STORED: Mapping[KeyKind, _native.StoredKeys] = {
    KeyKind.DIRECT: _native.StoredKeys.direct,
    KeyKind.INTEGER: _native.StoredKeys.integer,
    KeyKind.UUID: _native.StoredKeys.uuid,
    KeyKind.BYTES: _native.StoredKeys.bytes,
}


def open_stored_keys(folder: Path, segments: Sequence[KeySegment]) -> _native.StoredIndex:
    """Open the key files of a table that has keys, or the values of a dictionary.

    Raises:
        UserError: ``GRAPH001`` … ``GRAPH006`` for a file that is damaged or not the graph's.
    """
    return _native.map_index([_described(folder, s) for s in segments])


def key_files(keys: KeySegment) -> dict[str, tuple[File, _native.Kind, int]]:
    """Return each file of a segment by its name, with its kind and the bytes of an item."""
    kinds = _native.Kind
    files = {
        "direct": (keys.direct, kinds.key_direct, 4),
        "slots": (keys.slots, kinds.key_slots, 8),
        "values": (keys.values, kinds.key_values, 16 if keys.kind is KeyKind.UUID else 8),
        "offsets": (keys.offsets, kinds.key_offsets, 8),
        "bytes": (keys.bytes, kinds.key_bytes, 1),
    }
    return {n: (file, kind, size) for n, (file, kind, size) in files.items() if file is not None}


def _described(folder: Path, keys: KeySegment) -> tuple[Any, ...]:
    files = (keys.direct, keys.slots, keys.values, keys.offsets, keys.bytes)
    named = ((str(folder / f.path), f.root) if f else ("", 0) for f in files)
    return STORED[keys.kind], keys.num_rows, keys.first, *named
