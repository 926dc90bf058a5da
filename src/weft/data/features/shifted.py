"""The query's target over windows that have ended by the cutoff, as if each had been predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.core import MICROSECONDS_PER_DAY, TIME, Offset
from weft.data.features.leaves import evaluate, season_starts, shift
from weft.data.features.recipe import Recipe, Source
from weft.data.features.seeds import Seeds
from weft.data.features.segments import Bools, Floats, Ints
from weft.data.features.target import TargetPart
from weft.pql.query import AggregateName, Query

Values = npt.NDArray[Any]
_BORN = Recipe("rows", "value", source=Source(TIME))


class ShiftedTarget:
    """Computes recipes of the family ``target``.

    A past window counts when the entity was there at its start (an entity without a time is there from
    the window of its first row on) and what the query assumes held in it.
    """

    def __init__(self, query: Query, parts: Sequence[TargetPart]) -> None:
        self._query = query
        self._parts = parts

    def needed(self, recipe: Recipe) -> tuple[Recipe, ...]:
        """Return the recipes of the aggregates that a recipe is made from."""
        leaves = tuple(r for lag in _lags(recipe) for r in self._leaves(recipe, lag))
        return (*leaves, _BORN, *self._tenures())

    def compute(self, seeds: Seeds, recipe: Recipe, found: Mapping[Recipe, Values]) -> Floats:
        """Compute one recipe from what `needed` asked for."""
        lags = np.stack([self._window(seeds, recipe, lag, found) for lag in _lags(recipe)])
        known = ~np.isnan(lags)
        if recipe.aggregate == "known":
            return np.asarray(known.sum(axis=0), np.float64)
        weights = known.astype(np.float64)
        if recipe.aggregate == "decayed":
            assert recipe.last is not None
            weights *= 0.5 ** (np.arange(len(lags)) / recipe.last)[:, None]
        total, weight = (np.where(known, lags, 0.0) * weights).sum(axis=0), weights.sum(axis=0)
        return np.asarray(np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan))

    def _window(self, seeds: Seeds, recipe: Recipe, lag: int, found: Mapping[Recipe, Values]) -> Floats:
        leaves = [found[r] for r in self._leaves(recipe, lag)]
        assumed = sum(p.is_assumed for p in self._parts)
        value = evaluate(self._query.target, leaves[: len(leaves) - assumed])
        counts = self._was_there(seeds, recipe, lag, found)
        if self._query.assuming is not None:
            counts &= evaluate(self._query.assuming, leaves[len(leaves) - assumed :]) == 1.0
        return np.where(counts, value, np.nan)

    def _was_there(self, seeds: Seeds, recipe: Recipe, lag: int, found: Mapping[Recipe, Values]) -> Bools:
        starts = self._starts(seeds, recipe, lag)
        ends = shift(starts, self._parts[0].horizon)
        tenures = np.stack([found[r] for r in self._tenures()])
        longest = np.where(np.isnan(tenures), -1.0, tenures).max(axis=0)
        first = seeds.cutoffs - longest * MICROSECONDS_PER_DAY
        born = found[_BORN]
        return np.asarray(np.where(np.isnan(born), (longest >= 0) & (ends >= first), starts >= born))

    def _starts(self, seeds: Seeds, recipe: Recipe, lag: int) -> Ints:
        horizon = self._parts[0].horizon
        if recipe.aggregate == "season":
            return season_starts(seeds.anchors, seeds.cutoffs, horizon, lag)
        return shift(seeds.cutoffs, Offset(-lag * horizon.value, horizon.unit))

    def _leaves(self, recipe: Recipe, lag: int) -> tuple[Recipe, ...]:
        mark = "season" if recipe.aggregate == "season" else None
        recipes = []
        for i, part in enumerate(self._parts):
            count_all = part.aggregate.name is AggregateName.COUNT and part.aggregate.column is None
            source = Source(target=f"{'hit' if count_all else 'value'}:{i}")
            recipes.append(Recipe("rows", "leaf", (), _downs(part), source, lag=lag, value=mark))
        return tuple(recipes)

    def _tenures(self) -> tuple[Recipe, ...]:
        return tuple(dict.fromkeys(Recipe("rows", "tenure", (), _downs(p)) for p in self._parts))


def _downs(part: TargetPart) -> tuple[str, ...]:
    return tuple(link.name for link in reversed(part.aggregate.path))


def _lags(recipe: Recipe) -> range:
    assert recipe.lag is not None
    first = recipe.lag if recipe.aggregate in ("lag", "season") else 1
    return range(first, recipe.lag + 1)
