"""What every rule of the audit reads: the tables, and small facts about them computed once."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from weft.core import MICROSECONDS_PER_DAY, ROW, TIME, Column, Dtype, Link, Schema, Table
from weft.data.profile.engine import epoch_us
from weft.data.profile.model import TableStatistics
from weft.data.tables import Tables
from weft.pql.query import Query

SAMPLE_ROWS = 30_000
_MIN_ALONE = 0.9


@dataclass(frozen=True, eq=False)
class AuditContext:
    """The prepared tables with the question, if there is one, and its labels.

    Attributes:
        tables: The prepared tables.
        statistics: Table → statistics of its profile, where known.
        query: The checked query.
        labels: The label table.
    """

    tables: Tables
    statistics: Mapping[str, TableStatistics] = field(default_factory=dict)
    query: Query | None = None
    labels: pa.Table | None = None

    @property
    def schema(self) -> Schema:
        """Schema of the tables."""
        return self.tables.schema

    def is_constant(self, table: str, column: str) -> bool:
        """Tell whether a column's profile says that it has at most two values."""
        distinct = self._distinct.get((table, column))
        return distinct is not None and distinct <= 2

    @functools.cached_property
    def _distinct(self) -> dict[tuple[str, str], int]:
        """Number of values by table and column."""
        return {(t, c.name): c.distinct for t, found in self.statistics.items() for c in found.columns}

    def num_rows(self, table: str) -> int:
        """Return the number of prepared rows of a table."""
        return self._times[table][0]

    def num_timed(self, table: str) -> int:
        """Return how many rows of a table have a time, their own or a parent's."""
        return self._times[table][1]

    @functools.cached_property
    def data_end_us(self) -> int | None:
        """Newest time of any row."""
        newest = [t[2] for t in self._times.values() if t[2] is not None]
        return max(newest) if newest else None

    def is_by_day(self, table: str) -> bool:
        """Tell whether all times of a table are midnights, so that days are compared."""
        return self._times[table][3]

    @functools.cached_property
    def _times(self) -> dict[str, tuple[int, int, int | None, bool]]:
        facts = {}
        for table in self.schema.tables:
            source = self.tables.table(table.name)
            moment = epoch_us(source[TIME])
            row = self.tables.fetch(
                source.aggregate(
                    rows=source.count(),
                    timed=source[TIME].count(),
                    newest=moment.max(),
                    rest=(moment % MICROSECONDS_PER_DAY).max(),
                )
            ).to_pylist()[0]
            facts[table.name] = (row["rows"], row["timed"], row["newest"], row["rest"] == 0)
        return facts

    def sampled(self, table: str, rows: int = SAMPLE_ROWS) -> Any:
        """Return about ``rows`` rows of a table as an expression, the same at every call."""
        source = self.tables.table(table)
        if self.num_rows(table) <= rows:
            return source
        limit = int(rows / self.num_rows(table) * 2**32)
        return source.filter((source[ROW] * 2654435761) % 2**32 < limit)

    def key_columns(self, table: str) -> frozenset[str]:
        """Return the columns of a table that are keys or refer to keys."""
        linked = {c for link in self.schema.links_from(table) for c in link.columns}
        return frozenset(linked | set(self.schema.table(table).primary_key))

    def plain_columns(self, table: Table) -> list[Column]:
        """Return the columns of a table that are neither keys nor its times."""
        keys = self.key_columns(table.name)
        times = {table.time_column, table.end_time_column}
        return [c for c in table.columns if c.name not in keys and c.name not in times]

    def timed_links(self) -> list[Link]:
        """Return the links whose child rows have times."""
        return [link for link in self.schema.links if self.num_timed(link.table)]

    def described_links(self) -> Iterator[tuple[Link, Table, Link | None]]:
        """Pair every link with timed children with the tables that describe its parent.

        These are the parent itself, and, with the link that leads from them to the parent, other tables
        that have one row for each of its rows, such as a view of totals or a table of attributes.
        """
        for link in self.timed_links():
            yield link, self.schema.table(link.parent), None
            for side in self.schema.links_to(link.parent):
                if side.table not in (link.table, link.parent) and self._is_one_to_one[side]:
                    yield link, self.schema.table(side.table), side

    @functools.cached_property
    def _is_one_to_one(self) -> dict[Link, bool]:
        """Whether nearly every row of a link's table is the only one that points to its parent."""
        return {link: self._share_alone(link) >= _MIN_ALONE for link in self.schema.links}

    def _share_alone(self, link: Link) -> float:
        source = self.tables.table(link.table)
        pointing = source.filter([source[c].notnull() for c in link.columns])
        grouped = pointing.group_by(list(link.columns)).aggregate(__rows=pointing.count())
        counted = grouped.aggregate(
            rows=grouped["__rows"].sum(), alone=(grouped["__rows"] == 1).cast("int64").sum()
        )
        row = self.tables.fetch(counted).to_pylist()[0]
        return (row["alone"] or 0) / row["rows"] if row["rows"] else 0.0


def as_floats(table: pa.Table, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a numeric or boolean column as doubles, null as NaN."""
    values = table.column(column)
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def is_number(column: Column) -> bool:
    """Tell whether a column is stored as a number."""
    return column.dtype in (Dtype.INT, Dtype.FLOAT)


def by_day(moment: Any) -> Any:
    """Return microseconds as whole days."""
    return moment // MICROSECONDS_PER_DAY


def rank_correlation(
    left: np.ndarray[Any, np.dtype[np.float64]], right: np.ndarray[Any, np.dtype[np.float64]]
) -> float:
    """Return Spearman's correlation with mean ranks for ties, 0 where it is undefined."""
    if len(left) < 3:
        return 0.0
    first, second = mean_ranks(left), mean_ranks(right)
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def mean_ranks(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return ranks from 0, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: np.ndarray[Any, np.dtype[np.float64]] = ends - (counts + 1) / 2
    return middle[inverse]
