"""Plan features: what the schema offers, then what of it helps."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Dtype, Feature, FeatureKind, TaskType
from weft.data.features import candidates as offer
from weft.data.features.aggregates import user_aggregates
from weft.data.features.compute import FeatureEngine
from weft.data.features.dates import planned_dates
from weft.data.features.leaves import can_shift
from weft.data.features.naming import Namer
from weft.data.features.options import FeatureOptions
from weft.data.features.paths import Attribute, Excluded, Graph, Reach
from weft.data.features.readings import is_read_in_parts, readings
from weft.data.features.recipe import Recipe, Source
from weft.data.features.screen import Screen, top_values
from weft.data.features.seeds import read_seeds
from weft.data.features.selection import label_matrix, ranks, score, select
from weft.data.features.target import target_parts
from weft.data.tables import Tables
from weft.pql import columns_in
from weft.pql.query import ColumnValue, Query

_SCREEN_ROWS = 2_000
_LISTS = (TaskType.MULTILABEL, TaskType.MULTILABEL_RANKING, TaskType.LINK_PREDICTION)


def plan_features(
    tables: Tables,
    query: Query,
    *,
    statistics: Any = None,
    excluded: Excluded = frozenset(),
    as_of: Mapping[tuple[str, str], int] | None = None,
    options: FeatureOptions | None = None,
    labels: pa.Table | None = None,
) -> tuple[Feature, ...]:
    """Plan the features of a query's entities.

    Args:
        tables: The prepared tables.
        query: The query.
        statistics: Of the profile; not needed.
        excluded: Pairs (table, column) never to be read; links over them are not walked.
        as_of: Pairs (table, column) → instant before which the column is not used.
        options: How far and how wide to look.
        labels: The label table. With it features are selected on a sample of its train rows, and
            values of categories are those seen up to the last of them; rows of val and test are not read.

    Returns:
        At most ``options.max_features`` features, the most telling first, then three of past labels.
    """
    planner = _Planner(tables, query, excluded, dict(as_of or {}), options or FeatureOptions(), labels)
    return planner.plan()


class _Planner:
    def __init__(
        self,
        tables: Tables,
        query: Query,
        excluded: Excluded,
        as_of: Mapping[tuple[str, str], int],
        options: FeatureOptions,
        labels: pa.Table | None,
    ) -> None:
        self.tables, self.query, self.options, self.as_of = tables, query, options, as_of
        self.parts = target_parts(query)
        self.excluded = excluded | own_target(query)
        self.train = None if labels is None else labels.filter(pc.equal(labels["split"], "train"))
        horizon = query.task.horizon.nominal_us if query.task.horizon else 30 * 86_400_000_000
        windows = tuple(dict.fromkeys(int(horizon * f) for f in options.window_factors))
        graph = Graph(tables.schema, self.excluded)
        self.setting = offer.Setting(
            graph,
            self.parts,
            options,
            windows,
            tuple(user_aggregates()),
            self._counts(),
            planned_dates(tables),
        )
        self.engine = FeatureEngine(tables, query, self.train)
        self._top_values: dict[tuple[str, str], list[str] | None] = {}
        self._parts_read: dict[tuple[str, str], list[Source]] = {}
        self._screen = self._make_screen()

    def _counts(self) -> dict[str, int]:
        """Return the number of rows of each table that the target aggregates."""
        names = {p.aggregate.table for p in self.parts}
        counted = {n: self.tables.table(n).count().name("n").as_table() for n in sorted(names)}
        return {n: self.tables.fetch(c)["n"][0].as_py() for n, c in counted.items()}

    def _make_screen(self) -> Screen | None:
        if self.train is None or not self.train.num_rows:
            return None
        sample = _sample(self.train, _SCREEN_ROWS)
        label = label_matrix(sample["label"], self.query.task.type)
        seeds = read_seeds(self.tables, sample, self.query)
        return Screen(self.tables, self.engine, seeds, label, self.options.max_columns)

    def plan(self) -> tuple[Feature, ...]:
        recipes = [self._dated(r) for r in dict.fromkeys(self._offer())]
        if self.train is not None and self.train.num_rows:
            recipes = self._select(recipes)
        own = {name: a.words for name, a in user_aggregates().items()}
        namer = Namer(self.query, self.setting.graph.links, self.parts, own)
        kept = list(recipes[: self.options.max_features])
        kept += [r for r in self._past_answers() if r not in kept]
        return tuple(namer.feature(r, self._kind(r)) for r in kept)

    def _past_answers(self) -> list[Recipe]:
        """What the entity's own past labels were: never selected away, a model of them alone is a rung."""
        if self.train is None or not self.train.num_rows or not self._has_plain_labels():
            return []
        if self.options.past_labels is False:
            return []
        is_number = self.query.task.type is not TaskType.MULTICLASS
        wanted = ("mean", "count", "last") if is_number else ("last", "mode", "mode_share")
        offered = offer.label_recipes(is_number=is_number)
        return [r for r in offered if r.aggregate in wanted and r.last is None]

    def _offer(self) -> list[Recipe]:
        entity = self.query.task.entity_table
        found = offer.calendar_recipes(has_frames=self.query.task.type is TaskType.FORECASTING)
        own = self._own_attributes()
        found += offer.own_values(entity, own, self.setting)
        found += [Recipe("rows", "value", source=s) for a in own for s in self._readings(a)]
        shifts = self._can_shift()
        if shifts:
            found += offer.shifted_recipes()
        wants_labels = not shifts if self.options.past_labels is None else self.options.past_labels
        if wants_labels and self.train is not None and self._has_plain_labels():
            found += offer.label_recipes(is_number=self.query.task.type is not TaskType.MULTICLASS)
        found += [r for r in offer.everyone_recipes(self.setting) if not self._reads_unusable()]
        reaches = self.setting.graph.reaches(entity, self.options.max_hops)
        for reach in reaches[: self.options.max_paths]:
            found += self._along(reach)
        return found

    def _own_attributes(self) -> list[Attribute]:
        own = self._attributes(Reach((), (), self.query.task.entity_table), depth=2)
        return [a for a in own if not offer.is_category(a) or self._values(a) is not None]

    def _can_shift(self) -> bool:
        return can_shift(self.query, self.parts) and not self._reads_unusable()

    def _has_plain_labels(self) -> bool:
        task = self.query.task
        return not task.is_static and task.type not in _LISTS

    def _along(self, reach: Reach) -> list[Recipe]:
        is_near = not reach.moves and len(reach.downs) == 1
        found = offer.row_recipes(reach, self.setting)
        graph = self.setting.graph
        for attribute in self._attributes(reach, depth=2 if is_near else 0):
            found += self._of_attribute(reach, attribute, is_near)
        if not self._reads_unusable():
            for source, dtype in offer.target_sources(reach.table, self.parts):
                if dtype in (Dtype.INT, Dtype.FLOAT, Dtype.BOOL):
                    found += offer.number_recipes(reach, source, self.setting, rich=is_near)
        for link in graph.up(reach.table):
            if link.name != reach.downs[-1] and len(link.columns) == 1:
                found += offer.key_recipes(reach, link.columns[0])
        return found

    def _of_attribute(self, reach: Reach, attribute: Attribute, is_near: bool) -> list[Recipe]:
        found: list[Recipe] = []
        if offer.is_number(attribute):
            own = not attribute.source.ups
            found += offer.number_recipes(reach, attribute.source, self.setting, rich=is_near and own)
            if own and is_near:
                for link in self.setting.graph.up(reach.table):
                    if link.name != reach.downs[-1]:
                        source = replace(attribute.source, among=link.name)
                        found += offer.number_recipes(reach, source, self.setting, rich=False)
        elif offer.is_category(attribute):
            values = self._values(attribute)
            if values is not None:
                found += offer.category_recipes(reach, attribute.source, values, self.setting)
        for source in self._readings(attribute):
            found += offer.reading_recipes(reach, source, self.setting)
        return found

    def _attributes(self, reach: Reach, *, depth: int) -> list[Attribute]:
        """Return the columns that rows of a reach have, of wide tables those that tell most."""
        skip = reach.downs[-1] if reach.downs else None
        found = self.setting.graph.attributes(reach.table, skip=skip, depth=depth)
        found = [a for a in found if offer.is_readable(a)]
        if self._screen is None:
            return found[: self.options.max_columns]
        return self._screen.choose(found, reach)

    def _values(self, attribute: Attribute) -> list[str] | None:
        key = (attribute.table, attribute.source.column)
        if key not in self._top_values:
            self._top_values[key] = top_values(self.tables, *key, self._until(), self.options)
        return self._top_values[key]

    def _until(self) -> int | None:
        if self.train is None or not self.train.num_rows:
            return None
        newest: int = pc.max(self.train["cutoff"].cast(pa.timestamp("us")).cast(pa.int64())).as_py()
        return newest

    def _readings(self, attribute: Attribute) -> list[Source]:
        """Return what is read of texts, lists and vectors; nothing of others."""
        if not is_read_in_parts(attribute):
            return []
        key = (attribute.table, attribute.source.column)
        if key not in self._parts_read:
            self._parts_read[key] = readings(self.tables, attribute, self._until(), self.options)
        return [replace(s, ups=attribute.source.ups) for s in self._parts_read[key]]

    def _reads_unusable(self) -> bool:
        """Tell whether the target reads what features may not: what is excluded, and later dates.

        What a condition says of such a date is known per row, not per cutoff, so it cannot be cut off.
        """
        return any(
            self.excluded & part.reads or any(self._is_unplanned_date(c) for c in part.columns)
            for part in self.parts
        )

    def _is_unplanned_date(self, column: ColumnValue) -> bool:
        is_own_time = column.column == self.tables.schema.table(column.table).time_column
        is_planned = (column.table, column.column) in self.setting.planned
        return column.dtype is Dtype.TIMESTAMP and not is_own_time and not is_planned

    def _dated(self, recipe: Recipe) -> Recipe:
        if not self.as_of:
            return recipe
        table = self._row_table(recipe)
        read = [(table, recipe.source.column)]
        links = self.setting.graph.links
        if recipe.source.ups:
            read = [(links[recipe.source.ups[-1]].parent, recipe.source.column)]
        walked = [*recipe.source.ups, *recipe.downs, *(n for m in recipe.moves for n in (m.up, m.down) if n)]
        read += [(links[n].table, c) for n in walked for c in links[n].columns]
        if recipe.source.target is not None or recipe.family == "target":
            read += [pair for p in self.parts for pair in p.reads]
        if recipe.base is not None and recipe.base.family == "target":
            read += [pair for p in self.parts for pair in p.reads]
        dates = [self.as_of[pair] for pair in read if pair in self.as_of]
        return replace(recipe, not_before_us=max(dates)) if dates else recipe

    def _row_table(self, recipe: Recipe) -> str:
        links = self.setting.graph.links
        if recipe.downs:
            return links[recipe.downs[-1]].table
        return links[recipe.moves[-1].up].parent if recipe.moves else self.query.task.entity_table

    def _kind(self, recipe: Recipe) -> FeatureKind:
        is_text = recipe.source.words and recipe.aggregate in ("last", "mode", "value")
        return FeatureKind.CATEGORICAL if is_text else FeatureKind.NUMERICAL

    def _select(self, recipes: list[Recipe]) -> list[Recipe]:
        assert self.train is not None
        sample = _sample(self.train, self.options.sample_rows)
        seeds = read_seeds(self.tables, sample, self.query)
        values = self.engine.compute(seeds, recipes)
        chosen = self._chosen(recipes, values, sample)
        compared = [
            replace(Recipe(family, r.aggregate), base=r, not_before_us=r.not_before_us)
            for r in _comparable([recipes[i] for i in chosen])[: self.options.num_compared]
            for family in ("rank", "ratio")
        ]
        groups = self._grouped()
        grouped = self.engine.compute(seeds, groups)
        label = label_matrix(sample["label"], self.query.task.type)
        scores = np.array([score(ranks(v), label) for v in grouped])
        best = np.argsort(-scores, kind="stable")[: self.options.num_compared]
        both = [recipes[i] for i in chosen] + compared + [groups[i] for i in best]
        values = [values[i] for i in chosen] + self.engine.compute(seeds, compared)
        values += [grouped[i] for i in best]
        return [both[i] for i in self._chosen(both, values, sample)]

    def _grouped(self) -> list[Recipe]:
        """Return how past labels went among those who share a parent or a category with the entity."""
        if self.options.num_compared < 1 or not self._has_plain_labels():
            return []
        is_number = self.query.task.type is not TaskType.MULTICLASS
        if self._can_shift():
            base = Recipe("target", "mean", lag=3)
        elif is_number and self.options.past_labels is not False:
            base = Recipe("label", "mean", source=Source("label"))
        else:
            return []
        entity, graph = self.query.task.entity_table, self.setting.graph
        found = offer.group_recipes(base, entity, self._own_attributes(), graph)
        return [self._dated(r) for r in found[: self.options.max_columns]]

    def _chosen(self, recipes: list[Recipe], values: list[Any], sample: pa.Table) -> list[int]:
        context = {i for i, r in enumerate(recipes) if _is_context(r)}
        return select(values, sample, self.query.task.type, self.options, context)


