"""Which seeds' entities had any history: something that was recorded about them by the cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import ROW, TIME, Link
from weft.data.features import own_target
from weft.data.features.labels import label_ends
from weft.data.features.paths import Graph
from weft.data.features.rows import ALWAYS, NEVER_YET
from weft.data.features.seeds import find_rows, instants
from weft.data.features.segments import Bools, Ints
from weft.data.tables import Tables
from weft.pql.query import Query

_NOT_YET = np.iinfo(np.int64).max


def find_history(
    tables: Tables,
    query: Query,
    seeds: pa.Table,
    *,
    excluded: frozenset[tuple[str, str]] = frozenset(),
    as_of: Mapping[tuple[str, str], int] | None = None,
    past_labels: pa.Table | None = None,
) -> Bools | None:
    """Say of each seed whether anything was recorded about its entity by the cutoff.

    That is a row of any table that links to the entity, visible as features see it: its time and that of
    the entity's own row are at or before the cutoff, and a row without a time is visible always. The
    entity's own columns and the parents it points to are no history. A label that Weft computes is made of
    such rows, so it adds nothing; one that the user gave is a record, known once its window has ended. It
    takes one pass over the keys and times of each such table, whatever the number of seeds.

    Args:
        tables: The prepared tables.
        query: What is asked.
        seeds: ``entity, anchor_time, cutoff``.
        excluded: Pairs (table, column); links over them are not walked.
        as_of: Pairs (table, column) → instant before which the column is not known.
        past_labels: The label table where the user gave it.

    Returns:
        Bool, ``(n,)``; ``None`` where nothing could record history: no table links to the entity's.
    """
    links = Graph(tables.schema, excluded | own_target(query)).down(query.task.entity_table)
    if query.task.horizon is None:
        past_labels = None
    if not links and past_labels is None:
        return None
    keys = find_rows(tables, query, seeds["entity"])
    first = _first_known(tables, keys, links, as_of or {})
    if past_labels is not None:
        first = np.minimum(first, _look_up(keys, _first_labels(tables, query, past_labels)))
    found: Bools = first <= instants(seeds["cutoff"])
    return found


def _first_known(
    tables: Tables, keys: Ints, links: Sequence[Link], as_of: Mapping[tuple[str, str], int]
) -> Ints:
    """Return when the first row of any link came to be visible to each entity."""
    first: Ints = np.full(len(keys), _NOT_YET)
    for link in links:
        known_us = max(as_of.get((link.table, column), ALWAYS) for column in link.columns)
        first = np.minimum(first, np.maximum(_look_up(keys, _first_rows(tables, link)), known_us))
    return first


def _first_rows(tables: Tables, link: Link) -> pa.Table:
    """Return for each row of the parent when its first child came to be visible: ``row, first``."""
    child = _instants(tables, link.table, link.columns, "child")
    parent = _instants(tables, link.parent, link.parent_columns, "parent")
    on = [child[f"child{i}"] == parent[f"parent{i}"] for i in range(len(link.columns))]
    joined = child.join(parent, on)
    both = (joined["child_time"] >= joined["parent_time"]).ifelse(joined["child_time"], joined["parent_time"])
    seen = joined.select(row=joined["parent_row"], time=both)
    found = tables.fetch(seen.group_by("row").agg(first=seen["time"].min()))
    return pa.table({"row": found["row"], "first": found["first"].cast(pa.timestamp("us")).cast(pa.int64())})


def _instants(tables: Tables, name: str, columns: tuple[str, ...], side: str) -> Any:
    import ibis

    table = tables.table(name)
    time = ibis.coalesce(table[TIME].cast("timestamp(6)"), ibis.literal(NEVER_YET, "timestamp(6)"))
    keys = {f"{side}{i}": table[column] for i, column in enumerate(columns)}
    return table.select(**keys, **{f"{side}_time": time, f"{side}_row": table[ROW]})


def _first_labels(tables: Tables, query: Query, labels: pa.Table) -> pa.Table:
    """Return for each entity's row when its first label came to be known: ``row, first``."""
    ends = pa.table({"row": find_rows(tables, query, labels["entity"]), "first": label_ends(query, labels)})
    return ends.group_by("row").aggregate([("first", "min")]).rename_columns(["row", "first"])


def _look_up(keys: Ints, known: pa.Table) -> Ints:
    """Return the instant of each row, that of a row which is not there lies after every cutoff."""
    place = pc.index_in(pa.array(keys), value_set=known["row"].combine_chunks().cast(pa.int64()))
    times = np.append(known["first"].to_numpy(), _NOT_YET)
    found: Ints = times[pc.fill_null(place, len(times) - 1).to_numpy(zero_copy_only=False)]
    # Entities that the table does not have share the row number -1; none of them is the same entity.
    return np.where(keys < 0, _NOT_YET, found)
