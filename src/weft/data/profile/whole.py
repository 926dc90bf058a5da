"""Statistics of columns that a sample holds whole, from Arrow: no query is planned for them.

Planning costs the engine milliseconds per column, whatever the number of rows: most of the time that a
table of ten thousand columns takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.data.profile.raw import MAX_SAMPLED_CHARACTERS, Kind
from weft.data.profile.reading import Reading

_EXACT = 2.0**53


def measure_whole(values: pa.ChunkedArray, reading: Reading) -> dict[str, Any] | None:
    """Return what the engine would find over all rows, ``None`` where only the engine can read the values.

    Args:
        values: All values of a column, texts cut at `MAX_SAMPLED_CHARACTERS`.
        reading: How they are read.
    """
    if reading.is_time or reading.number_text in ("int", "float"):
        return None
    found: dict[str, Any] = {"count": len(values) - values.null_count}
    if reading.kind is Kind.TEXT:
        return _lengths(values, found)
    if reading.kind in (Kind.VECTOR, Kind.LIST):
        return found
    numbers = np.asarray(values.drop_null().cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if reading.kind is Kind.FLOAT:
        is_whole = (np.abs(numbers) < _EXACT) & (np.trunc(numbers) == numbers)
        found["whole"] = bool(is_whole.all()) if len(numbers) else None
        numbers = numbers[np.isfinite(numbers)]
    if len(numbers):
        with np.errstate(over="ignore", invalid="ignore"):
            found |= {
                "min": numbers.min(),
                "max": numbers.max(),
                "mean": numbers.mean(),
                "std": numbers.std(),
            }
    return found


def _lengths(values: pa.ChunkedArray, found: dict[str, Any]) -> dict[str, Any] | None:
    lengths = pc.utf8_length(values)
    longest = pc.max(lengths).as_py()
    if longest is not None and longest >= MAX_SAMPLED_CHARACTERS:
        return None
    return found | {"length_mean": pc.mean(lengths).as_py(), "length_max": longest}
