"""What a model needs of a graph, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from weft.core.batch import Batch
from weft.core.sampling import SampleOptions
from weft.core.schema import Dtype, Stype

Array = np.ndarray[Any, Any]


class GraphColumn(Protocol):
    """A column whose values a graph keeps."""

    @property
    def name(self) -> str:
        """As in the schema."""
        ...

    @property
    def dtype(self) -> Dtype:
        """Storage in the prepared table."""
        ...

    @property
    def stype(self) -> Stype:
        """Its meaning."""
        ...

    @property
    def width(self) -> int:
        """Number of values: 1, or the dimension of a vector."""
        ...

    @property
    def is_coded(self) -> bool:
        """Whether values are codes of `GraphSource.dictionary`."""
        ...


class GraphTable(Protocol):
    """A table of a graph; its rows are numbered from 0."""

    @property
    def name(self) -> str:
        """As in the schema."""
        ...

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def columns(self) -> Sequence[GraphColumn]:
        """Columns with values; keys and ids are not among them."""
        ...


class GraphLink(Protocol):
    """A foreign key: every row of ``child`` points to at most one row of ``parent``."""

    @property
    def name(self) -> str:
        """Its name, by which batches call it."""
        ...

    @property
    def child(self) -> str:
        """Table that holds the foreign key."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The foreign key."""
        ...

    @property
    def parent(self) -> str:
        """Table that it points to."""
        ...


class Neighborhoods(Protocol):
    """Draws the neighborhoods of seeds; may be used from several threads at once."""

    def sample(
        self, table: str, rows: Sequence[int] | Array, anchors_us: Sequence[int] | Array, *, epoch: int = 0
    ) -> Batch:
        """Draw the neighborhoods of rows of a table, none of whose rows is later than its anchor."""
        ...


class Negatives(Protocol):
    """Draws rows of one table that a seed is not linked to; may be used from several threads at once."""

    def sample(
        self, anchors_us: Sequence[int] | Array, num: int, *, keys: Sequence[int] | Array, epoch: int = 0
    ) -> Array:
        """Draw rows that existed at each anchor, uint32 ``(n, num)``, ``0xFFFFFFFF`` where there are too few.

        The same anchor, key and epoch give the same rows.
        """
        ...


class GraphSource(Protocol):
    """A materialized graph that a model reads rows and neighborhoods from."""

    @property
    def digest(self) -> str:
        """Names the content: equal graphs, equal digests."""
        ...

    @property
    def tables(self) -> Sequence[GraphTable]:
        """The tables, in order."""
        ...

    @property
    def links(self) -> Sequence[GraphLink]:
        """The links, in order."""
        ...

    def rows(self, table: str, keys: Any, *, threads: int = 1) -> Array:
        """Find the rows of keys; uint32 ``(n,)``, ``0xFFFFFFFF`` for a key that no row has."""
        ...

    def keys(self, table: str, rows: Sequence[int] | Array) -> list[Any]:
        """Return the primary keys of rows, a tuple each where a key has several columns.

        Raises:
            UserError: ``GRAPH044`` for a table without a key.
        """
        ...

    def values(self, table: str, rows: Sequence[int] | Array, *, threads: int = 1) -> dict[str, Array]:
        """Return the values of rows, column by column, in the storage that `BatchRows` names."""
        ...

    def times_us(self, table: str, rows: Sequence[int] | Array) -> Array:
        """Return the times of rows, microseconds UTC, the least integer for a row without time."""
        ...

    def dictionary(self, table: str, column: str) -> pa.Array:
        """Return the distinct values of a column of codes, by code."""
        ...

    def neighborhoods(self, options: SampleOptions, *, threads: int = 1) -> Neighborhoods:
        """Return what draws neighborhoods as the options say."""
        ...

    def negatives(self, table: str, *, seed: int = 0) -> Negatives:
        """Return what draws rows of a table, each with the same chance."""
        ...

    def best_items(
        self,
        users: Array,
        items: Array,
        k: int,
        *,
        seen: tuple[Array, Array] | None = None,
        allowed: Array | None = None,
        threads: int = 1,
    ) -> tuple[Array, Array]:
        """Find the ``k`` items of the largest inner products with each user, exactly.

        Args:
            users: Shape ``(n, d)``, float32.
            items: Shape ``(m, d)``, float32.
            k: Items per user.
            seen: Offsets ``(n + 1,)`` and item rows, ascending per user, that a user is not given.
            allowed: Which items anyone may be given, bool ``(m,)``.
            threads: At most so many work.

        Returns:
            Rows, best first, -1 where there are fewer, int64 ``(n, k)``; and their products, float32.
        """
        ...
