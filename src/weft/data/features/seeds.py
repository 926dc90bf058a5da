"""Seeds: the (entity, anchor, cutoff) rows that features are computed for, with row numbers for keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import ROW, UserError
from weft.data.features.segments import Bools, Ints
from weft.data.tables import Tables
from weft.pql.query import Query


@dataclass(frozen=True)
class Seeds:
    """Columns of the seeds, all of one length.

    Attributes:
        keys: Row number of the entity in its table, -1 when unknown.
        cutoffs: History is visible up to this instant, microseconds UTC.
        anchors: Instant of prediction.
        frames: Number of the frame, for forecasting.
        removed: Table → pairs (position of the seed, row number), sorted, of rows to leave out.
    """

    keys: Ints
    cutoffs: Ints
    anchors: Ints
    frames: Ints | None = None
    removed: Mapping[str, Ints] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, keys: Ints) -> Seeds:
        """Return the same seeds for other keys."""
        return replace(self, keys=keys)

    def variants(self) -> Bools:
        """Return which seeds have rows to leave out."""
        found = np.zeros(len(self), bool)
        for pairs in (self.removed or {}).values():
            found[pairs[:, 0]] = True
        return found


def read_seeds(tables: Tables, seeds: pa.Table, query: Query, without: pa.Table | None = None) -> Seeds:
    """Find the entities' row numbers and the instants of a table of seeds.

    Raises:
        UserError: ``DATA094`` when a column is missing.
    """
    missing = {"entity", "anchor_time", "cutoff"} - set(seeds.column_names)
    if missing:
        raise UserError(
            "DATA094",
            f"the seeds lack the columns {', '.join(sorted(missing))}.",
            "give the columns entity, anchor_time and cutoff.",
        )
    frames = None
    if "frame" in seeds.column_names:
        frames = seeds["frame"].to_numpy().astype(np.int64)
    return Seeds(
        keys=find_rows(tables, query, seeds["entity"]),
        cutoffs=instants(seeds["cutoff"]),
        anchors=instants(seeds["anchor_time"]),
        frames=frames,
        removed=None if without is None else _removed(without),
    )


def find_rows(tables: Tables, query: Query, entities: pa.ChunkedArray) -> Ints:
    """Return the row number of each entity in its table, -1 when it is not there."""
    table = tables.table(query.task.entity_table)
    known = tables.fetch(table.select(key=table[query.task.entity_column], row=table[ROW]))
    entities = entities.cast(known["key"].type)
    found = pc.index_in(entities, value_set=known["key"])
    rows = np.append(known["row"].to_numpy(), -1)
    result: Ints = rows[pc.fill_null(found, len(rows) - 1).to_numpy()].astype(np.int64)
    return result


def instants(column: Any) -> Ints:
    """Return a timestamp column as microseconds UTC."""
    values: Ints = column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    return values


def _removed(without: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
    """Columns of ``without``: position of the seed, table, row number."""
    seed, table, row = (without.column(i) for i in range(3))
    removed = {}
    for name in pc.unique(table).to_pylist():
        chosen = pc.equal(table, name)
        pairs = np.column_stack([seed.filter(chosen).to_numpy(), row.filter(chosen).to_numpy()])
        removed[name] = np.unique(pairs.astype(np.int64), axis=0)
    return removed
