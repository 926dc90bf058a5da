"""The items of a column of several categories: one reading for every way to write a list in text.

The prepared tables keep the text as the source has it, so that comparisons, LIKE and the rows behind a
prediction show what the user knows. Whoever needs the items reads them with `items_of`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
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


def _json_items(value: Any) -> Any:
    functions = _functions()
    text = (value.strip() == "").ifelse("[]", functions["is_json"](value).ifelse(value, None))
    return functions["json_texts"](text, "$[*]")


def _tag_items(value: Any) -> Any:
    return _functions()["matches"](value, "<([^<>]*)>", 1)


@functools.cache
def _functions() -> dict[str, Callable[..., Any]]:
    """Functions of DuckDB that Ibis has no words for."""
    import ibis

    builtin = ibis.udf.scalar.builtin

    @builtin(name="list_distinct", signature=(("array<string>",), "array<string>"))
    def distinct(items):  # type: ignore[no-untyped-def]
        ...

    @builtin(name="json_valid", signature=(("string",), "boolean"))
    def is_json(text):  # type: ignore[no-untyped-def]
        ...

    @builtin(name="json_extract_string", signature=(("string", "string"), "array<string>"))
    def json_texts(text, path):  # type: ignore[no-untyped-def]
        ...

    @builtin(name="regexp_extract_all", signature=(("string", "string", "int32"), "array<string>"))
    def matches(text, pattern, group):  # type: ignore[no-untyped-def]
        ...

    return {"distinct": distinct, "is_json": is_json, "json_texts": json_texts, "matches": matches}
