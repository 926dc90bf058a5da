"""Comparisons with all entities that exist at the cutoff and meet WHERE, never with rows of a label table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.data.features.recipe import Recipe
from weft.data.features.seeds import Seeds
from weft.data.features.segments import Floats, Ints
from weft.data.tables import ROW, TIME, Tables
from weft.pql.query import Query

Values = npt.NDArray[Any]
Compute = Callable[[Seeds, Sequence[Recipe]], list[Values]]

MEMBERS = 20_000
"""At most so many entities stand for all at one cutoff, evenly spaced by row number."""

_CHUNK_SEEDS = 2_000_000


class Population:
    """Computes ranks and ratios of base recipes."""

    def __init__(self, tables: Tables, query: Query, compute: Compute) -> None:
        self._tables = tables
        self._query = query
        self._compute = compute

    def compare(self, seeds: Seeds, recipes: Sequence[Recipe]) -> dict[Recipe, Values]:
        """Return one array per recipe of the families ``rank`` and ``ratio``."""
        if not recipes:
            return {}
        bases = list(dict.fromkeys(r.base for r in recipes if r.base is not None))
        own = dict(zip(bases, self._compute(seeds, bases), strict=True))
        results: dict[Recipe, Values] = {r: np.full(len(seeds), np.nan) for r in recipes}
        cutoffs, at = np.unique(seeds.cutoffs, return_inverse=True)
        rows, times = self._entities()
        per_chunk = max(_CHUNK_SEEDS // max(min(len(rows), MEMBERS), 1), 1)
        for begin in range(0, len(cutoffs), per_chunk):
            chunk = cutoffs[begin : begin + per_chunk]
            members, edges = _members(rows, times, chunk)
            theirs = dict(zip(bases, self._compute(members, bases), strict=True))
            for i in range(len(chunk)):
                chosen = np.flatnonzero(at == begin + i)
                for recipe in recipes:
                    assert recipe.base is not None
                    them = theirs[recipe.base][edges[i] : edges[i + 1]]
                    results[recipe][chosen] = _compare(recipe.family, own[recipe.base][chosen], them)
        return results

    def _entities(self) -> tuple[Ints, Ints]:
        table = self._tables.table(self._query.task.entity_table)
        found = self._tables.fetch(table.select(row=table[ROW], time=table[TIME]).order_by("row"))
        times = found["time"].cast("int64").fill_null(np.iinfo(np.int64).min)
        return found["row"].to_numpy(), times.to_numpy()


def _members(rows: Ints, times: Ints, cutoffs: Ints) -> tuple[Seeds, list[int]]:
    keys, instants, edges = [], [], [0]
    for cutoff in cutoffs:
        there = rows[times <= cutoff]
        step = -(-len(there) // MEMBERS) or 1
        keys.append(there[::step])
        instants.append(np.full(len(keys[-1]), cutoff))
        edges.append(edges[-1] + len(keys[-1]))
    at = np.concatenate(instants)
    return Seeds(np.concatenate(keys), at, at), edges


def _compare(family: str, own: Floats, them: Floats) -> Floats:
    known = np.sort(them[~np.isnan(them)])
    if len(known) == 0:
        return np.full(len(own), np.nan)
    if family == "rank":
        below = np.searchsorted(known, own, "left") + np.searchsorted(known, own, "right")
        return np.where(np.isnan(own), np.nan, below / (2 * len(known)))
    mean = float(known.mean())
    return own / mean if mean != 0 else np.full(len(own), np.nan)
