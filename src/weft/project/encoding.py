"""How networks would encode each column, told before anything is fitted, from a sample of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from weft.compile import FitSpec
from weft.core import Column, Dtype, Schema, Stype
from weft.data import Tables, own_target
from weft.learn import EncoderOptions, RawColumn, Sentences, choose_kind, fixed_settings, get_rung
from weft.pql import Query

_MOST_ROWS = 20_000
_LEAST = np.iinfo(np.int64).min


def plan_encoders(
    tables: Tables,
    options: Mapping[str, Any],
    sentences: Sentences | None = None,
    refused: Collection[str] = (),
) -> dict[str, str]:
    """Choose the encoder of each column that a network may read, from the first 20,000 rows of its table.

    The fit chooses anew, from rows of the train period, so a choice that hangs by a few values may differ.

    Args:
        tables: The prepared tables.
        options: Of `EncoderOptions`, as ``search`` of the project fixes them.
        sentences: What a sentence model is to read.
        refused: Columns ``table.column`` that a network must not read; see `refused_columns`.

    Returns:
        ``table.column`` → kind; keys, foreign keys, ids and what is refused are left out.
    """
    chosen = EncoderOptions(**options)
    kinds = {}
    for table in tables.schema.tables:
        columns = encoded_columns(tables.schema, table.name)
        columns = [c for c in columns if f"{table.name}.{c.name}" not in refused]
        sample = _sample(tables, table.name, [c.name for c in columns])
        for column in columns:
            name = f"{table.name}.{column.name}"
            raw = _raw(column, sample[column.name])
            kinds[name] = choose_kind(name, column.stype, raw, chosen, sentences)
    return kinds


def refused_columns(query: Query, decisions: Mapping[str, Any]) -> set[str]:
    """Name the columns that no network reads, as far as is known before the audit.

    Args:
        query: What a question without a window predicts is not read.
        decisions: What the user has decided on the audit's behalf; what is known from a stated time on only
            has no place in a row that is read at any anchor.
    """
    stated = {name for name, decision in decisions.items() if decision != "keep"}
    return stated | {f"{table}.{column}" for table, column in own_target(query)}


def encoded_columns(schema: Schema, table: str) -> list[Column]:
    """Return the columns of a table that networks may encode: not its keys, foreign keys and ids."""
    one = schema.table(table)
    keys = {*one.primary_key, *(c for k in schema.links_from(table) for c in k.columns)}
    return [c for c in one.columns if c.name not in keys and c.stype is not Stype.ID]


def fixed_encoders(spec: FitSpec) -> dict[str, Any]:
    """Return the options of encoders that a project fixes for its networks."""
    follow = ("rolls", "takes_fixed")
    if not any(getattr(get_rung(name), flag, False) for name in spec.models for flag in follow):
        return {}
    found: dict[str, Any] = fixed_settings(spec.space).get("encoders", {})
    return found


def _sample(tables: Tables, table: str, columns: list[str]) -> dict[str, pa.Array]:
    if not columns:
        return {}
    parts, rows = [], 0
    for batch in tables.batches(table, columns):
        parts.append(batch.slice(0, _MOST_ROWS - rows))
        rows += parts[-1].num_rows
        if rows >= _MOST_ROWS:
            break
    whole = (
        pa.Table.from_batches(parts) if parts else pa.table({c: pa.array([], pa.string()) for c in columns})
    )
    return {c: whole[c].combine_chunks() for c in columns}


def _raw(column: Column, values: pa.Array) -> RawColumn:
    """Store a sample as a graph would store it."""
    if column.dtype is Dtype.VECTOR:
        width = max((len(v) for v in values.to_pylist() if v is not None), default=1)
        rows = [[np.nan] * width if v is None else v for v in values.to_pylist()]
        return RawColumn(np.asarray(rows, np.float32).reshape(len(values), -1))
    if column.dtype is Dtype.BOOL:
        return RawColumn(values.cast(pa.uint8()).fill_null(255).to_numpy(zero_copy_only=False))
    if column.dtype is Dtype.TIMESTAMP:
        times = values.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(_LEAST)
        return RawColumn(times.to_numpy(zero_copy_only=False))
    if column.dtype in (Dtype.INT, Dtype.FLOAT) and column.stype is Stype.NUMERICAL:
        # Large integers are rounded, as they are when a graph stores them.
        return RawColumn(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    coded = values.cast(pa.string()).dictionary_encode()
    return RawColumn(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), coded.dictionary)
