"""Past labels: labels of the same entity whose window has ended by the cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weft.core import Offset
from weft.data.features.aggregates import View, aggregate
from weft.data.features.recipe import Recipe, Source
from weft.data.features.rows import Block, Scan
from weft.data.features.seeds import Seeds, find_rows, instants
from weft.data.features.segments import Ints
from weft.data.tables import Tables
from weft.pql.query import Query

_SOURCES = (Source("label"), Source("label", words=True))


class PastLabels:
    """The labels as rows of their entities, each at the end of its window."""

    def __init__(self, tables: Tables, query: Query, labels: pa.Table) -> None:
        keys = find_rows(tables, query, labels["entity"])
        ends = label_ends(query, labels)
        # A label table may hold a row under several cutoffs; its label is one.
        distinct = np.unique(np.column_stack([keys, ends]), axis=0, return_index=True)[1]
        order = distinct[np.lexsort((distinct, ends[distinct], keys[distinct]))]
        label = _plain(labels["label"]).take(pa.array(order))
        data = pa.table(
            {
                "key": pa.array(keys[order]),
                "time": pa.array(ends[order]).cast(pa.timestamp("us")),
                "row": pa.array(order),
                "s0": label,
                "s1": label,
            }
        )
        self._block = Block(data.combine_chunks(), Scan("labels", (), _SOURCES))

    def compute(self, seeds: Seeds, recipes: Sequence[Recipe]) -> dict[Recipe, npt.NDArray[Any]]:
        """Return one array per recipe."""
        # Unknown entities share the row number -1; none of them is the same entity.
        keys = np.where(seeds.keys < 0, np.iinfo(np.int64).max, seeds.keys)
        order = np.lexsort((seeds.cutoffs, keys))
        view = View(self._block, keys[order], seeds.cutoffs[order], seeds.anchors[order])
        back = np.argsort(order)
        return {recipe: aggregate(view, recipe)[back] for recipe in recipes}


def label_ends(query: Query, labels: pa.Table) -> Ints:
    """Return when the window of each row of a label table ends; at its anchor where there is none."""
    horizon = query.task.horizon or Offset(0)
    return window_ends(instants(labels["anchor_time"]), horizon, _frames(labels))


def window_ends(anchors: Ints, horizon: Offset, frames: Ints | None) -> Ints:
    """Return when each label's window ends; of frame k after k + 1 horizons, counted from 0."""
    steps = np.ones_like(anchors) if frames is None else frames + 1
    pairs, back = np.unique(np.column_stack([anchors, steps]), axis=0, return_inverse=True)
    ends = [Offset(horizon.value * int(n), horizon.unit).after(int(t)) for t, n in pairs]
    return np.array(ends, np.int64)[back.ravel()] if len(ends) else anchors


def _frames(labels: pa.Table) -> Ints | None:
    return labels["frame"].to_numpy().astype(np.int64) if "frame" in labels.column_names else None


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_large_string(values.type):
        return values.cast(pa.string())
    return values
