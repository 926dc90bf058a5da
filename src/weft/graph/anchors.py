"""Anchor times as callers have them, as microseconds UTC: never a time taken for one of another unit."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from weft.core import UserError

Array = np.ndarray[Any, Any]

_MOST = np.iinfo(np.int64).max
_NONE = np.iinfo(np.int64).min
_SECOND = 1_000_000
# Microseconds per unit as a fraction.
_UNITS = {
    "W": (7 * 86_400 * _SECOND, 1),
    "D": (86_400 * _SECOND, 1),
    "h": (3_600 * _SECOND, 1),
    "m": (60 * _SECOND, 1),
    "s": (_SECOND, 1),
    "ms": (1_000, 1),
    "us": (1, 1),
    "ns": (1, 10**3),
    "ps": (1, 10**6),
    "fs": (1, 10**9),
    "as": (1, 10**12),
}
# Years and months become days first; beyond these days leave 64 bits of microseconds too.
_CALENDAR = {"Y": 292_000, "M": 12 * 292_000}
_FORMS = "give microseconds UTC as integers, or timestamps: datetime64, Arrow or pandas, of any unit."


def checked_anchors(anchors: Any) -> Array:
    """Return anchor times as int64 microseconds UTC, in one piece.

    Integers of any type are microseconds. Timestamps of numpy, Arrow and pandas, and datetimes of Python, are
    converted, those without a zone as UTC; what is finer than a microsecond is rounded down, so that
    nothing becomes visible by it.

    Args:
        anchors: Shape ``(n,)``: a numpy or Arrow array, a pandas series or index, or a sequence.

    Raises:
        UserError: ``GRAPH042`` for values of another type, for a missing one, and for one beyond 64 bits of
            microseconds.
    """
    if not (isinstance(anchors, np.ndarray) and anchors.dtype == np.int64):
        anchors = _converted(anchors)
    if anchors.ndim != 1:
        _refuse(f"anchor times have the shape {anchors.shape}", "give one anchor time per seed.")
    # A copy: it becomes part of the batch, whose arrays are its own and may be written to.
    checked: Array = np.array(anchors, np.int64, order="C")
    _check_none_missing(checked == _NONE, "int64")
    return checked


def _converted(anchors: Any) -> Array:
    if isinstance(anchors, pa.Array | pa.ChunkedArray):
        return _from_arrow(anchors)
    if type(anchors).__module__.partition(".")[0] == "pandas":
        return _from_objects(anchors)
    try:
        given = np.asarray(anchors)
    except ValueError as error:
        _refuse(f"anchor times are no array ({error})", _FORMS)
    if given.ndim != 1:
        _refuse(f"anchor times have the shape {given.shape}", "give one anchor time per seed.")
    if given.size == 0 and given.dtype == np.float64 and not isinstance(anchors, np.ndarray):
        return np.empty(0, np.int64)  # an empty list has no type
    if given.dtype.kind == "O":
        return _from_objects(given.tolist())
    return _from_numpy(given)


def _from_objects(given: Any) -> Array:
    """Let Arrow tell what objects are; it knows those of pandas and Python, zones included."""
    if getattr(given, "ndim", 1) != 1:
        _refuse(f"anchor times have the shape {given.shape}", "give one anchor time per seed.")
    try:
        converted = pa.array(given, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        kinds = sorted({type(one).__name__ for one in given})
        reason = str(error).partition("\n")[0]
        _refuse(f"anchor times are {', '.join(kinds[:4])}, not of one type ({reason})", _FORMS)
    return _from_arrow(converted)


def _from_arrow(given: pa.Array | pa.ChunkedArray) -> Array:
    array = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    kind = array.type
    units = {pa.date32(): "D", pa.date64(): "ms"}
    is_time = pa.types.is_timestamp(kind) or kind in units
    if not is_time and not pa.types.is_integer(kind) and not pa.types.is_null(kind):
        _refuse_type(str(kind), array[0].as_py() if len(array) else None)
    if array.null_count:
        _check_none_missing(array.is_null().to_numpy(zero_copy_only=False), str(kind))
    if not is_time:
        return _from_numpy(array.to_numpy(zero_copy_only=False)) if len(array) else np.empty(0, np.int64)
    unit = units.get(kind) or kind.unit
    storage = array.view(pa.int32()).cast(pa.int64()) if kind == pa.date32() else array.view(pa.int64())
    return _micros(storage.to_numpy(zero_copy_only=False), unit, 1, str(kind))


def _from_numpy(given: Array) -> Array:
    dtype = given.dtype
    if dtype.kind == "M":
        unit, count = np.datetime_data(dtype)
        values = np.ascontiguousarray(given.astype(dtype.newbyteorder("="), copy=False)).view(np.int64)
        _check_none_missing(values == _NONE, str(dtype))
        return _micros(values, unit, count, str(dtype))
    if dtype.kind not in "iu":
        _refuse_type(str(dtype), given[0].item() if given.size else None)
    if dtype.kind == "u" and dtype.itemsize == 8 and given.size:
        _check_range(given, given > _MOST, "uint64")
    return given.astype(np.int64)


def _micros(values: Array, unit: str, count: int, dtype: str) -> Array:
    if unit in _CALENDAR:
        _check_range(values, np.abs(values) > _CALENDAR[unit] // count, dtype)
        values = values.view(f"datetime64[{count}{unit}]").astype("datetime64[D]").view(np.int64)
        unit, count = "D", 1
    if unit not in _UNITS:
        _refuse(f"anchor times are {dtype}, of no unit", _FORMS)
    factor, divisor = _UNITS[unit]
    factor *= count
    if factor > 1:
        _check_range(values, np.abs(values) > _MOST // factor, dtype)
    return values * factor // divisor


def _check_none_missing(is_missing: Array, dtype: str) -> None:
    if is_missing.any():
        at = int(is_missing.argmax())
        _refuse(
            f"the anchor time at position {at} is missing (of {dtype})", "leave out seeds without a time."
        )


def _check_range(values: Array, is_beyond: Array, dtype: str) -> None:
    if is_beyond.any():
        at = int(is_beyond.argmax())
        _refuse(
            f"the anchor time {values[at]} at position {at} (of {dtype}) is beyond 64 bits of microseconds",
            "give a time between the years -290308 and 294247.",
        )


def _refuse_type(dtype: str, first: Any) -> NoReturn:
    _refuse(f"anchor times are {dtype}, the first is {first!r}", _FORMS)


def _refuse(what: str, hint: str) -> NoReturn:
    raise UserError("GRAPH042", f"{what}.", hint)
