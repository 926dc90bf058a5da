"""Looks at columns before anything is computed from them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np

from weft.core import TIME, Dtype
from weft.data.features.candidates import is_number
from weft.data.features.compute import FeatureEngine
from weft.data.features.options import FeatureOptions
from weft.data.features.paths import Attribute, Reach
from weft.data.features.readings import first_reading, is_read_in_parts
from weft.data.features.recipe import Recipe
from weft.data.features.seeds import Seeds
from weft.data.features.segments import Floats
from weft.data.features.selection import ranks, score
from weft.data.tables import Tables

_CHUNK_VALUES = 20_000_000


def top_values(
    tables: Tables, table: str, column: str, until_us: int | None, options: FeatureOptions
) -> list[str] | None:
    """Return the most frequent values of a column, or ``None`` if it has too many to be a category.

    A column most of whose values come once or twice names rows and tells nothing of other rows.
    """
    data = tables.table(table)
    if until_us is not None:
        instant = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=until_us)
        data = data.filter(data[TIME].isnull() | (data[TIME] <= instant))
    value = data[column].cast("string")
    counted = data.select(value=value).filter(value.notnull()).group_by("value").agg(n=lambda t: t.count())
    total = tables.fetch(counted.agg(values=counted.count(), rows=counted["n"].sum()))
    num_values, num_rows = total["values"][0].as_py(), total["rows"][0].as_py() or 0
    if num_values > options.max_distinct or 2 * num_values > num_rows:
        return None
    most = counted.order_by([counted["n"].desc(), "value"]).limit(options.top_values)
    found: list[str] = tables.fetch(most)["value"].to_pylist()
    return found


def _last_of(attribute: Attribute, reach: Reach) -> Recipe:
    if is_read_in_parts(attribute):
        return Recipe("rows", "last", reach.moves, reach.downs, first_reading(attribute))
    if attribute.dtype is Dtype.TIMESTAMP:
        return Recipe("rows", "age", reach.moves, reach.downs, attribute.source)
    source = replace(attribute.source, words=not is_number(attribute))
    return Recipe("rows", "last", reach.moves, reach.downs, source)


class Screen:
    """Chooses columns of wide tables by the value in the last visible row of a sample of train rows.

    A table is screened once, where it is met first: nearest to the entity.

    Args:
        tables: The prepared tables.
        engine: Computes the values.
        seeds: Of the sample.
        label: Of the sample, from `label_matrix`.
        most: Columns kept per table.
    """

    def __init__(self, tables: Tables, engine: FeatureEngine, seeds: Seeds, label: Floats, most: int) -> None:
        self._tables = tables
        self._engine = engine
        self._seeds = seeds
        self._label = label
        self._most = most
        self._kept: dict[str, frozenset[str]] = {}

    def choose(self, attributes: list[Attribute], reach: Reach) -> list[Attribute]:
        """Return at most so many columns of each table, in their order."""
        by_table: dict[str, list[Attribute]] = {}
        for attribute in attributes:
            by_table.setdefault(attribute.table, []).append(attribute)
        for table, offered in by_table.items():
            if table not in self._kept:
                first = [a for a in offered if a.source.ups == offered[0].source.ups]
                self._kept[table] = self._best(first, reach)
        return [a for a in attributes if a.source.column in self._kept[a.table]]

    def _best(self, attributes: list[Attribute], reach: Reach) -> frozenset[str]:
        columns = [a.source.column for a in attributes]
        if len(attributes) <= self._most:
            return frozenset(columns)
        scores: list[float] = []
        size = self._chunk_size(reach.table)
        for begin in range(0, len(attributes), size):
            recipes = [_last_of(a, reach) for a in attributes[begin : begin + size]]
            scores += [score(ranks(v), self._label) for v in self._engine.compute(self._seeds, recipes)]
        best = np.argsort(-np.array(scores), kind="stable")[: self._most]
        return frozenset(columns[i] for i in best)

    def _chunk_size(self, table: str) -> int:
        """Return how many columns are read at a time: opening a wide file costs as much as reading it."""
        counted = self._tables.fetch(self._tables.table(table).count().name("n").as_table())
        num_rows = max(counted["n"][0].as_py(), 1)
        return int(np.clip(_CHUNK_VALUES // num_rows, 50, 2_000))
