"""Opening the key files of a graph, for lookups and for builds that go on from an earlier graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from weft.graph import _native
from weft.graph.layout import File, KeyKind, Keys

STORED: Mapping[KeyKind, _native.StoredKeys] = {
    KeyKind.DIRECT: _native.StoredKeys.direct,
    KeyKind.INTEGER: _native.StoredKeys.integer,
    KeyKind.UUID: _native.StoredKeys.uuid,
    KeyKind.BYTES: _native.StoredKeys.bytes,
}


def named_file(folder: Path, file: File | None) -> tuple[str, int]:
    """Return the path and the root of a file, an empty path where there is none."""
    return (str(folder / file.path), file.root) if file else ("", 0)


def open_stored_keys(folder: Path, keys: Keys) -> _native.StoredIndex:
    """Open the key files of a table that has keys.

    Raises:
        UserError: ``GRAPH001`` … ``GRAPH006`` for a file that is damaged or not the graph's.
    """
    files = (keys.direct, keys.slots, keys.values, keys.offsets, keys.bytes)
    return _native.map_index(STORED[keys.kind], keys.first, *(named_file(folder, f) for f in files))
