"""Frames of other libraries: to Arrow on the way in, back to the caller's kind on the way out."""

from __future__ import annotations

import sys
from typing import Any

import pyarrow as pa

from weft.core import UserError


def to_arrow(frame: Any) -> pa.Table:
    """Turn a pandas, polars, Arrow, DuckDB or Ibis table into an Arrow table.

    A named pandas index becomes a column; an unnamed one is left behind. A pandas column whose
    values have no common type becomes text.

    Raises:
        UserError: ``DATA032`` for anything else.
    """
    try:
        return _to_arrow(frame)
    except UserError:
        raise
    except Exception as error:
        # A relation or a lazy frame runs the caller's own query here, which may fail in any way.
        raise UserError(
            "DATA032",
            f"a {_type_name(frame)} gives no Arrow table: {type(error).__name__}: {error}.",
            "mend its query, or take out columns of Python objects.",
        ) from error


def _to_arrow(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    if _is_a(frame, "pandas", "DataFrame"):
        return _from_pandas(frame)
    if _is_a(frame, "duckdb", "DuckDBPyRelation"):
        return frame.to_arrow_table()
    if _is_a(frame, "ibis", "Table"):
        return frame.to_pyarrow()
    if _is_a(frame, "polars", "LazyFrame"):
        frame = frame.collect()
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.table(frame)
    return _from_any(frame)


def _type_name(frame: Any) -> str:
    return f"{type(frame).__module__}.{type(frame).__qualname__}"


def _from_any(frame: Any) -> pa.Table:
    import narwhals as nw

    try:
        native = nw.from_native(frame)
        return (native.collect() if isinstance(native, nw.LazyFrame) else native).to_arrow()
    except TypeError:
        raise UserError(
            "DATA032",
            f"a {_type_name(frame)} is not a table.",
            "give a pandas, polars, Arrow, DuckDB or Ibis table.",
        ) from None


def like_input(table: pa.Table, example: Any) -> Any:
    """Return an Arrow table as the kind of frame that ``example`` is.

    Example:
        >>> like_input(pa.table({"a": [1]}), pa.table({"b": [2]})).column_names
        ['a']
    """
    if _is_a(example, "pandas", "DataFrame"):
        return table.to_pandas()
    if _is_a(example, "polars", "DataFrame"):
        return sys.modules["polars"].from_arrow(table)
    if _is_a(example, "polars", "LazyFrame"):
        return sys.modules["polars"].from_arrow(table).lazy()
    if _is_a(example, "duckdb", "DuckDBPyRelation"):
        return sys.modules["duckdb"].connect().from_arrow(table)
    if _is_a(example, "ibis", "Table"):
        return sys.modules["ibis"].memtable(table)
    return table


def is_frame(value: Any) -> bool:
    """Say whether `to_arrow` takes ``value``."""
    if isinstance(value, (pa.Table, pa.RecordBatch, pa.RecordBatchReader)):
        return True
    if hasattr(value, "__arrow_c_stream__"):
        return True
    known = (
        ("pandas", "DataFrame"),
        ("polars", "LazyFrame"),
        ("duckdb", "DuckDBPyRelation"),
        ("ibis", "Table"),
    )
    return any(_is_a(value, module, name) for module, name in known)


def _is_a(value: Any, module: str, name: str) -> bool:
    """Say whether ``value`` is of a class of a module that the caller has imported."""
    loaded = sys.modules.get(module)
    if module == "ibis":
        loaded = sys.modules.get("ibis.expr.types")
    found = getattr(loaded, name, None)
    return isinstance(found, type) and isinstance(value, found)


def _from_pandas(frame: Any) -> pa.Table:
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    arrays = [_from_series(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return pa.Table.from_arrays(arrays, names=[str(name) for name in frame.columns])


def _from_series(series: Any) -> pa.ChunkedArray | pa.Array:
    if str(series.dtype).startswith("period"):
        series = series.dt.to_timestamp()
    try:
        return pa.Array.from_pandas(series)
    except pa.ArrowException:
        missing = series.isna()
        texts = [None if m else str(v) for v, m in zip(series, missing, strict=True)]
        return pa.array(texts, pa.string())
