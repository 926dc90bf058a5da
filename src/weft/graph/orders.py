"""Rows in the order of their times, for those who draw from all that existed at an anchor."""

from __future__ import annotations

import os
from typing import Protocol

from weft.graph import _native
from weft.graph.layout import Layout
from weft.graph.once import Once


class TimeOrders:
    """The orders of a graph's rows by time, each made when it is first asked for.

    Args:
        native: The graph, with the times and prepared numbers of the rows that are ordered.
        layout: Its layout.
    """

    def __init__(self, native: _native.Graph, layout: Layout) -> None:
        self.native = native
        threads = len(os.sched_getaffinity(0))
        tables, links = [t.name for t in layout.tables], [k.name for k in layout.links]
        self._rows = Once(lambda name: _native.order_rows(native, tables.index(name), threads))
        self._parents = Once(lambda name: _native.order_parents(native, links.index(name), threads))

    def rows(self, table: str) -> _native.TimeOrder:
        """Return the rows of a table by time."""
        return self._rows.get(table)

    def parents(self, link: str) -> _native.TimeOrder:
        """Return the parents of a link's child rows by time of those."""
        return self._parents.get(link)


class Ordered(Protocol):
    """A store whose rows can be put in the order of their times, whether they are here or elsewhere."""

    layout: Layout

    def index(self, table: str) -> int:
        """Return the position of a table in the layout."""
        ...

    def orders(self, table: str, link: str | None = None) -> TimeOrders:
        """Return the orders of a table's rows, and of those linked to it over a link."""
        ...
