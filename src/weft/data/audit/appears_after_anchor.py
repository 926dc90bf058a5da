"""Entities that appear only after the anchor: a label row whose entity has no fact before it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from weft.core import TIME, Finding, Severity
from weft.data.audit.context import AuditContext
from weft.data.profile.engine import epoch_us

RULE = "appears_after_anchor"
_MIN_SHARE = 0.01


def find(context: AuditContext) -> Iterator[Finding]:
    """Count label rows whose entity, in a table without times, has its first fact after their anchor."""
    query, labels = context.query, context.labels
    if query is None or labels is None or not labels.num_rows:
        return
    entity = context.schema.table(query.task.entity_table)
    if entity.time_column or entity.primary_key != (query.task.entity_column,):
        return
    first = _first_facts(context, entity.name)
    if not first.num_rows:
        return
    rows = labels.select([labels.column_names[0], "anchor_time"]).rename_columns(["key", "anchor"])
    joined = rows.join(
        first.cast(pa.schema([("key", rows.schema.field("key").type), ("first", pa.int64())])), "key"
    )
    anchors = joined.column("anchor").cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    facts = joined.column("first").fill_null(np.iinfo(np.int64).max).to_numpy()
    late = int((facts > anchors).sum())
    if late >= _MIN_SHARE * len(facts):
        yield Finding(
            RULE,
            Severity.NOTE,
            entity.name,
            (),
            f"{late:,} of {len(facts):,} label rows are of entities whose first fact comes after the anchor",
            f"set a time column of {entity.name}, or ask only for entities with earlier facts in WHERE",
        )


def _first_facts(context: AuditContext, entity: str) -> pa.Table:
    """Return for every entity with a timed child the time of the first one."""
    parts = []
    for link in context.schema.links_to(entity):
        if len(link.columns) == 1 and context.num_timed(link.table) and link.table != entity:
            child = context.tables.table(link.table)
            parts.append(child.select(key=child[link.columns[0]], at=epoch_us(child[TIME])))
    if not parts:
        return pa.table({"key": pa.array([], pa.int64()), "first": pa.array([], pa.int64())})
    every = parts[0]
    for part in parts[1:]:
        every = every.union(part)
    every = every.filter(every.key.notnull())
    return context.tables.fetch(every.group_by("key").aggregate(first=every["at"].min()))
