"""The rows to predict for: which entities, at which instant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.core import TIME, Offset, UserError, format_time, parse_time, to_datetime
from weft.data.engine import engine_errors
from weft.data.labels.horizon import fact_end_us, time_range_us
from weft.data.labels.moments import Moment, Moments
from weft.data.labels.seeds import seeds_at
from weft.data.labels.static import static_rows
from weft.data.tables import Tables
from weft.pql.query import Query

_NAMED = 5
_WRITTEN_KEYS = 1000
_CALENDAR_END_US = parse_time("9999-12-31T23:59:59.999999")


def build_seeds(
    tables: Tables, query: Query, *, at_us: int | None = None, entities: Sequence[Any] | None = None
) -> pa.Table:
    """Return the rows to predict for: ``entity, anchor_time, cutoff``, sorted.

    Args:
        tables: The prepared tables.
        query: Whose FOR and WHERE choose the entities.
        at_us: The instant of prediction, microseconds UTC; the last fact time when left out. A query without
            a window has none: each row's anchor is the entity's own time, else the newest time of the data.
        entities: Keys to predict for in place of those of FOR. Without either, all entities that are there
            and meet WHERE, for a query without a window those whose target is null.

    Raises:
        UserError: ``DATA076`` for an instant before the data, ``DATA077`` for a key that is not in the
            table, ``DATA078`` for one that is not there at that instant, ``DATA079`` when nobody is left,
            ``DATA087`` for an instant given to a query without a window, ``DATA098`` for one near the
            end of the calendar.
    """
    chosen = _chosen(tables, query, entities)
    if query.task.is_static:
        found = _static_seeds(tables, query, at_us, chosen)
    else:
        at_us = _instant(tables, query, at_us)
        if chosen is not None:
            _check_there(tables, query, chosen, at_us)
        found = population(tables, query, [at_us], chosen)
    if not found.num_rows:
        raise UserError(
            "DATA079",
            "there is no entity to predict for: none is there at the instant of prediction and meets WHERE.",
            "check WHERE, the keys after FOR, and the instant of prediction.",
        )
    return found.append_column("cutoff", found["anchor_time"])


def population(
    tables: Tables, query: Query, anchors_us: Sequence[int], entities: Sequence[Any] | None = None
) -> pa.Table:
    """Return ``entity, anchor_time`` of all entities that are there at each anchor and meet WHERE."""
    anchors = sorted(set(anchors_us))
    with Moments(tables, [Moment(anchor) for anchor in anchors]) as moments:
        rows = seeds_at(tables, query, moments).rows
        chosen = rows.select(entity=rows["key"], anchor_time=rows["anchor"])
        return _fetch_those(tables, chosen.order_by(["anchor_time", "entity"]), entities)


def _fetch_those(tables: Tables, rows: Any, entities: Sequence[Any] | None) -> pa.Table:
    """Run an expression for the rows of some entities; long lists are not written into the query."""
    if entities is not None and len(entities) <= _WRITTEN_KEYS:
        rows = rows.filter(rows["entity"].isin(list(entities)))
    with engine_errors("choosing entities"):
        found = tables.fetch(rows)
    if entities is None or len(entities) <= _WRITTEN_KEYS:
        return found
    return found.filter(pc.is_in(found["entity"], pa.array(entities, found["entity"].type)))


def _chosen(tables: Tables, query: Query, entities: Sequence[Any] | None) -> list[Any] | None:
    """Return the keys asked for, each once, and check that they are in the table."""
    if entities is None and query.entities is not None:
        entities = [literal.value for literal in query.entities]
    if entities is None:
        return None
    keys = list(dict.fromkeys(entities))
    column = tables.table(query.task.entity_table)[query.task.entity_column]
    try:
        wanted: list[Any] = pa.array(keys, column.type().to_pyarrow()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        raise _unknown(query, [k for k in keys if not _is_like(k, column)] or keys) from None
    present = set(_fetch_those(tables, column.name("entity").as_table(), wanted)["entity"].to_pylist())
    missing = [key for key in wanted if key not in present]
    if missing:
        raise _unknown(query, missing)
    return wanted


def _is_like(key: Any, column: Any) -> bool:
    try:
        pa.array([key], column.type().to_pyarrow())
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True


def _unknown(query: Query, keys: list[Any]) -> UserError:
    task = query.task
    return UserError(
        "DATA077",
        f"{task.entity_table}.{task.entity_column} does not hold {_listed(keys)}.",
        "give keys that are in the table.",
    )


def _listed(keys: list[Any]) -> str:
    shown = ", ".join(repr(key) for key in keys[:_NAMED])
    return shown if len(keys) <= _NAMED else f"{shown} and {len(keys) - _NAMED} more"


def _instant(tables: Tables, query: Query, at_us: int | None) -> int:
    last = fact_end_us(query, tables)
    assert last is not None, "a query with a window aggregates a table with a time"
    if at_us is None:
        return last
    names = [t.name for t in tables.schema.tables if t.time_column]
    first = min(found[0] for name in names if (found := time_range_us(tables, name)))
    if at_us < first:
        raise UserError(
            "DATA076",
            f"the instant of prediction, {format_time(at_us)}, is before the data, which starts "
            f"{format_time(first)}.",
            f"give an instant from then on; the last fact is at {format_time(last)}.",
        )
    ahead = query.task.horizon or Offset(0)
    if at_us + ahead.nominal_us * (query.task.num_frames or 1) > _CALENDAR_END_US:
        raise UserError(
            "DATA098",
            f"what is predicted at {format_time(at_us)} lies past the year 9999, where the calendar ends.",
            f"give an earlier instant; the last fact is at {format_time(last)}.",
        )
    return at_us


def _check_there(tables: Tables, query: Query, keys: list[Any], at_us: int) -> None:
    """Refuse keys that came later than the instant of prediction or are gone by then."""
    import ibis

    table = tables.table(query.task.entity_table)
    at = ibis.literal(to_datetime(at_us).replace(tzinfo=None), type="timestamp(6)")
    absent = table[TIME] > at
    end = tables.schema.table(query.task.entity_table).end_time_column
    if end is not None:
        absent = ibis.coalesce(absent, False) | (table[end] <= at)
    key = table[query.task.entity_column]
    rows = table.filter(absent).select(entity=key).order_by("entity")
    missing = _fetch_those(tables, rows, keys)["entity"].to_pylist()
    if missing:
        raise UserError(
            "DATA078",
            f"{query.task.entity_table} {_listed(missing)} {'does' if len(missing) == 1 else 'do'} not exist "
            f"at {format_time(at_us)}: the time of the row is later, or its end time has passed.",
            "leave these keys out, or predict at another instant.",
        )


def _static_seeds(tables: Tables, query: Query, at_us: int | None, chosen: list[Any] | None) -> pa.Table:
    if at_us is not None:
        raise UserError(
            "DATA087",
            "the query has no window, so there is no instant of prediction to choose.",
            "leave it out: the rows whose target is null are predicted.",
        )
    unlabelled = static_rows(tables, query, is_labelled=False)
    if chosen is None:
        return unlabelled.select(["entity", "anchor_time"])
    labelled = static_rows(tables, query, is_labelled=True)
    both = pa.concat_tables([t.select(["entity", "anchor_time"]) for t in (unlabelled, labelled)])
    wanted = pc.is_in(both["entity"], pa.array(chosen, both["entity"].type))
    return both.filter(wanted).sort_by([("anchor_time", "ascending"), ("entity", "ascending")])
