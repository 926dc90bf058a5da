"""The rows behind a prediction: what an entity had done by an instant, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from weft.core import ROW, TIME, Link, to_datetime
from weft.data.tables import Tables


@dataclass(frozen=True)
class EntityRows:
    """Rows that refer to one entity by one link.

    Attributes:
        link: The link walked.
        rows: The table's columns with ``__row`` and ``__time``, newest first.
        num_rows: How many there are in all; ``rows`` may hold fewer.
    """

    link: Link
    rows: pa.Table
    num_rows: int


def entity_rows(
    tables: Tables, table: str, key_column: str, key: Any, cutoff_us: int, *, limit: int = 10
) -> tuple[EntityRows, ...]:
    """Collect the newest rows that refer to an entity and were there at the cutoff.

    Args:
        tables: Prepared tables.
        table: The entity's table.
        key_column: Its key.
        key: The entity.
        cutoff_us: Microseconds UTC; rows later than it are not returned.
        limit: Rows per link.
    """
    import ibis

    found = []
    cutoff = ibis.literal(to_datetime(cutoff_us).replace(tzinfo=None), type="timestamp(6)")
    for link in tables.schema.links_to(table):
        if link.parent_columns != (key_column,):
            continue
        child = tables.table(link.table)
        seen = child.filter(child[link.columns[0]] == key, child[TIME].isnull() | (child[TIME] <= cutoff))
        total = tables.fetch(seen.agg(n=seen.count())).column(0).to_pylist()[0]
        newest = tables.fetch(seen.order_by(ibis.desc(TIME), ibis.desc(ROW)).limit(limit))
        if total:
            found.append(EntityRows(link, newest, int(total)))
    return tuple(found)
