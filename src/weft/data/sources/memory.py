"""Frames that are already in memory, or expressions of an engine that gives Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from weft.core import Finding, Resources, UserError, digest_table
from weft.data.declared import Declared
from weft.data.frames import is_frame, to_arrow
from weft.data.sources.source import batch_rows, check_names, choose


class MemorySource:
    """Tables by name: pandas, polars, Arrow, DuckDB relations or Ibis tables.

    Raises:
        UserError: ``DATA032`` when a value is not a table, ``DATA025`` for clashing names.
    """

    kind = "memory"
    declared = Declared()
    findings: tuple[Finding, ...] = ()

    def __init__(self, frames: Mapping[str, Any], *, tables: dict[str, str] | None = None) -> None:
        for frame in frames.values():
            if not is_frame(frame):
                to_arrow(frame)
        self._origin = choose(list(frames), tables, "the mapping")
        check_names(list(self._origin), "the mapping")
        self._frames = dict(frames)
        self._arrow: dict[str, pa.Table] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of the tables, sorted."""
        return tuple(sorted(self._origin))

    def batches(self, table: str, resources: Resources) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the frame's order."""
        arrow = self._table(table)
        if not arrow.num_columns:
            raise UserError(
                "DATA027", f"table '{table}' has no column.", "give it a column, or leave the table out."
            )
        if not arrow.num_rows:
            yield from pa.Table.to_batches(arrow) or [_empty(arrow.schema)]
            return
        yield from arrow.to_batches(max_chunksize=batch_rows(arrow.num_columns))

    def fingerprints(self, resources: Resources) -> dict[str, str]:
        """Return the digest of each table's schema and values."""
        return {name: digest_table(self._table(name)) for name in self.names()}

    def close(self) -> None:
        """Forget the converted tables."""
        self._arrow.clear()

    def _table(self, name: str) -> pa.Table:
        # Converted once: a relation read twice need not give its rows in the same order.
        if name not in self._arrow:
            self._arrow[name] = to_arrow(self._frames[self._origin[name]])
        return self._arrow[name]


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
