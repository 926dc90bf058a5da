"""Batches of a source with plain, unique, flat columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from weft.data.sources.canonical import simplify

UNTYPED = {b"weft:untyped": b"1"}
_RESERVED = ("__row", "__time")


@dataclass(frozen=True)
class FlatColumn:
    """One column of one batch: its name in the snapshot and its values."""

    name: str
    values: pa.Array
    is_untyped: bool


@dataclass
class Names:
    """Gives columns the names they have in the snapshot, and remembers which it changed.

    Engines compare names without regard to case, so ``ID`` beside ``id`` becomes ``ID_2``.
    """

    renamed: dict[str, str] = field(default_factory=dict)
    flattened: set[str] = field(default_factory=set)

    def of(self, raw: Iterable[str]) -> list[str]:
        """Return unique names for ``raw``, in order; empty ones get their position."""
        taken: set[str] = set()
        names = []
        for position, original in enumerate(raw, 1):
            name = self._free(original.strip() or f"column_{position}", taken)
            taken.add(name.casefold())
            if name != original:
                self.renamed[original or f"(position {position})"] = name
            names.append(name)
        return names

    def _free(self, wanted: str, taken: set[str]) -> str:
        if wanted.casefold() not in taken and wanted.casefold() not in _RESERVED:
            return wanted
        number = 2
        while f"{wanted}_{number}".casefold() in taken:
            number += 1
        return f"{wanted}_{number}"


def flatten(batch: pa.RecordBatch, names: Names) -> list[FlatColumn]:
    """Return the columns of a batch, the fields of structs as columns of their own."""
    raw: list[tuple[str, pa.Array, bool]] = []
    for field_, values in zip(batch.schema, batch.columns, strict=True):
        is_untyped = (field_.metadata or {}).get(b"weft:untyped") == b"1"
        raw.extend((n, v, is_untyped) for n, v in _leaves(field_.name, simplify(values), names))
    unique = names.of(n for n, _, _ in raw)
    return [FlatColumn(n, v, u) for n, (_, v, u) in zip(unique, raw, strict=True)]


def _leaves(name: str, values: pa.Array, names: Names) -> list[tuple[str, pa.Array]]:
    if not pa.types.is_struct(values.type):
        return [(name, values)]
    names.flattened.add(name)
    found = []
    for index, inner in enumerate(values.type):
        child = simplify(pc.struct_field(values, [index]))
        found.extend(_leaves(f"{name}_{inner.name}", child, names))
    return found
