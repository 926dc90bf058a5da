"""Columns that any file or database can hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa


class Rows:
    """Rows on the way to a target: a table, or batches that are never in memory together.

    Args:
        given: Read once.
    """

    def __init__(self, given: pa.Table | pa.RecordBatchReader) -> None:
        self._given = given
        self.schema: pa.Schema = given.schema
        self.num_read = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield them batch by batch."""
        batches = self._given.to_batches() if isinstance(self._given, pa.Table) else self._given
        for batch in batches:
            self.num_read += batch.num_rows
            yield batch

    def table(self) -> pa.Table:
        """Return them all."""
        return pa.Table.from_batches(self.batches(), self.schema)


def flat_columns(table: pa.Table) -> pa.Table:
    """Return ``table`` with lists and structs as JSON text and dictionaries decoded."""
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_dictionary(field.type):
            column = column.cast(field.type.value_type)
        elif pa.types.is_nested(field.type):
            column = pa.chunked_array([pa.array(_as_json(column.to_pylist()), pa.string())])
        else:
            continue
        table = table.set_column(index, field.name, column)
    return table


def _as_json(values: Sequence[Any]) -> list[str | None]:
    return [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in values]
