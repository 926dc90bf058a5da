"""What is read of values that are neither a number nor one category: text, lists of categories, vectors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from weft.core import TIME, Column, Dtype, Stype
from weft.data.features.options import FeatureOptions
from weft.data.features.paths import Attribute
from weft.data.features.recipe import Source
from weft.data.items import find_all, items_of
from weft.data.tables import Tables

CHARACTERS, WORDS, ITEMS, HAS, COMPONENT = "characters", "words", "items", "has", "component"
MAX_COMPONENTS = 8
"""Components of a vector that are read, the first: where they are in order of weight, they carry most."""

_WORD = r"[^\s\v\p{Z}]+"


def is_read_in_parts(attribute: Attribute) -> bool:
    """Tell whether an attribute's values are read by what can be counted in them."""
    if attribute.dtype is Dtype.STRING:
        return attribute.stype in (Stype.TEXT, Stype.MULTICATEGORICAL)
    return attribute.dtype is Dtype.VECTOR


def readings(
    tables: Tables, attribute: Attribute, until_us: int | None, options: FeatureOptions
) -> list[Source]:
    """Return what is read of an attribute's values, each a number.

    Which items and how many components there are is learned from rows up to ``until_us`` alone.
    """
    source = attribute.source
    if attribute.dtype is Dtype.VECTOR:
        size = _vector_size(tables, attribute, until_us)
        return [replace(source, reading=COMPONENT, part=str(i)) for i in range(min(size, MAX_COMPONENTS))]
    if attribute.stype is Stype.TEXT:
        return [replace(source, reading=reading) for reading in (CHARACTERS, WORDS)]
    found = [replace(source, reading=ITEMS)]
    for item in top_items(tables, attribute, until_us, options):
        found.append(replace(source, reading=HAS, part=item))
    return found


def first_reading(attribute: Attribute) -> Source:
    """Return the reading that stands for an attribute before anything is learned of its values."""
    if attribute.dtype is Dtype.VECTOR:
        return replace(attribute.source, reading=COMPONENT, part="0")
    return replace(attribute.source, reading=CHARACTERS if attribute.stype is Stype.TEXT else ITEMS)


def read(value: Any, source: Source, column: Column) -> Any:
    """Return one reading of an Ibis value as a number; null of null."""
    assert source.reading is not None
    return _READ[source.reading](value, source.part, column).cast("float64")


def top_items(
    tables: Tables, attribute: Attribute, until_us: int | None, options: FeatureOptions
) -> list[str]:
    """Return the most frequent items of a column of lists; an item of a single row tells of no other row."""
    data = _rows_until(tables, attribute.table, until_us)
    column = tables.schema.table(attribute.table).column(attribute.source.column)
    items = items_of(data[column.name], column.separator)
    listed = data.select(item=items.unnest())
    counted = listed.group_by("item").agg(n=lambda t: t.count())
    counted = counted.filter([counted["item"].notnull(), counted["n"] > 1])
    most = counted.order_by([counted["n"].desc(), "item"]).limit(options.top_values)
    found: list[str] = tables.fetch(most)["item"].to_pylist()
    return found


def _vector_size(tables: Tables, attribute: Attribute, until_us: int | None) -> int:
    data = _rows_until(tables, attribute.table, until_us)
    size = tables.fetch(data.agg(size=data[attribute.source.column].length().max()))["size"][0].as_py()
    return int(size or 0)


def _rows_until(tables: Tables, table: str, until_us: int | None) -> Any:
    data = tables.table(table)
    if until_us is None:
        return data
    instant = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=until_us)
    return data.filter(data[TIME].isnull() | (data[TIME] <= instant))


def _words(value: Any, part: str | None, column: Column) -> Any:
    return find_all(value, _WORD).length()


def _items(value: Any, part: str | None, column: Column) -> Any:
    return items_of(value, column.separator).length()


def _has(value: Any, part: str | None, column: Column) -> Any:
    return items_of(value, column.separator).contains(part)


def _component(value: Any, part: str | None, column: Column) -> Any:
    assert part is not None
    return value[int(part)]


_READ: dict[str, Callable[[Any, str | None, Column], Any]] = {
    CHARACTERS: lambda value, part, column: value.length(),
    WORDS: _words,
    ITEMS: _items,
    HAS: _has,
    COMPONENT: _component,
}
