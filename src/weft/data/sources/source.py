"""What every connector gives: named tables as batches, declared constraints, digests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa

from weft.core import Finding, Resources, UserError
from weft.data.declared import Declared

BATCH_ROWS = 65_536


@runtime_checkable
class Source(Protocol):
    """An open connection to tables that somebody else keeps.

    A connector of your own implements this and registers under the entry point group
    ``weft.connectors``.
    """

    kind: str
    """Short name of the connector, such as ``"folder"``."""

    @property
    def declared(self) -> Declared:
        """What the source itself says about keys, times and links."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed while looking for tables."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the tables, sorted."""

    def batches(self, table: str, resources: Resources) -> Iterator[pa.RecordBatch]:
        """Read a table from its first row, in a fixed order, a bounded batch at a time.

        Yields at least one batch, which may be empty. Batches may differ in types and columns.
        """

    def fingerprints(self, resources: Resources) -> dict[str, str]:
        """Return a digest per table that changes when its content does."""

    def close(self) -> None:
        """Give connections and files back."""


def batch_rows(num_columns: int) -> int:
    """Return how many rows to read at a time, so that wide tables need no more memory."""
    return min(BATCH_ROWS, max(256, 2**23 // max(num_columns, 1)))


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse a source without tables, or with two tables whose names differ only in case."""
    if not names:
        raise UserError(
            "DATA021",
            f"{where} holds no tables.",
            "give a folder with .parquet or .csv files, a database with tables, or frames by name.",
        )
    seen: dict[str, str] = {}
    for name in sorted(names):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise UserError(
                "DATA025",
                f"{where} holds two tables with one name: '{other}' and '{name}'.",
                f"rename one, or choose with tables={{'{other}': '{other}', …}}.",
            )


def choose(available: Sequence[str], wanted: dict[str, str] | None, where: str) -> dict[str, str]:
    """Return name in Weft → name in the source, for all tables or for those asked for.

    Raises:
        UserError: ``DATA036`` when the source lacks a table that was asked for.
    """
    if wanted is None:
        return {name: name for name in available}
    for name in wanted.values():
        if name not in available:
            raise UserError(
                "DATA036",
                f"{where} has no table '{name}'.",
                f"choose among {', '.join(sorted(available)[:20]) or 'none'}.",
            )
    return dict(wanted)
