"""The items of a column of several categories: one reading for every way to write a list in text.

The prepared tables keep the text as the source has it, so that comparisons, LIKE and the rows behind a
prediction show what the user knows. Whoever needs the items reads them with `items_of`.
"""

from __future__ import annotations

import functools
from typing import Any

JSON = "json"
TAGS = "<>"
SEPARATOR = ","

# Inside a regular expression; \s of DuckDB's engine is ASCII alone.
_AROUND = r"^[\s\v\p{Z}]+|[\s\v\p{Z}]+$"


def items_of(value: Any, separator: str | None) -> Any:
    """Return the different items of a text as an Ibis array in no particular order.

    Space around an item is no part of it, and an empty item is none, so that the empty text is the empty
    list. Null stays null; so does a text that should be a JSON array and is no JSON.

    Args:
        value: Ibis text.
        separator: As in `weft.core.Column`; ``None`` is a comma.
    """
    split = {JSON: _json_items, TAGS: _tag_items}.get(separator or SEPARATOR)
    parts = value.split(separator or SEPARATOR) if split is None else split(value)
    trimmed = parts.map(lambda item: item.re_replace(_AROUND, ""))
    # A null in a JSON array is no item either: the comparison is then undefined.
    return _functions()["distinct"](trimmed.filter(lambda item: item != ""))


def unreadable_sql(name: str) -> str:
    """Return SQL that is true where a text of column ``name``, quoted, is no JSON and not empty."""
    return f"trim({name}) <> '' AND NOT json_valid({name})"


def find_all(text: Any, pattern: str, group: int = 0) -> Any:
    """Return all that a regular expression, or a group of it, matches in an Ibis text, as an array."""
    return _functions()["find_all"](text, pattern, group)


def _json_items(value: Any) -> Any:
    functions = _functions()
    text = (value.strip() == "").ifelse("[]", functions["is_json"](value).ifelse(value, None))
    return functions["json_texts"](text, "$[*]")


def _tag_items(value: Any) -> Any:
    return find_all(value, "<([^<>]*)>", 1)


@functools.cache
def _functions() -> dict[str, Any]:
    """Functions of DuckDB that Ibis has no words for."""
    import ibis

    builtin = ibis.udf.scalar.builtin
    text, texts = ibis.dtype("string"), ibis.dtype("array<string>")
    return {
        "distinct": builtin(_unary, name="list_distinct", signature=((texts,), texts)),
        "is_json": builtin(_unary, name="json_valid", signature=((text,), ibis.dtype("boolean"))),
        "json_texts": builtin(_binary, name="json_extract_string", signature=((text, text), texts)),
        "find_all": builtin(
            _ternary, name="regexp_extract_all", signature=((text, text, ibis.dtype("int32")), texts)
        ),
    }


def _unary(value: Any) -> None:
    """Stand for a function of one argument; the engine runs its own."""


def _binary(first: Any, second: Any) -> None:
    """Stand for a function of two arguments; the engine runs its own."""


def _ternary(first: Any, second: Any, third: Any) -> None:
    """Stand for a function of three arguments; the engine runs its own."""