def _is_context(recipe: Recipe) -> bool:
    """Tell whether a recipe says when and for whom a prediction is made rather than what happened."""
    is_own = recipe.family == "rows" and not recipe.downs and not recipe.moves and not recipe.source.ups
    # The length of a name says nothing of what other columns mean.
    return recipe.family in ("calendar", "everyone") or (is_own and recipe.source.reading is None)


def _comparable(recipes: list[Recipe]) -> list[Recipe]:
    """Return numbers that entities have in common at an instant, those of a window and others in turn.

    An entity without rows in a window has no mean there, so the others compare with who is active.
    """
    text = ("value", "age", "last", "mode", "anchor_recency")
    found = [r for r in recipes if r.family == "rows" and r.aggregate not in text]
    windowed = [r for r in found if r.window_us is not None]
    whole = [r for r in found if r.window_us is None]
    return [r for pair in itertools.zip_longest(windowed, whole) for r in pair if r is not None]


def _sample(train: pa.Table, most: int) -> pa.Table:
    """Return evenly spaced rows; train rows are in order of anchor and entity."""
    rows = np.unique(np.linspace(0, train.num_rows - 1, min(train.num_rows, most)).astype(np.int64))
    return train.take(pa.array(rows))


def own_target(query: Query) -> frozenset[tuple[str, str]]:
    """Return the columns that a target without a window reads; they never reach their own features."""
    if not query.task.is_static:
        return frozenset()
    return frozenset((c.table, c.column) for c in columns_in(query.target))
