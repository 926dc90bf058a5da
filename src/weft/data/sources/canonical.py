"""The few types a snapshot stores, and how the values of every other type become one of them.

Kinds form a lattice: when two batches of one column differ, the column takes the join of their
kinds (an integer and a fraction are a fraction, a number and a word are text), so that what a
column becomes depends on all of its values and not on the first ones.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.data.sources import literals

LIST_SEPARATOR = "|"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# The years 1 to 9999, outside which no library agrees on what a time is.
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799


class Kind(enum.StrEnum):
    """What a column of a snapshot stores.

    ``INSTANT`` is a time written in a text file with its zone. It is stored as ``TIME``, and
    becomes text where it meets times without a zone, because nobody knows which those mean.
    """

    NULL = "null"
    BOOL = "bool"
    INT = "int64"
    FLOAT = "float64"
    TIME = "timestamp[us]"
    INSTANT = "timestamp[us, UTC]"
    TEXT = "string"
    VECTOR = "list<float32>"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Shape:
    """A kind; for vectors also their common length, once one has been seen."""

    kind: Kind
    length: int | None = None


STORAGE = {
    Kind.NULL: pa.string(),
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.TIME: pa.timestamp("us"),
    Kind.INSTANT: pa.timestamp("us"),
    Kind.TEXT: pa.string(),
    Kind.VECTOR: pa.list_(pa.float32()),
}


def join(left: Shape, right: Shape) -> Shape:
    """Return the smallest shape that holds the values of both."""
    if left == right or right.kind is Kind.NULL:
        return left
    if left.kind is Kind.NULL:
        return right
    kinds = {left.kind, right.kind}
    if kinds == {Kind.INT, Kind.FLOAT}:
        return Shape(Kind.FLOAT)
    if kinds == {Kind.VECTOR}:
        if left.length is None or right.length is None:
            return left if right.length is None else right
        return Shape(Kind.TEXT)
    return Shape(Kind.DROPPED) if kinds == {Kind.DROPPED} else Shape(Kind.TEXT)


def simplify(array: pa.Array) -> pa.Array:
    """Decode dictionaries, extensions, views and large offsets into plain arrays."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return simplify(_plain_extension(array))
    if pa.types.is_dictionary(kind):
        # Not dictionary_decode, which knows no dictionary of views; polars gives those.
        return simplify(array.dictionary).take(array.indices)
    if pa.types.is_run_end_encoded(kind):
        return simplify(_runs(array))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_binary_view(kind):
        return array.cast(pa.binary())
    return _plain_list(array) if _is_odd_list(kind) else array


def _runs(array: pa.RunEndEncodedArray) -> pa.Array:
    """Return the values of runs one by one, as a dictionary: of more types than can be decoded."""
    values = array.values
    numbers = pa.array(range(len(values)), pa.int32())
    numbered = pa.RunEndEncodedArray.from_arrays(array.run_ends, numbers)
    places = pc.run_end_decode(numbered.slice(array.offset, len(array)))
    return simplify(values).take(places)


def _is_odd_list(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_large_list,
        pa.types.is_fixed_size_list,
        pa.types.is_list_view,
        pa.types.is_large_list_view,
    )
    return any(test(kind) for test in tests)


