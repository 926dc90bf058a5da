"""Rows of a path: one Ibis expression that joins them to their keys, and its result in sorted blocks."""

from __future__ import annotations

import datetime as dt
import functools
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import ROW, TIME, Link, Schema
from weft.data.features.columns import Categories, Numbers
from weft.data.features.readings import read
from weft.data.features.recipe import Source
from weft.data.features.segments import Ints, Segments
from weft.data.features.target import RowScope, TargetPart
from weft.data.tables import Tables

ALWAYS = np.iinfo(np.int64).min
"""Time of a row that has none: it is visible at every cutoff."""

NEVER_YET = dt.datetime(1, 1, 1)
_BATCH_ROWS = 200_000
_LEAST_ROWS = 10_000
_FEW_KEYS = 500


@dataclass(frozen=True)
class Scan:
    """What one scan reads: rows of ``table``, the links up to their key, and sources.

    ``everyone`` puts all rows under the key 0, of a large table one in ``step``.
    """

    table: str
    ups_to_key: tuple[str, ...]
    sources: tuple[Source, ...]
    everyone: bool = False
    step: int = 1


class Block:
    """Rows of some keys, sorted by (key, time, row), with columns made on use.

    Only the column used last is held with its running totals: recipes come by source, and totals
    of all columns at once would take several times the memory of the rows.
    """

    def __init__(self, data: pa.Table, scan: Scan) -> None:
        self.data = data
        self.scan = scan
        self.keys: Ints = data["key"].to_numpy()
        self.rows: Ints = data["row"].to_numpy()
        times = data["time"].cast(pa.int64()).to_numpy()
        self.times: Ints = np.where(times == _micros(NEVER_YET), ALWAYS, times)
        self.segments = Segments(self.keys)
        self._place = {source: i for i, source in enumerate(scan.sources)}
        self._numbers: tuple[Source, Numbers] | None = None
        self._categories: tuple[Source, Categories] | None = None

    def numbers(self, source: Source) -> Numbers:
        """Return a numerical column."""
        if self._numbers is None or self._numbers[0] != source:
            self._numbers = (source, Numbers(to_floats(self._values(source)), self.segments))
        return self._numbers[1]

    def categories(self, source: Source) -> Categories:
        """Return a categorical column."""
        if self._categories is None or self._categories[0] != source:
            words = to_words(self._values(source))
            self._categories = (source, Categories.encode(words, self.segments))
        return self._categories[1]

    def is_categorical(self, source: Source) -> bool:
        """Tell whether the column is read as categories."""
        return source.words

    def passed(self, name: str) -> Ints:
        """Return the row numbers in a table on the way, -1 where there is none."""
        rows: Ints = pc.fill_null(self.data[name], -1).to_numpy()
        return rows

    def take(self, positions: Ints, keys: Ints) -> Block:
        """Return the rows at ``positions`` under new keys, ascending."""
        data = self.data.take(pa.array(positions))
        data = data.set_column(data.schema.get_field_index("key"), "key", pa.array(keys, pa.int64()))
        return Block(data, self.scan)

    def without(self, number: int, lost: npt.NDArray[np.bool_]) -> Block:
        """Return the block with values of one source made null."""
        name = f"s{number}"
        values = self.data[name]
        emptied = pc.if_else(pa.array(lost), pa.scalar(None, values.type), values)
        return Block(self.data.set_column(self.data.schema.get_field_index(name), name, emptied), self.scan)

    def _values(self, source: Source) -> pa.ChunkedArray:
        return self.data[f"s{self._place[source]}"]


