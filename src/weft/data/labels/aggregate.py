"""Aggregates over the rows that a path joins to an entity, for every moment at once.

The rows are reduced per entity and moment before they meet the entities. Where windows overlap, they are
first reduced per entity and cell, so that a row is read once however many windows it is in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from weft.core import ROW, TIME, Link, Schema, Task
from weft.data.labels.condition import evaluate
from weft.data.labels.paths import Gathered, Path, Place, gather
from weft.data.labels.recipe import Recipe, recipe_of
from weft.data.labels.tree import columns
from weft.data.tables import Tables
from weft.pql.query import Aggregate, ColumnValue, Window


class Matcher(Protocol):
    """Moments that rows can be matched to."""

    def is_disjoint(self, window: Window, *, by_frame: bool) -> bool:
        """Return whether no row can be in the windows of two moments."""

    def find_cells(self, rows: Any, window: Window, *, by_frame: bool) -> Any:
        """Add ``cell`` to rows with a time ``t``."""

    def spread(self, partials: Any, window: Window, *, by_frame: bool) -> Any:
        """Turn each row with a ``cell`` into one per window that covers it."""

    def match(self, rows: Any, window: Window, *, by_frame: bool) -> Any:
        """Join rows with a time ``t`` to every moment in whose window they are."""


@dataclass(frozen=True)
class RowScope:
    """What columns stand for in a condition on the rows of an aggregated table.

    With ``is_sighted`` a parent that is not there at the ``sight`` of the moment gives null.
    """

    schema: Schema
    rows: Any
    gathered: Gathered
    is_sighted: bool

    def column(self, node: ColumnValue) -> Any:
        """Return the Ibis value of a plain column."""
        value = self.rows[self.gathered.name_by_place[node.path, node.column]]
        if not (node.path and self.is_sighted):
            return value
        return self.is_seen(node.path).ifelse(value, None)

    def is_seen(self, path: Path) -> Any:
        """Return whether all rows on a path are there at the sight of the moment."""
        return self.rows[self.gathered.seen_by_path[path]] <= self.rows["sight"]

    def aggregate(self, node: Aggregate) -> Any:
        """Refuse: an aggregate's condition holds no aggregate."""
        raise AssertionError(node)


def aggregate_values(
    tables: Tables, task: Task, aggregate: Aggregate, moments: Matcher | None, *, by_frame: bool = False
) -> Any:
    """Return the Ibis table ``e, moment, value`` of an aggregate; groups without a row are absent.

    Without a window there is no ``moment``: nothing on the way from such a table to the entity has a time.
    """
    work = _Work(tables, task, aggregate)
    window = aggregate.window
    recipe = recipe_of(tables, aggregate, work.item_link is None)
    if window is None:
        return recipe.finish(work.kept(work.rows, is_sighted=False), ["e"])
    assert moments is not None
    if not recipe.is_staged or moments.is_disjoint(window, by_frame=by_frame):
        matched = work.kept(moments.match(work.rows, window, by_frame=by_frame), is_sighted=True)
        return recipe.finish(matched, ["e", "moment"])
    early = work.kept(work.rows.filter(~work.is_late()), is_sighted=False)
    in_cells = recipe.reduce(moments.find_cells(early, window, by_frame=by_frame), ["e", "cell"])
    partials = _partials(recipe, moments.spread(in_cells, window, by_frame=by_frame))
    if work.paths:
        late = moments.match(work.rows.filter(work.is_late()), window, by_frame=by_frame)
        reduced = recipe.reduce(work.kept(late, is_sighted=True), ["e", "moment"])
        partials = partials.union(_partials(recipe, reduced))
    return recipe.merge(partials, ["e", "moment"])


def _partials(recipe: Recipe, table: Any) -> Any:
    return table.select("e", "moment", *recipe.partial_columns)


class _Work:
    """The rows of one aggregate: ``e`` the entity's key, ``t`` the time, ``x`` the value.

    ``paths`` are those whose rows might come later than the aggregated row itself.
    """

    def __init__(self, tables: Tables, task: Task, aggregate: Aggregate) -> None:
        self.schema = tables.schema
        self.aggregate = aggregate
        self.item_link = _item_link(tables.schema, task, aggregate)
        entity_path, entity = _entity_place(aggregate, task)
        used = [c for c in (aggregate.column, *columns(aggregate.where)) if c is not None]
        item_paths = [(self.item_link,)] if self.item_link else []
        paths = [entity_path, *(c.path for c in used), *item_paths]
        self.paths = [p for p in dict.fromkeys(paths) if p]
        self.entity_path = entity_path
        self.gathered = gather(
            tables, aggregate.table, [entity, *((c.path, c.column) for c in used)], self.paths
        )
        rows = self.gathered.rows
        key = rows[self.gathered.name_by_place[entity]]
        self.rows = rows.mutate(e=key, t=rows[TIME], r=rows[ROW]).filter(key.notnull())

    def is_late(self) -> Any:
        """Return whether a row on a path came after the aggregated row itself."""
        import ibis

        found = ibis.literal(False)
        for path in self.paths:
            found = found | (self.rows[self.gathered.seen_by_path[path]] > self.rows["t"])
        return found

    def kept(self, rows: Any, *, is_sighted: bool) -> Any:
        """Leave the rows that meet the condition and add ``x``."""
        scope = RowScope(self.schema, rows, self.gathered, is_sighted)
        conditions = []
        if is_sighted and self.entity_path:
            conditions.append(scope.is_seen(self.entity_path))
        if self.aggregate.where is not None:
            conditions.append(evaluate(self.aggregate.where, scope))
        if self.aggregate.column is not None:
            rows = rows.mutate(x=self._value(scope))
        return rows.filter(conditions) if conditions else rows

    def _value(self, scope: RowScope) -> Any:
        assert self.aggregate.column is not None
        value = scope.column(self.aggregate.column)
        if self.item_link is None:
            return value
        place = ((self.item_link,), self.item_link.parent_columns[0])
        found = scope.rows[self.gathered.name_by_place[place]].notnull()
        if scope.is_sighted:
            found = found & scope.is_seen((self.item_link,))
        return found.ifelse(value, None)


def _entity_place(aggregate: Aggregate, task: Task) -> tuple[Path, Place]:
    """Return the path that must be walked to the entity's key, and where the key stands."""
    last = aggregate.path[-1]
    if last.parent_columns == (task.entity_column,):
        return aggregate.path[:-1], (aggregate.path[:-1], last.columns[0])
    return aggregate.path, (aggregate.path, task.entity_column)


def _item_link(schema: Schema, task: Task, aggregate: Aggregate) -> Link | None:
    """Return the link from the aggregated column to the items of a link prediction.

    A key without a match is no edge, so it is no item either.
    """
    column = aggregate.column
    if task.item_table is None or column is None or column.path:
        return None
    for link in schema.links_from(aggregate.table):
        if link.columns == (column.column,) and link.parent == task.item_table:
            return link
    return None
