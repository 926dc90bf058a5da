"""Compute planned features for seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weft.core import Feature, FeatureKind, UserError, from_json
from weft.data.features.calendar import calendar_value
from weft.data.features.labels import PastLabels
from weft.data.features.population import COMPARED, Population
from weft.data.features.recipe import Recipe
from weft.data.features.scanning import Scanner
from weft.data.features.seeds import Seeds, read_seeds
from weft.data.features.shifted import ShiftedTarget
from weft.data.features.target import target_parts
from weft.data.tables import Tables
from weft.pql.query import Query

Values = npt.NDArray[Any]


def compute_features(
    tables: Tables,
    seeds: pa.Table,
    features: Sequence[Feature],
    *,
    query: Query,
    labels: pa.Table | None = None,
    without: pa.Table | None = None,
) -> pa.Table:
    """Compute features for seeds; row i of the result belongs to row i of ``seeds``.

    Only rows with time ≤ cutoff count, every row on the way included.

    Args:
        tables: The prepared tables.
        seeds: Columns ``entity``, ``anchor_time``, ``cutoff`` and, for forecasting, ``frame``.
        features: From `plan_features`.
        query: The query that they were planned for.
        labels: A label table; a label is used once its window has ended by a seed's cutoff. Needed
            by features whose aggregate begins with ``past_label``.
        without: Rows to leave out: position of the seed, table, row number (``__row``). Comparisons with
            all entities, and with siblings at a row's own time, still see them.

    Returns:
        One column per feature: float64 where numerical, string where categorical, null is missing.

    Raises:
        UserError: ``DATA094`` seeds lack a column; ``DATA095`` a feature was not planned here.
    """
    recipes = [_recipe(feature) for feature in features]
    engine = FeatureEngine(tables, query, labels)
    values = engine.compute(read_seeds(tables, seeds, query, without), recipes)
    return pa.table(
        [_to_arrow(v, f) for v, f in zip(values, features, strict=True)], [f.name for f in features]
    )


class FeatureEngine:
    """Computes recipes of every family for seeds."""

    def __init__(self, tables: Tables, query: Query, labels: pa.Table | None) -> None:
        self._query = query
        self._parts = target_parts(query)
        self._shifted = ShiftedTarget(query, self._parts)
        self._scanner = Scanner(tables, query.task.entity_table, self._parts)
        self._population = Population(tables, query, self.compute)
        self._labels = None if labels is None else PastLabels(tables, query, labels)

    def compute(self, seeds: Seeds, recipes: Sequence[Recipe]) -> list[Values]:
        """Return one array per recipe."""
        scanned = [r for recipe in recipes for r in self._scanned(recipe)]
        found = self._scanner.compute(seeds, scanned)
        compared = [r for r in recipes if r.family in COMPARED]
        found |= self._population.compare(seeds, compared)
        past = [r for r in recipes if r.family == "label"]
        if self._labels is not None:
            found |= self._labels.compute(seeds, past)
        result = []
        for recipe in recipes:
            values = self._finish(seeds, recipe, found)
            result.append(values if recipe.not_before_us is None else _from(values, seeds, recipe))
        return result

    def _scanned(self, recipe: Recipe) -> tuple[Recipe, ...]:
        if recipe.family in ("rows", "everyone"):
            return (recipe,)
        if recipe.family == "target":
            return self._shifted.needed(recipe)
        return ()

    def _finish(self, seeds: Seeds, recipe: Recipe, found: dict[Recipe, Values]) -> Values:
        if recipe.family == "calendar":
            return calendar_value(seeds, recipe, self._query.task.horizon)
        if recipe.family == "target":
            return self._shifted.compute(seeds, recipe, found)
        if recipe.family == "label" and recipe not in found:
            return np.full(len(seeds), np.nan)
        return found[recipe]


def _from(values: Values, seeds: Seeds, recipe: Recipe) -> Values:
    """Make values null for cutoffs before the instant from which the column may be used."""
    assert recipe.not_before_us is not None
    nothing: Any = np.nan if values.dtype.kind == "f" else None
    return np.where(seeds.cutoffs >= recipe.not_before_us, values, nothing)


def _recipe(feature: Feature) -> Recipe:
    if not feature.recipe:
        raise UserError(
            "DATA095",
            f"the feature '{feature.name}' has no recipe.",
            "make features with plan_features, and keep them whole.",
        )
    return from_json(Recipe, feature.recipe)


def _to_arrow(values: Values, feature: Feature) -> pa.Array:
    if feature.kind is FeatureKind.CATEGORICAL:
        if values.dtype.kind == "f":
            values = np.full(len(values), None, dtype=object)
        return pa.array(values, pa.string())
    if values.dtype.kind == "O":
        values = np.full(len(values), np.nan)
    return pa.array(values, pa.float64(), from_pandas=True)