def to_floats(values: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Turn numbers, truths and instants into float64, null into NaN."""
    if pa.types.is_timestamp(values.type) or pa.types.is_boolean(values.type):
        values = values.cast(pa.int64())
    if pa.types.is_null(values.type) or pa.types.is_nested(values.type):
        return np.full(len(values), np.nan)
    # Beyond 2^53 the nearest float will do.
    floats = values.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isinf(floats), np.nan, floats)


def to_words(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn values of any plain type into text."""
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def read_blocks(
    tables: Tables,
    scan: Scan,
    parts: Sequence[TargetPart],
    *,
    passed: Sequence[tuple[str, ...]] = (),
    only: Ints | None = None,
) -> Iterator[Block]:
    """Run one scan and yield its rows in blocks of whole keys that fit the memory limit.

    Args:
        tables: The prepared tables.
        scan: What to read.
        parts: Of the query's target, for sources that name one.
        passed: Links walked up from the row to tables whose row numbers are wanted too, as
            columns ``passed0``, ``passed1`` …
        only: The keys that are wanted; when they are few, no other rows are read.
    """
    sql = _compile(tables, scan, tuple(parts), tuple(passed))
    if only is not None and len(only) <= _FEW_KEYS:
        listed = ", ".join(str(int(key)) for key in only) or "NULL"
        sql = f'SELECT * FROM ({sql}) AS few WHERE "key" IN ({listed})'
    sql = f'SELECT * FROM ({sql}) AS rows_of_keys ORDER BY "key", "time", "row"'
    width = 8 * (6 + 3 * len(scan.sources) + len(passed))
    limit = max(tables.resources.memory_bytes // (8 * width), _LEAST_ROWS)
    reader = tables.backend.con.cursor().sql(sql).to_arrow_reader(_BATCH_ROWS)
    held: list[pa.RecordBatch] = []
    num_held = 0
    for batch in reader:
        held.append(batch)
        num_held += batch.num_rows
        if num_held >= limit:
            whole, rest = _split_at_last_key(pa.Table.from_batches(held))
            held, num_held = rest.to_batches(), rest.num_rows
            if whole.num_rows:
                yield Block(whole.combine_chunks(), scan)
    yield Block(pa.Table.from_batches(held, reader.schema).combine_chunks(), scan)


_SQL: weakref.WeakKeyDictionary[Tables, dict[Any, str]] = weakref.WeakKeyDictionary()


def _compile(
    tables: Tables, scan: Scan, parts: tuple[TargetPart, ...], passed: tuple[tuple[str, ...], ...]
) -> str:
    """Compile a scan once per handle: for a few seeds, compiling takes longer than running."""
    known = _SQL.setdefault(tables, {})
    key = (scan, parts, passed)
    if key not in known:
        known[key] = tables.backend.compile(_Builder(tables, scan, parts, passed).build())
    return known[key]


def links_by_name(schema: Schema) -> dict[str, Link]:
    """Return the links of a schema by their names."""
    return {link.name: link for link in schema.links}


def _split_at_last_key(data: pa.Table) -> tuple[pa.Table, pa.Table]:
    keys = data["key"].to_numpy()
    cut = int(np.searchsorted(keys, keys[-1]))
    return data.slice(0, cut), data.slice(cut)


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)


class _Builder:
    """Builds the expression of a scan: the rows, left-joined to every parent that is read."""

    def __init__(
        self,
        tables: Tables,
        scan: Scan,
        parts: Sequence[TargetPart],
        passed: Sequence[tuple[str, ...]],
    ) -> None:
        self._tables = tables
        self._scan = scan
        self._parts = parts
        self._passed = passed
        self._links = links_by_name(tables.schema)
        self._columns: dict[tuple[str, ...], set[str]] = {(): {ROW, TIME}}

    def build(self) -> Any:
        self._collect()
        joined = self._join()
        key_path = self._scan.ups_to_key
        way = [self._instant(joined, key_path[:i]) for i in range(len(key_path) + 1)]
        time = functools.reduce(lambda a, b: (a >= b).ifelse(a, b), way)
        joined = joined.mutate(time=time)
        chosen = {"time": joined["time"], "row": joined[self._name((), ROW)]}
        chosen["key"] = self._key(joined)
        for i, path in enumerate(self._passed):
            chosen[f"passed{i}"] = joined[self._name(path, ROW)]
        for i, source in enumerate(self._scan.sources):
            chosen[f"s{i}"] = self._source(joined, source)
        result = joined.select(**chosen)
        if self._scan.step > 1:
            result = result.filter(result["row"] % self._scan.step == 0)
        return result.filter(result["key"].notnull())

    def _key(self, joined: Any) -> Any:
        import ibis

        if self._scan.everyone:
            return ibis.literal(0, "int64")
        return joined[self._name(self._scan.ups_to_key, ROW)]

    def _collect(self) -> None:
        for i in range(len(self._scan.ups_to_key)):
            self._want(self._scan.ups_to_key[: i + 1], ROW)
        for path in self._passed:
            self._want(path, ROW)
        for source in self._scan.sources:
            if source.target is not None:
                for read in self._part(source).columns:
                    self._want(tuple(k.name for k in read.path), read.column)
            elif source.column:
                self._want(source.ups, source.column)
            if source.among is not None:
                for column in self._links[source.among].columns:
                    self._want((), column)

    def _part(self, source: Source) -> TargetPart:
        assert source.target is not None
        return self._parts[int(source.target.partition(":")[2])]

    def _want(self, path: tuple[str, ...], column: str) -> None:
        for i in range(len(path)):
            link = self._links[path[i]]
            self._columns.setdefault(path[:i], {ROW, TIME}).update(link.columns)
            self._columns.setdefault(path[: i + 1], {ROW, TIME}).update(link.parent_columns)
        self._columns[path].add(column)

    def _join(self) -> Any:
        paths = sorted(self._columns, key=lambda p: (len(p), p))
        self._number = {path: i for i, path in enumerate(paths)}
        joined = self._project(self._scan.table, ())
        for path in paths[1:]:
            link = self._links[path[-1]]
            parent = self._project(link.parent, path)
            on = [
                joined[self._name(path[:-1], child)] == parent[self._name(path, own)]
                for child, own in zip(link.columns, link.parent_columns, strict=True)
            ]
            joined = joined.left_join(parent, on)
        return joined

    def _project(self, table: str, path: tuple[str, ...]) -> Any:
        source = self._tables.table(table)
        return source.select(**{self._name(path, c): source[c] for c in sorted(self._columns[path])})

    def _name(self, path: tuple[str, ...], column: str) -> str:
        return f"t{self._number[path]}.{column}"

    def _instant(self, joined: Any, path: tuple[str, ...]) -> Any:
        import ibis

        return ibis.coalesce(
            joined[self._name(path, TIME)].cast("timestamp(6)"), ibis.literal(NEVER_YET, "timestamp(6)")
        )

    def _visible(self, joined: Any, path: tuple[str, ...], column: str) -> Any:
        """A parent that came to be after the row is read as missing."""
        value = joined[self._name(path, column)]
        if not path:
            return value
        there = [self._instant(joined, path[: i + 1]) <= joined["time"] for i in range(len(path))]
        return functools.reduce(lambda a, b: a & b, there).ifelse(value, None)

    def _source(self, joined: Any, source: Source) -> Any:
        import ibis

        if source.target is not None:
            kind = source.target.partition(":")[0]
            scope = RowScope(
                self._tables.schema,
                lambda c: self._visible(joined, tuple(k.name for k in c.path), c.column),
            )
            value = self._part(source).value(kind, scope)
            return value.cast("string") if source.words else value
        if not source.column:
            return ibis.literal(1, "int64")
        value = self._visible(joined, source.ups, source.column)
        if source.reading is not None:
            table = self._links[source.ups[-1]].parent if source.ups else self._scan.table
            value = read(value, source, self._tables.schema.table(table).column(source.column))
        if source.age:
            return joined["time"].epoch_seconds() / 86400.0 - value.epoch_seconds() / 86400.0
        if source.among is None:
            return value.cast("string") if source.words else value
        number = value.cast("float64")
        group = [joined[self._name((), c)] for c in self._links[source.among].columns]
        # By the time of the rows alone: whether the entity of a sibling came later must not show.
        own_time = self._instant(joined, ())
        mean = number.mean().over(ibis.window(group_by=group, order_by=own_time, range=(None, 0)))
        known = functools.reduce(lambda a, b: a & b, [g.notnull() for g in group])
        return known.ifelse(number - mean, None)
