"""Keys of entities as people give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.core import Schema, Task, UserError


def convert_keys(schema: Schema, task: Task, given: Sequence[Any]) -> list[Any]:
    """Turn keys that came as text into the type of the entity's key.

    Raises:
        UserError: ``DATA126`` for text where the key is a number.
    """
    dtype = schema.table(task.entity_table).column(task.entity_column).dtype.value
    if dtype not in ("int64", "float64"):
        return [str(g) if isinstance(g, str) else g for g in given]
    convert = _whole if dtype == "int64" else float
    try:
        return [convert(g) for g in given]
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            "DATA126",
            f"{task.entity_table}.{task.entity_column} holds numbers, "
            f"and {', '.join(map(repr, given))} is none.",
            "give the key as it stands in the table.",
        ) from None


def _whole(given: Any) -> int:
    number = int(given)
    if not isinstance(given, str) and number != given:
        raise ValueError(given)
    return number
