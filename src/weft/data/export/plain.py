"""Columns that any file or database can hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa


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
