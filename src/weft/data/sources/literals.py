"""What the words of a text file stand for: numbers, booleans, times, or themselves.

A column of a text file has one type for all of its rows. Only values that lose nothing become
numbers: ``007`` is a code and stays text, and so does a number of twenty digits.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

MISSING = pa.array(["", "NA", "N/A", "#N/A", "NULL", "null", "NaN", "nan", "None", "\\N"])
_FLOAT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|Inf|INF|Infinity|infinity)$"
_CODE = r"^[+-]?0\d"
_LONG = r"^[+-]?\d{19,}$"


def kind_of(words: pa.Array) -> str:
    """Return the kind of all the words: one of the values of `Kind`.

    Words that stand for a missing value in a column of numbers do not count.
    """
    known = _known(words)
    if len(known) == 0:
        return "null"
    if _is_int(known):
        return "int64"
    if _is_float(known):
        return "float64"
    if _is_bool(known):
        return "bool"
    zone = _time_type(known)
    if zone is None:
        return "string"
    return "timestamp[us]" if zone.tz is None else "timestamp[us, UTC]"


def parse(words: pa.Array, kind: str, storage: pa.DataType) -> pa.Array:
    """Turn words into values of ``kind``, which `kind_of` returned for a wider set of them."""
    if kind in ("string", "null"):
        return pc.if_else(pc.equal(words, "\\N"), pa.scalar(None, pa.string()), words)
    words = pc.utf8_trim_whitespace(words)
    is_missing = pc.is_in(words, value_set=MISSING)
    words = pc.if_else(is_missing, pa.scalar(None, pa.string()), words)
    if kind == "bool":
        return pc.equal(pc.utf8_lower(words), "true")
    if kind == "timestamp[us, UTC]":
        return words.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(storage)
    if kind == "float64":
        return pc.replace_substring_regex(words, r"^\+", "").cast(storage)
    return words.cast(storage)


def _known(words: pa.Array) -> pa.Array:
    words = pc.utf8_trim_whitespace(pc.drop_null(words))
    return words.filter(pc.invert(pc.is_in(words, value_set=MISSING)))


def _is_int(words: pa.Array) -> bool:
    try:
        whole = words.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return bool(pc.all(pc.equal(whole.cast(pa.string()), words)).as_py())


def _is_float(words: pa.Array) -> bool:
    if not pc.all(pc.match_substring_regex(words, _FLOAT)).as_py():
        return False
    codes = pc.or_(pc.match_substring_regex(words, _CODE), pc.match_substring_regex(words, _LONG))
    return not pc.any(codes).as_py()


def _is_bool(words: pa.Array) -> bool:
    return bool(pc.all(pc.is_in(pc.utf8_lower(words), value_set=pa.array(["true", "false"]))).as_py())


def _time_type(words: pa.Array) -> pa.TimestampType | None:
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            words.cast(kind)
            return kind
        except pa.ArrowInvalid:
            continue
    return None
