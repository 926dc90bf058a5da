"""Names and words of features."""

from __future__ import annotations

import re
from collections.abc import Mapping

from weft.core import MICROSECONDS_PER_DAY, ROW, Feature, FeatureKind, Link, to_json
from weft.data.features import calendar
from weft.data.features.recipe import Move, Recipe, Source
from weft.data.features.target import TargetPart
from weft.pql.query import Query

_WORDS = {
    "mean": "mean of {what} over {rows}",
    "sum": "sum of {what} over {rows}",
    "min": "smallest {what} over {rows}",
    "max": "largest {what} over {rows}",
    "std": "standard deviation of {what} over {rows}",
    "last": "{what} of the last of {rows}",
    "first": "{what} of the first of {rows}",
    "value": "{what}",
    "age": "days from {what} to the anchor",
    "planned_age": "days from {what} to the anchor, negative where it is still to come",
    "nulls": "share of missing {what} over {rows}",
    "trend": "mean of {what} over {rows} minus its mean over all of them",
    "slope": "slope of {what} over {rows}, per row",
    "decayed": "mean of {what}, recent rows weighing more (half as much every {last} rows), over {all}",
    "share": "share of {what} = {value} over {rows}",
    "mode": "most frequent {what} over {rows}",
    "mode_share": "share of the most frequent {what} over {rows}",
    "distinct": "number of distinct {what} over {rows}",
    "entropy": "entropy of {what} over {rows}",
    "count": "number of {rows}",
    "share_of_rows": "share of {rows} among all of them",
    "recency": "days from the last of {rows} to the cutoff",
    "anchor_recency": "days from the last of {rows} to the anchor",
    "tenure": "days from the first of {rows} to the cutoff",
    "mean_gap": "mean days between {rows}",
    "recency_in_gaps": "days since the last of {rows}, in mean gaps",
}


