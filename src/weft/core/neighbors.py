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
