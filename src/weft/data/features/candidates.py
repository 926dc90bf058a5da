"""The features that a schema offers, before any is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from weft.core import ROW, Dtype, Stype
from weft.data.features.options import FeatureOptions
from weft.data.features.paths import Attribute, Graph, Reach
from weft.data.features.readings import is_read_in_parts
from weft.data.features.recipe import Recipe, Source
from weft.data.features.target import TargetPart

_NUMERIC = (Dtype.INT, Dtype.FLOAT, Dtype.BOOL)
_LAGS = (1, 2, 3)
_EVERYONE_ROWS = 2_000_000


@dataclass(frozen=True)
class Setting:
    """What is fixed for one planning."""

    graph: Graph
    parts: tuple[TargetPart, ...]
    options: FeatureOptions
    windows: tuple[int, ...]
    own: tuple[str, ...] = ()
    num_rows: Mapping[str, int] = field(default_factory=dict)
    planned: frozenset[tuple[str, str]] = frozenset()


def is_number(attribute: Attribute) -> bool:
    """Tell whether an attribute is read as a number."""
    return attribute.dtype in _NUMERIC and (
        attribute.stype in (Stype.NUMERICAL,) or attribute.dtype is Dtype.BOOL
    )


def is_readable(attribute: Attribute) -> bool:
    """Tell whether an attribute is read at all."""
    if attribute.dtype is Dtype.TIMESTAMP or is_read_in_parts(attribute):
        return True
    return is_number(attribute) or is_category(attribute)


def is_category(attribute: Attribute) -> bool:
    """Tell whether an attribute is read as a category."""
    return attribute.stype is Stype.CATEGORICAL and attribute.dtype is not Dtype.BOOL


def own_values(entity: str, attributes: Sequence[Attribute], setting: Setting) -> list[Recipe]:
    """Return columns of the entity and of its parents: numbers, categories and dates."""
    recipes = []
    for a in attributes:
        if is_number(a):
            recipes.append(Recipe("rows", "value", source=a.source))
        elif is_category(a):
            recipes.append(Recipe("rows", "value", source=replace(a.source, words=True)))
        elif a.dtype is Dtype.TIMESTAMP:
            is_plan = (a.table, a.source.column) in setting.planned
            recipes.append(Recipe("rows", "planned_age" if is_plan else "age", source=a.source))
    time = setting.graph.schema.table(entity).time_column
    if time is not None:
        recipes.append(Recipe("rows", "age", source=Source(time)))
    return recipes


def row_recipes(reach: Reach, setting: Setting) -> list[Recipe]:
    """Return aggregates of the rows as such: how many, how recent, how regular."""
    base = Recipe("rows", "count", reach.moves, reach.downs)
    found = [base, *(replace(base, window_us=w) for w in setting.windows)]
    names = ("recency", "tenure", "mean_gap", "recency_in_gaps", "anchor_recency")
    found += [replace(base, aggregate=name) for name in (names[:3] if reach.moves else names)]
    found.append(replace(base, aggregate="mean_gap", last=10))
    found += [replace(base, aggregate="share_of_rows", window_us=w) for w in setting.windows]
    return found


def number_recipes(reach: Reach, source: Source, setting: Setting, *, rich: bool) -> list[Recipe]:
    """Return aggregates of a numerical column of rows."""
    base = Recipe("rows", "mean", reach.moves, reach.downs, source)
    lasts, windows = setting.options.lasts, setting.windows
    found = [base, replace(base, aggregate="last")]
    found += [replace(base, last=k) for k in lasts]
    found += [replace(base, window_us=w) for w in windows]
    found.append(replace(base, aggregate="decayed", last=5))
    if not rich:
        return found
    found += [replace(base, aggregate=a) for a in ("std", "min", "max", "sum", "nulls", "first")]
    found += [replace(base, aggregate=a, last=5) for a in ("min", "max", "trend", "nulls")]
    found += [replace(base, aggregate="std", last=10), replace(base, aggregate="slope", last=10)]
    found += [replace(base, aggregate="decayed", last=2), replace(base, aggregate="trend", last=10)]
    found += [replace(base, aggregate="sum", window_us=w) for w in windows]
    found += [replace(base, aggregate=a, window_us=windows[-1]) for a in ("min", "max", "std") if windows]
    found += [replace(base, aggregate=name) for name in setting.own]
    return found


def category_recipes(reach: Reach, source: Source, values: Sequence[str], setting: Setting) -> list[Recipe]:
    """Return aggregates of a categorical column of rows."""
    base = Recipe("rows", "last", reach.moves, reach.downs, replace(source, words=True))
    found = [replace(base, aggregate=a) for a in ("last", "mode", "mode_share", "distinct", "entropy")]
    for value in values:
        share = replace(base, aggregate="share", value=value)
        found += [share, replace(share, last=10)]
        found += [replace(share, window_us=w) for w in setting.windows[-1:]]
    return found


def reading_recipes(reach: Reach, source: Source, setting: Setting) -> list[Recipe]:
    """Return aggregates of what is read of texts, lists and vectors of rows: few, as readings are many."""
    base = Recipe("rows", "mean", reach.moves, reach.downs, source)
    windowed = [replace(base, window_us=w) for w in setting.windows[-1:]]
    return [base, *windowed, replace(base, aggregate="last")]


def key_recipes(reach: Reach, column: str) -> list[Recipe]:
    """Return aggregates of a foreign key of rows: how many different parents, how concentrated."""
    base = Recipe("rows", "distinct", reach.moves, reach.downs, Source(column, words=True))
    return [replace(base, aggregate=a) for a in ("distinct", "entropy", "mode_share")]


def target_sources(table: str, parts: Sequence[TargetPart]) -> list[tuple[Source, Dtype]]:
    """Return what rows of a table tell about the target."""
    return [
        (Source(target=f"{kind}:{i}"), part.dtype(kind))
        for i, part in enumerate(parts)
        if part.aggregate.table == table and not part.is_assumed
        for kind in part.kinds
    ]


def everyone_recipes(setting: Setting) -> list[Recipe]:
    """Return how the target's rows went lately for all entities."""
    found = []
    for table in dict.fromkeys(p.aggregate.table for p in setting.parts if not p.is_assumed):
        for source, dtype in target_sources(table, setting.parts):
            if dtype not in _NUMERIC:
                continue
            step = -(-setting.num_rows.get(table, 0) // _EVERYONE_ROWS) or 1
            base = Recipe("everyone", "mean", (), tuple(_downs(setting, table)), source, step=step)
            found += [base, *(replace(base, window_us=w) for w in setting.windows)]
    return found


def label_recipes(*, is_number: bool) -> list[Recipe]:
    """Return aggregates of past labels."""
    base = Recipe("label", "mean", source=Source("label", words=not is_number))
    if not is_number:
        return [replace(base, aggregate=a) for a in ("last", "mode", "mode_share")]
    found = [base, *(replace(base, last=k) for k in (3, 10)), replace(base, aggregate="last")]
    found += [replace(base, aggregate="decayed", last=k) for k in (2, 5)]
    return [*found, replace(base, aggregate="count"), replace(base, aggregate="recency")]


def shifted_recipes() -> list[Recipe]:
    """Return the target over past windows."""
    found = [Recipe("target", "lag", lag=k) for k in _LAGS]
    found += [Recipe("target", "mean", lag=k) for k in (3, 12)]
    found += [Recipe("target", "decayed", lag=12, last=k) for k in (2, 5)]
    return [*found, Recipe("target", "known", lag=12), Recipe("target", "season", lag=1)]


def group_recipes(base: Recipe, entity: str, attributes: Sequence[Attribute], graph: Graph) -> list[Recipe]:
    """Return means of ``base`` among those who share a parent row, or a category, with the entity."""
    sources = [Source(ROW, (link.name,)) for link in graph.up(entity)]
    sources += [replace(a.source, words=True) for a in attributes if is_category(a)]
    return [Recipe("group", "mean", source=source, base=base) for source in sources]


def calendar_recipes(*, has_frames: bool) -> list[Recipe]:
    """Return features of the anchor."""
    names: Iterable[str] = ("month", "day_of_week", "day_of_month", "day_of_year", "hour", "staleness")
    found = [Recipe("calendar", name) for name in names]
    return [*found, Recipe("calendar", "frame")] if has_frames else found


def _downs(setting: Setting, table: str) -> Iterable[str]:
    part = next(p for p in setting.parts if p.aggregate.table == table)
    return (link.name for link in reversed(part.aggregate.path))