class Namer:
    """Turns recipes into features with unique names and precise words."""

    def __init__(
        self, query: Query, links: Mapping[str, Link], parts: tuple[TargetPart, ...], own: Mapping[str, str]
    ) -> None:
        self._query = query
        self._links = links
        self._parts = parts
        self._own = own
        self._used: dict[str, int] = {}

    def feature(self, recipe: Recipe, kind: FeatureKind) -> Feature:
        """Return the feature of a recipe."""
        return Feature(
            name=self._unique(self._name(recipe)),
            kind=kind,
            table=self._table(recipe),
            columns=self._columns(recipe),
            links=self._walked(recipe),
            aggregate=self._aggregate(recipe),
            window_us=(recipe.base or recipe).window_us,
            words=self.words(recipe),
            recipe=to_json(recipe),
        )

    def words(self, recipe: Recipe) -> str:
        """Say what a recipe computes."""
        entity = _one(self._query.task.entity_table)
        if recipe.family == "calendar":
            return calendar.WORDS[recipe.aggregate]
        if recipe.family == "target":
            return self._target_words(recipe)
        if recipe.base is not None:
            base = self.words(recipe.base)
            if recipe.family == "group":
                return (
                    f"mean over the other {self._query.task.entity_table} {self._sharing(recipe)} of: {base}"
                )
            if recipe.family == "rank":
                return f"share of all {self._query.task.entity_table} that are below this one in: {base}"
            return f"{base}, divided by its mean over all {self._query.task.entity_table}"
        if recipe.family == "label":
            return self._fill(recipe, "the label", "past labels", f" of the {entity}")
        return self._row_words(recipe, entity)

    def _sharing(self, recipe: Recipe) -> str:
        table = self._query.task.entity_table
        if recipe.source.column == ROW:
            link = self._links[recipe.source.ups[-1]]
            return f"of the same {_one(link.parent)} (by {link.name.partition(' ')[0]})"
        return f"with the same {self._what(recipe.source, table)}"

    def _row_words(self, recipe: Recipe, entity: str) -> str:
        of = f" of the {entity}"
        if recipe.family == "everyone":
            of = f" of all {self._query.task.entity_table}"
        for move in recipe.moves:
            parent = _one(self._links[move.up].parent)
            via = f" (by {move.up.partition(' ')[0]})"
            of = f" of the {'latest ' if move.down else ''}{parent}{via}{of}"
        table = self._row_table(recipe)
        what = self._what(recipe.source, table)
        if not recipe.downs and recipe.family == "rows":
            return self._fill(recipe, f"{what}{of}", "", "")
        rows = table
        if len(recipe.downs) > 1 or _several(self._links, recipe.downs):
            rows = f"{table} (by {', '.join(d.partition(' ')[0] for d in reversed(recipe.downs))})"
        return self._fill(recipe, what, rows, of)

    def _fill(self, recipe: Recipe, what: str, rows: str, of: str) -> str:
        template = _WORDS.get(recipe.aggregate) or self._own[recipe.aggregate]
        every = f"the {rows}{of}"
        if recipe.last is not None and recipe.aggregate != "decayed":
            every = f"the last {recipe.last} {rows}{of}"
        elif recipe.window_us is not None:
            every = f"the {rows}{of} in the last {_days(recipe.window_us)}"
        return template.format(what=what, rows=every, all=every, last=recipe.last, value=recipe.value)

    def _target_words(self, recipe: Recipe) -> str:
        target = "the target"
        if recipe.aggregate == "mean":
            return f"mean of {target} over the {recipe.lag} windows before the cutoff"
        if recipe.aggregate == "known":
            return f"number of the {recipe.lag} windows before the cutoff in which {target} is known"
        if recipe.aggregate == "decayed":
            return (
                f"mean of {target} over the {recipe.lag} windows before the cutoff, recent windows "
                f"weighing more (half as much every {recipe.last} windows)"
            )
        if recipe.aggregate == "season":
            year = f"{_ordinal(recipe.lag or 1)} newest year"
            return f"{target} in the same season of the {year} whose window has ended by the cutoff"
        return f"{target} in the {_ordinal(recipe.lag or 1)} window before the cutoff"

    def _what(self, source: Source, table: str) -> str:
        if source.target is not None:
            kind, _, number = source.target.partition(":")
            part = self._parts[int(number)].aggregate
            name = part.table if part.column is None else f"{part.column.table}.{part.column.column}"
            return {
                "hit": f"{part.table} that the target counts",
                "value": f"{name} as the target takes it",
                "met": f"whether {name} meets the target's condition",
            }[kind]
        column = f"{self._links[source.ups[-1]].parent if source.ups else table}.{source.column}"
        if len(source.ups) > 1 or _several(self._links, source.ups):
            column += f" (by {', '.join(u.partition(' ')[0] for u in source.ups)})"
        column = _reading_words(source, column)
        if source.age:
            return f"days from {column} to the row"
        if source.among is not None:
            group = _one(self._links[source.among].parent)
            return f"{column} minus its mean among the {table} of the same {group}"
        return column

    def _row_table(self, recipe: Recipe) -> str:
        if recipe.downs:
            return self._links[recipe.downs[-1]].table
        return self._links[recipe.moves[-1].up].parent if recipe.moves else self._query.task.entity_table

    def _table(self, recipe: Recipe) -> str:
        recipe = recipe.base or recipe
        if recipe.source.ups:
            return self._links[recipe.source.ups[-1]].parent
        if recipe.family == "target" and self._parts:
            return self._parts[0].aggregate.table
        return self._row_table(recipe)

    def _columns(self, recipe: Recipe) -> tuple[str, ...]:
        """Return the columns that are read, as ``table.column``."""
        if recipe.family == "group" and recipe.base is not None:
            return tuple(dict.fromkeys((*self._columns(recipe.base), *self._own_column(recipe))))
        recipe = recipe.base or recipe
        if recipe.source.target is not None:
            part = self._parts[int(recipe.source.target.partition(":")[2])]
            return tuple(dict.fromkeys(f"{c.table}.{c.column}" for c in part.columns))
        if recipe.family == "target":
            return tuple(dict.fromkeys(f"{c.table}.{c.column}" for p in self._parts for c in p.columns))
        return () if recipe.family == "label" else self._own_column(recipe)

    def _own_column(self, recipe: Recipe) -> tuple[str, ...]:
        source = recipe.source
        if not source.column or source.column == ROW:
            return ()
        table = self._links[source.ups[-1]].parent if source.ups else self._row_table(recipe)
        return (f"{table}.{source.column}",)

    def _walked(self, recipe: Recipe) -> tuple[str, ...]:
        if recipe.family == "group" and recipe.base is not None:
            return (*recipe.source.ups, *self._walked(recipe.base))
        recipe = recipe.base or recipe
        walked: list[str] = []
        for move in recipe.moves:
            walked += [m for m in (move.down, move.up) if m is not None]
        if recipe.family == "target" and self._parts:
            return tuple(link.name for link in reversed(self._parts[0].aggregate.path))
        return (*walked, *recipe.downs, *recipe.source.ups)

    def _aggregate(self, recipe: Recipe) -> str:
        prefix = {"label": "past_label.", "target": "past_target.", "everyone": "everyone."}
        if recipe.base is not None:
            return f"{recipe.family}.{self._aggregate(recipe.base)}"
        return prefix.get(recipe.family, "") + recipe.aggregate

    def _name(self, recipe: Recipe) -> str:
        if recipe.family == "group" and recipe.base is not None:
            slugs = [*(_link_slug(u) for u in recipe.source.ups)]
            slugs += [] if recipe.source.column == ROW else [_source_slug(recipe.source)]
            return ".".join(["group", *slugs, self._name(recipe.base)])
        if recipe.base is not None:
            return f"{self._name(recipe.base)}.{recipe.family}"
        if recipe.family == "calendar":
            return f"anchor.{recipe.aggregate}"
        if recipe.family in ("label", "target"):
            parts = [f"past_{recipe.family}", recipe.aggregate, _rows_slug(recipe)]
            return ".".join(p for p in parts if p)
        parts = [*(_move_slug(m) for m in recipe.moves), *(_link_slug(d) for d in recipe.downs)]
        if recipe.family == "everyone":
            parts.insert(0, "all")
        parts += [*(_link_slug(u) for u in recipe.source.ups), _source_slug(recipe.source)]
        parts += [recipe.aggregate, recipe.value or "", _rows_slug(recipe)]
        return ".".join(p for p in parts if p)

    def _unique(self, name: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_.]+", "_", name)
        self._used[name] = self._used.get(name, 0) + 1
        return name if self._used[name] == 1 else self._unique(f"{name}_{self._used[name]}")


