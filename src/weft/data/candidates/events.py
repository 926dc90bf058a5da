"""What entities did with items: one row per event, for link prediction."""

from __future__ import annotations

from typing import Any

from weft.core import InvariantError, Link
from weft.data.tables import ROW, TIME, Tables
from weft.pql.query import Aggregate, AggregateName, Query


def target_aggregate(query: Query) -> Aggregate:
    """Return the LIST_DISTINCT that a link prediction is about."""
    target = query.target
    if not isinstance(target, Aggregate) or target.name is not AggregateName.LIST_DISTINCT:
        raise InvariantError("DATA095", f"the target of '{query.canonical}' is not LIST_DISTINCT of a key.")
    return target


def item_events(tables: Tables, query: Query) -> Any:
    """Return an Ibis table of events: ``entity``, ``item``, ``time``, ``row``, in no order.

    Rows on the way from the event to its entity that came to be after the event do not hide it here; the time
    of the event is the newest time on the way, so that nothing is seen before all of it was there.
    """
    aggregate = target_aggregate(query)
    assert aggregate.column is not None
    facts = tables.table(aggregate.table)
    held = facts.select(
        **{f"c_{c}": facts[c] for c in _needed(aggregate.path[:1], aggregate.column.column)},
        time=facts[TIME],
        row=facts[ROW],
    )
    held, keys = _walk(tables, held, aggregate.path)
    events = held.select(
        entity=held[keys[0]], item=held[f"c_{aggregate.column.column}"], time=held.time, row=held.row
    )
    return events.filter(events.entity.notnull(), events.item.notnull(), events.time.notnull())


def _needed(path: tuple[Link, ...], item: str) -> list[str]:
    return sorted({item, *(c for link in path for c in link.columns)})


def _walk(tables: Tables, held: Any, path: tuple[Link, ...]) -> tuple[Any, list[str]]:
    """Join every parent but the last; return the table and the columns that hold the entity's key."""
    keys = [f"c_{c}" for c in path[0].columns]
    for depth, (link, following) in enumerate(zip(path, path[1:], strict=False)):
        parent = tables.table(link.parent)
        wanted = {f"p{depth}_{c}": parent[c] for c in (*link.parent_columns, *following.columns)}
        right = parent.select(**wanted, **{f"p{depth}_time": parent[TIME]})
        conditions = [
            held[k] == right[f"p{depth}_{c}"] for k, c in zip(keys, link.parent_columns, strict=True)
        ]
        held = held.inner_join(right, conditions)
        held = held.mutate(time=held.time.fill_null(held[f"p{depth}_time"]))
        later = held[f"p{depth}_time"] > held.time
        held = held.mutate(time=later.ifelse(held[f"p{depth}_time"], held.time))
        keys = [f"p{depth}_{c}" for c in following.columns]
    return held, keys
