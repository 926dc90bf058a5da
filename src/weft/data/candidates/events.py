"""What entities did with items: one row per event, for link prediction."""

from __future__ import annotations

from typing import Any

from weft.core import ROW, TIME, InvariantError, Link, Task
from weft.data.labels.aggregate import RowScope
from weft.data.labels.condition import evaluate
from weft.data.labels.paths import Path, Place, gather
from weft.data.labels.tree import columns
from weft.data.tables import Tables
from weft.pql.query import Aggregate, AggregateName, Query


def target_aggregate(query: Query) -> Aggregate:
    """Return the LIST_DISTINCT that a link prediction is about."""
    target = query.target
    if not isinstance(target, Aggregate) or target.name is not AggregateName.LIST_DISTINCT:
        raise InvariantError("DATA120", f"the target of '{query.canonical}' is not LIST_DISTINCT of a key.")
    return target


def item_events(tables: Tables, query: Query) -> Any:
    """Return an Ibis table of events: ``entity``, ``item``, ``time``, ``row``, in no order.

    The time of an event is the newest time among its row and the rows on the way to its entity, its item and
    what its condition reads, so that nothing is seen before all of it was there. Keys without a match make no
    event.
    """
    import ibis

    aggregate = target_aggregate(query)
    assert aggregate.column is not None
    entity = _entity_place(aggregate, query.task)
    item = (aggregate.column.path, aggregate.column.column)
    used = columns(aggregate.where) if aggregate.where is not None else []
    link = _item_link(tables, query)
    key: Place = ((*item[0], link), link.parent_columns[0]) if link else item
    paths = [p for p in dict.fromkeys([entity[0], key[0], *(c.path for c in used)]) if p]
    gathered = gather(
        tables, aggregate.table, [entity, item, key, *((c.path, c.column) for c in used)], paths
    )
    rows = gathered.rows
    if aggregate.where is not None:
        rows = rows.filter(evaluate(aggregate.where, RowScope(tables.schema, rows, gathered, False)))
    times = [rows[TIME], *(rows[gathered.seen_by_path[p]] for p in paths)]
    events = rows.select(
        entity=rows[gathered.name_by_place[entity]],
        item=rows[gathered.name_by_place[key]],
        time=ibis.greatest(*times),
        row=rows[ROW],
        known=rows[TIME].notnull(),
    )
    return events.filter(events.entity.notnull(), events.item.notnull(), events.known).drop("known")


def _entity_place(aggregate: Aggregate, task: Task) -> Place:
    last = aggregate.path[-1]
    path: Path = aggregate.path[:-1]
    if last.parent_columns == (task.entity_column,):
        return path, last.columns[0]
    return aggregate.path, task.entity_column


def _item_link(tables: Tables, query: Query) -> Link | None:
    """Return the link from the listed column to the table of items."""
    column = target_aggregate(query).column
    assert column is not None
    for link in tables.schema.links_from(column.table):
        if link.parent == query.task.item_table and link.columns == (column.column,):
            return link
    return None