def _link_slug(link: str) -> str:
    return link.partition(" -> ")[0].replace(".", "_")


def _move_slug(move: Move) -> str:
    return ("latest_" if move.down else "") + _link_slug(move.up)


def _source_slug(source: Source) -> str:
    if source.target is not None:
        return "target_" + source.target.replace(":", "")
    return (
        source.column
        + (f"_{source.reading}" if source.reading else "")
        + (f"_{source.part}" if source.part is not None else "")
        + ("_age" if source.age else "")
        + ("_among_" + _link_slug(source.among) if source.among else "")
    )


def _reading_words(source: Source, column: str) -> str:
    if source.reading is None:
        return column
    return {
        "characters": f"the number of characters of {column}",
        "words": f"the number of words of {column}",
        "items": f"the number of items of {column}",
        "has": f"whether {column} holds '{source.part}'",
        "component": f"component {source.part} of {column}",
    }[source.reading]


def _rows_slug(recipe: Recipe) -> str:
    if recipe.last is not None:
        return f"last{recipe.last}"
    if recipe.lag is not None:
        return f"lag{recipe.lag}"
    if recipe.window_us is None:
        return ""
    return _days(recipe.window_us).replace(" ", "")


def _days(window_us: int) -> str:
    days = window_us / MICROSECONDS_PER_DAY
    if days >= 1:
        return f"{days:.0f} days" if round(days) != 1 else "1 day"
    return f"{window_us / 1_000_000:g} seconds"


def _one(table: str) -> str:
    if table.endswith("ies"):
        return table[:-3] + "y"
    return table[:-1] if table.endswith("s") and not table.endswith("ss") else table


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def _several(links: Mapping[str, Link], names: tuple[str, ...]) -> bool:
    """Tell whether another link joins the same two tables."""
    pairs = [(links[n].table, links[n].parent) for n in names]
    return any(sum((k.table, k.parent) == pair for k in links.values()) > 1 for pair in pairs)
