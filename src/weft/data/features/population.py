"""Comparisons with all entities that exist at the cutoff and meet WHERE, never with rows of a label table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import ROW, TIME
from weft.data.features.recipe import Recipe
from weft.data.features.seeds import Seeds, find_rows, instants
from weft.data.features.segments import Bools, Floats, Ints
from weft.data.labels import population
from weft.data.tables import Tables
from weft.pql.query import Query

Values = npt.NDArray[Any]
Compute = Callable[[Seeds, Sequence[Recipe]], list[Values]]

COMPARED = ("rank", "ratio", "group")
MEMBERS = 20_000
"""At most so many entities stand for all at one cutoff, evenly spaced by row number."""

_CHUNK_SEEDS = 1_000_000
_NEVER = dt.datetime(9999, 1, 1)


class Population:
    """Computes ranks and ratios of base recipes."""

    def __init__(self, tables: Tables, query: Query, compute: Compute) -> None:
        self._tables = tables
        self._query = query
        self._compute = compute

    def compare(self, seeds: Seeds, recipes: Sequence[Recipe]) -> dict[Recipe, Values]:
        """Return one array per recipe of the families of `COMPARED`."""
        if not recipes:
            return {}
        bases = list(dict.fromkeys(r for recipe in recipes for r in _needed(recipe)))
        own = dict(zip(bases, self._compute(seeds, bases), strict=True))
        results: dict[Recipe, Values] = {r: np.full(len(seeds), np.nan) for r in recipes}
        cutoffs = np.unique(seeds.cutoffs)
        entities = self._entities()
        per_chunk = max(_CHUNK_SEEDS // max(min(len(entities.rows), MEMBERS), 1), 1)
        for begin in range(0, len(cutoffs), per_chunk):
            chunk = cutoffs[begin : begin + per_chunk]
            members = self._members(entities, chunk)
            theirs = dict(zip(bases, self._compute(members, bases), strict=True))
            edges = np.searchsorted(members.cutoffs, chunk)
            for low, high, cutoff in zip(edges, [*edges[1:], len(members)], chunk, strict=True):
                chosen = np.flatnonzero(seeds.cutoffs == cutoff)
                for recipe in recipes:
                    assert recipe.base is not None
                    them = theirs[recipe.base][low:high]
                    if recipe.family == "group":
                        keys = seeds.keys[chosen], members.keys[low:high]
                        which = own[_group_of(recipe)][chosen], theirs[_group_of(recipe)][low:high]
                        results[recipe][chosen] = mean_of_group(which, them, keys)
                    else:
                        results[recipe][chosen] = _compare(recipe.family, own[recipe.base][chosen], them)
        return results

    def _members(self, entities: _Entities, cutoffs: Ints) -> Seeds:
        """Return the entities there are at each cutoff, sorted by cutoff."""
        if self._query.where is not None:
            return self._meeting_where(entities, cutoffs)
        keys = [_thin(entities.rows[entities.there(int(cutoff))]) for cutoff in cutoffs]
        at = np.repeat(cutoffs, [len(k) for k in keys])
        return Seeds(np.concatenate(keys), at, at)

    def _meeting_where(self, entities: _Entities, cutoffs: Ints) -> Seeds:
        found = population(self._tables, self._query, [int(c) for c in cutoffs])
        keys, at = find_rows(self._tables, self._query, found["entity"]), instants(found["anchor_time"])
        order = np.lexsort((keys, at))
        edges = np.searchsorted(at[order], cutoffs)
        parts = [_thin(part) for part in np.split(order, edges[1:])]
        chosen = np.concatenate(parts)
        return Seeds(keys[chosen], at[chosen], at[chosen])

    def _entities(self) -> _Entities:
        task = self._query.task
        table = self._tables.table(task.entity_table)
        end = self._tables.schema.table(task.entity_table).end_time_column
        columns = {"row": table[ROW], "time": table[TIME]} | ({"end": table[end]} if end else {})
        found = self._tables.fetch(table.select(**columns).order_by("row"))
        times = found["time"].cast("int64").fill_null(np.iinfo(np.int64).min)
        ends = instants(found["end"].fill_null(_NEVER)) if end else None
        return _Entities(found["row"].to_numpy(), times.to_numpy(), ends)


@dataclass(frozen=True)
class _Entities:
    """Row numbers, times and, where there are any, end times."""

    rows: Ints
    times: Ints
    ends: Ints | None

    def there(self, cutoff: int) -> Bools:
        found: Bools = self.times <= cutoff
        return found if self.ends is None else found & (self.ends > cutoff)


def mean_of_group(groups: tuple[Values, Values], values: Floats, keys: tuple[Ints, Ints]) -> Floats:
    """Return the mean over the members of each seed's group, itself left out; NaN where there is none.

    Args:
        groups: Of the seeds, and of the members.
        values: Of the members; NaN does not count.
        keys: Row numbers of the seeds, and of the members.
    """
    (own, of_members), (seeds, members) = groups, keys
    known = ~np.isnan(values)
    # In order of their values, so that the sums do not depend on the order of the rows.
    order = np.flatnonzero(known)[np.argsort(values[known], kind="stable")]
    code, theirs = _codes(own, of_members[order])
    size = int(max(code.max(initial=-1), theirs.max(initial=-1))) + 2
    total = np.bincount(theirs + 1, weights=values[order], minlength=size)
    count = np.bincount(theirs + 1, minlength=size).astype(np.float64)
    at = pc.index_in(pa.array(seeds), value_set=pa.array(members[order]))
    mine = pc.fill_null(at, -1).to_numpy().astype(np.int64)
    is_member = mine >= 0
    itself = np.append(values[order], 0.0)[mine] if len(order) else np.zeros(len(seeds))
    total, count = total[code + 1] - np.where(is_member, itself, 0.0), count[code + 1] - is_member
    return np.where((code >= 0) & (count > 0), total / np.where(count > 0, count, 1.0), np.nan)


def _codes(own: Values, others: Values) -> tuple[Ints, Ints]:
    """Number equal values of both alike; -1 is none."""
    both = pa.array(np.concatenate([own, others]), from_pandas=True).dictionary_encode()
    codes = both.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes[: len(own)], codes[len(own) :]


def _needed(recipe: Recipe) -> tuple[Recipe, ...]:
    """Return what is computed of seeds and members: the base and, of groups, which one."""
    assert recipe.base is not None
    if recipe.family != "group":
        return (recipe.base,)
    return (recipe.base, _group_of(recipe))


def _group_of(recipe: Recipe) -> Recipe:
    return Recipe("rows", "value", source=recipe.source)


def _thin(members: Ints) -> Ints:
    return members[:: -(-len(members) // MEMBERS) or 1]


def _compare(family: str, own: Floats, them: Floats) -> Floats:
    known = np.sort(them[~np.isnan(them)])
    if len(known) == 0:
        return np.full(len(own), np.nan)
    if family == "rank":
        below = np.searchsorted(known, own, "left") + np.searchsorted(known, own, "right")
        return np.where(np.isnan(own), np.nan, below / (2 * len(known)))
    mean = float(known.mean())
    return own / mean if mean != 0 else np.full(len(own), np.nan)
