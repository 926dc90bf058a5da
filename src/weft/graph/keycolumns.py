"""Keys of several columns as callers have them: tuples, tables, or one array per column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from weft.core import UserError
from weft.graph.layout import TableLayout


def columns_given(table: TableLayout, keys: Any) -> list[Any]:
    """Return the columns of keys, in the order of the key.

    A list of tuples, with ``None`` for no key, has one tuple per key, as `Store.keys` returns them. What has
    named columns is read by name; anything else that is a list or a tuple has one array or list per column.

    Raises:
        UserError: ``GRAPH044`` for names that the key lacks, and for what is none of these.
    """
    names = list(table.keys.columns)
    if _is_frame(keys):
        held = list(keys if isinstance(keys, Mapping) else getattr(keys, "column_names", keys.columns))
        missing = [name for name in names if name not in held]
        if missing:
            raise _unfit(table, f"there is no column '{missing[0]}' among {held}")
        return [keys[name] for name in names]
    if len(names) == 1:
        return [keys]
    if isinstance(keys, list) and all(one is None or isinstance(one, tuple) for one in keys):
        return _of_tuples(table, keys)
    if isinstance(keys, list | tuple):
        return list(keys)
    raise _unfit(table, f"a {type(keys).__name__} was given")


def _is_frame(keys: Any) -> bool:
    return isinstance(keys, Mapping | pa.Table | pa.RecordBatch) or hasattr(keys, "columns")


def _of_tuples(table: TableLayout, keys: list[Any]) -> list[Any]:
    width = len(table.keys.columns)
    for at, key in enumerate(keys):
        if key is not None and len(key) != width:
            raise _unfit(table, f"{key!r} at position {at} is no tuple of {width}")
    none = (None,) * width
    return [[(none if key is None else key)[i] for key in keys] for i in range(width)]


def _unfit(table: TableLayout, what: str) -> UserError:
    names = ", ".join(table.keys.columns)
    return UserError(
        "GRAPH044",
        f"keys of '{table.name}' are ({names}); {what}.",
        "give a list of tuples as keys() returns it, columns by name, or a list with one array per column.",
    )