def _plain_list(array: pa.Array) -> pa.ListArray:
    """Write the lists anew, without offset: a slice of lists keeps the values of the whole."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends]).cast(pa.int32())
    return pa.ListArray.from_arrays(offsets, simplify(array.flatten()), mask=pc.is_null(array))


def _plain_extension(array: pa.ExtensionArray) -> pa.Array:
    if array.type.extension_name == "arrow.uuid":
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    return array.storage


def shape_of(array: pa.Array, *, is_untyped: bool = False) -> Shape:
    """Return the shape that holds the values of a simplified array.

    Args:
        array: What `simplify` returned.
        is_untyped: The strings come from a text file, so that digits may be numbers.
    """
    kind = array.type
    if is_untyped:
        return Shape(Kind(literals.kind_of(array)))
    if pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return Shape(Kind.INT if _fits_int(array) else Kind.TEXT)
    if pa.types.is_list(kind):
        return _shape_of_lists(array)
    return Shape(_kind_of_type(kind))


def _kind_of_type(kind: pa.DataType) -> Kind:
    tests = (
        (pa.types.is_null, Kind.NULL),
        (pa.types.is_boolean, Kind.BOOL),
        (pa.types.is_integer, Kind.INT),
        (pa.types.is_floating, Kind.FLOAT),
        (pa.types.is_decimal, Kind.FLOAT),
        (pa.types.is_time, Kind.FLOAT),
        (pa.types.is_duration, Kind.FLOAT),
        (pa.types.is_interval, Kind.FLOAT),
        (pa.types.is_temporal, Kind.TIME),
        (_is_binary, Kind.DROPPED),
    )
    return next((found for test, found in tests if test(kind)), Kind.TEXT)


def _fits_int(array: pa.Array) -> bool:
    try:
        array.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _is_binary(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in (*tests, pa.types.is_binary_view))


def _shape_of_lists(array: pa.Array) -> Shape:
    inner = array.type.value_type
    if not (pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_decimal(inner)):
        return Shape(Kind.NULL if pa.types.is_null(inner) and array.null_count == len(array) else Kind.TEXT)
    lengths = pc.unique(pc.drop_null(pc.list_value_length(array))).to_pylist()
    if not lengths:
        return Shape(Kind.VECTOR)
    if len(lengths) > 1 or lengths[0] == 0:
        return Shape(Kind.TEXT)
    return Shape(Kind.VECTOR, lengths[0])


def convert(array: pa.Array, kind: Kind, *, is_untyped: bool = False) -> pa.Array:
    """Turn a simplified array into the storage type of ``kind``; a NaN becomes a null."""
    if array.null_count == len(array):
        return pa.nulls(len(array), STORAGE[kind])
    if is_untyped:
        return literals.parse(array, kind.value, STORAGE[kind])
    if kind in (Kind.TEXT, Kind.NULL):
        return to_text(array)
    if kind is Kind.TIME:
        return _to_time(array)
    if kind is Kind.FLOAT:
        numbers = _to_number(array)
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    return array.cast(STORAGE[kind], safe=kind is not Kind.VECTOR)


def _to_number(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_interval(kind):
        seconds = [None if v is None else _interval_s(v) for v in array.to_pylist()]
        return pa.array(seconds, pa.float64())
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        whole = array.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(pa.float64())
        return pc.divide(whole, float(_PER_SECOND[kind.unit]))
    return array.cast(pa.float64(), safe=False)


def _interval_s(value: Any) -> float:
    return float((value.months * 30 + value.days) * 86_400 + value.nanoseconds / 1e9)


def _to_time(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_date(kind):
        array = array.cast(pa.timestamp("s" if kind.bit_width == 32 else "ms"))
        kind = array.type
    ticks = array.cast(pa.int64())
    if kind.unit != "ns":
        factor = _PER_SECOND[kind.unit]
        is_late = pc.greater(ticks, (_LAST_S + 1) * factor - 1)
        is_outside = pc.or_(pc.less(ticks, _FIRST_S * factor), is_late)
        ticks = pc.if_else(is_outside, pa.scalar(None, pa.int64()), ticks)
    # A zone names only how to show an instant: the ticks are UTC with and without it.
    return ticks.cast(pa.timestamp(kind.unit)).cast(pa.timestamp("us"), safe=False)


def to_text(array: pa.Array) -> pa.Array:
    """Write the values of any simplified array as strings; lists are joined by ``|``."""
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_list(kind):
        return _lists_to_text(array)
    if pa.types.is_floating(kind):
        return pa.array(
            [None if v is None or v != v else _float_text(v) for v in array.to_pylist()], pa.string()
        )
    if pa.types.is_nested(kind) or pa.types.is_interval(kind) or _is_binary(kind):
        texts = [
            None if v is None else json.dumps(v, default=str, ensure_ascii=False) for v in array.to_pylist()
        ]
        return pa.array(texts, pa.string())
    if pa.types.is_temporal(kind) and not (pa.types.is_time(kind) or pa.types.is_duration(kind)):
        return _to_time(array).cast(pa.string())
    return array.cast(pa.string())


def _float_text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _lists_to_text(array: pa.Array) -> pa.Array:
    array = _plain_list(array)
    if pa.types.is_nested(array.type.value_type):
        texts = [
            None if v is None else json.dumps(v, default=str, ensure_ascii=False) for v in array.to_pylist()
        ]
        return pa.array(texts, pa.string())
    words = pc.replace_substring(pc.fill_null(to_text(array.values), ""), LIST_SEPARATOR, "/")
    lists = pa.ListArray.from_arrays(array.offsets, words, mask=pc.is_null(array))
    return pc.binary_join(lists, LIST_SEPARATOR)
