"""Which entities there are at a moment, and the values of a query for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from weft.core import TIME, Schema, Task
from weft.data.labels.aggregate import Matcher, aggregate_values
from weft.data.labels.condition import evaluate
from weft.data.labels.paths import Gathered, Place, gather
from weft.data.labels.tree import Node, aggregates, columns, without_span
from weft.data.tables import Tables
from weft.pql.query import Aggregate, AggregateName, Answer, ColumnValue, Query

_ZERO_WHEN_EMPTY = (AggregateName.COUNT, AggregateName.COUNT_DISTINCT, AggregateName.SUM)


@dataclass(frozen=True)
class EntityScope:
    """What columns and aggregates stand for in a query on entities at moments."""

    schema: Schema
    rows: Any
    gathered: Gathered
    name_by_aggregate: dict[Aggregate, str] = field(default_factory=dict)
    answer: Answer | None = None
    num_joined: int = 0

    def column(self, node: ColumnValue) -> Any:
        """Return a plain column, null where a row on its path is not there at the anchor."""
        value = self.rows[self.gathered.name_by_place[node.path, node.column]]
        if not node.path:
            return value
        seen = self.rows[self.gathered.seen_by_path[node.path]]
        return (seen <= self.rows["anchor"]).ifelse(value, None)

    def aggregate(self, node: Aggregate) -> Any:
        """Return an aggregate, with what it is when no row was in its window."""
        import ibis

        value = self.rows[self.name_by_aggregate[without_span(node)]]
        if node.name in _ZERO_WHEN_EMPTY:
            return ibis.coalesce(value, 0)
        if node.name is AggregateName.LIST_DISTINCT and self.answer is Answer.CLASSIFY:
            return ibis.coalesce(value, ibis.literal([], type=value.type()))
        return value

    def filtered(self, condition: Any) -> EntityScope:
        """Return the scope of the rows that meet a condition."""
        return replace(self, rows=self.rows.filter(condition))


def entity_places(tables: Tables, query: Query, extra: tuple[str, ...] = ()) -> list[Place]:
    """Return the columns of the entities that a query needs."""
    task = query.task
    end = tables.schema.table(task.entity_table).end_time_column
    own: list[Place] = [((), c) for c in (task.entity_column, end, *extra) if c]
    parts = (query.target, query.where, query.assuming)
    return own + [(c.path, c.column) for part in parts for c in columns(part)]


def exists(tables: Tables, task: Task, rows: Any, gathered: Gathered) -> Any:
    """Return whether the entity of a row is there at its ``anchor``."""
    found = rows[TIME].isnull() | (rows[TIME] <= rows["anchor"])
    end = tables.schema.table(task.entity_table).end_time_column
    if end is None:
        return found
    ended = rows[gathered.name_by_place[(), end]]
    return found & (ended.isnull() | (ended > rows["anchor"]))


def seeds_at(tables: Tables, query: Query, moments: Any, extra: tuple[str, ...] = ()) -> EntityScope:
    """Return the entities that are there at each moment and meet WHERE.

    The rows have ``moment``, ``anchor``, and the entity's key as ``key``.
    """
    gathered = gather(tables, query.task.entity_table, entity_places(tables, query, extra))
    rows = gathered.rows.cross_join(moments.table())
    rows = rows.filter(exists(tables, query.task, rows, gathered))
    rows = rows.mutate(key=rows[gathered.name_by_place[(), query.task.entity_column]])
    scope = EntityScope(tables.schema, rows, gathered, {}, query.answer)
    return keep_where(tables, query, query.where, scope, moments)


def keep_where(
    tables: Tables, query: Query, condition: Node | None, scope: EntityScope, moments: Matcher
) -> EntityScope:
    """Leave the rows that meet a condition."""
    if condition is None:
        return scope
    scope = with_aggregates(tables, query, condition, scope, moments)
    return scope.filtered(evaluate(condition, scope))


def with_aggregates(
    tables: Tables,
    query: Query,
    node: Node,
    scope: EntityScope,
    moments: Matcher | None,
    *,
    by_frame: bool = False,
) -> EntityScope:
    """Join the aggregates of a tree to the rows of a scope."""
    rows = scope.rows
    names: dict[Aggregate, str] = {}
    for number, aggregate in enumerate(aggregates(node), start=scope.num_joined):
        values = aggregate_values(tables, query.task, aggregate, moments, by_frame=by_frame)
        taken = {"key": "e", "moment": "moment"} if aggregate.window else {"key": "e"}
        names_here = {left: f"{left}{number}" for left in taken}
        right = values.select(
            **{names_here[left]: values[column] for left, column in taken.items()},
            **{f"v{number}": values["value"]},
        )
        rows = rows.left_join(right, [rows[left] == right[name] for left, name in names_here.items()])
        names[aggregate] = f"v{number}"
    # The names of this tree alone: by frame, equal aggregates elsewhere have another meaning.
    joined = scope.num_joined + len(names)
    return replace(scope, rows=rows, name_by_aggregate=names, num_joined=joined)
