"""A store as models see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from weft.core import SampleOptions
from weft.graph.embeddings import Seen
from weft.graph.layout import LinkLayout, TableLayout
from weft.graph.negatives import NegativeSampler, NegativeStrategy
from weft.graph.sampling import Sampler
from weft.graph.store import Store
from weft.graph.topk import TopKOptions, top_k

if TYPE_CHECKING:
    from weft.graph.service import RemoteStore

Array = np.ndarray[Any, Any]


class Source:
    """Gives a store, here or behind a service, the face that `weft.core.GraphSource` promises.

    Args:
        store: An open `Store` or `RemoteStore`.
    """

    def __init__(self, store: Store | RemoteStore) -> None:
        self.store = store

    @property
    def digest(self) -> str:
        """Names the content of the graph."""
        return self.store.digest

    @property
    def tables(self) -> Sequence[TableLayout]:
        """The tables, in order."""
        return self.store.layout.tables

    @property
    def links(self) -> Sequence[LinkLayout]:
        """The links, in order."""
        return self.store.layout.links

    def rows(self, table: str, keys: Any, *, threads: int = 1) -> Array:
        """Find the rows of keys; see `Store.rows`."""
        return self.store.rows(table, keys, threads=threads)

    def keys(self, table: str, rows: Sequence[int] | Array) -> list[Any]:
        """Return the keys of rows; see `Store.keys`."""
        return self.store.keys(table, rows)

    def values(self, table: str, rows: Sequence[int] | Array, *, threads: int = 1) -> dict[str, Array]:
        """Return the values of rows; see `Store.values`."""
        return self.store.values(table, rows, threads=threads)

    def times_us(self, table: str, rows: Sequence[int] | Array) -> Array:
        """Return the times of rows; see `Store.times_us`."""
        return self.store.times_us(table, rows)

    def dictionary(self, table: str, column: str) -> pa.Array:
        """Return the distinct values of a column of codes."""
        return self.store.dictionary(table, column)

    def neighborhoods(self, options: SampleOptions, *, threads: int = 1) -> Sampler:
        """Return a sampler."""
        return Sampler(self.store, options, threads=threads)

    def negatives(self, table: str, *, seed: int = 0) -> NegativeSampler:
        """Return what draws rows of a table that existed at an anchor."""
        return NegativeSampler(self.store, table, strategy=NegativeStrategy.UNIFORM, seed=seed)

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
        """Find the best items of every user; see `top_k`."""
        left_out = None if seen is None else Seen(*seen)
        options = TopKOptions(threads=threads)
        found = top_k(users, items, k, seen=left_out, allowed=allowed, options=options)
        return found.items, found.scores
