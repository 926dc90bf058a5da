"""What a prediction is divided into: amounts by feature, and by the rows and columns that a network reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from weft.core import Feature, FeatureKind

Array = np.ndarray[Any, Any]
AGE = "age"
ROWS = "rows"


@dataclass(frozen=True)
class TableAmounts:
    """What the sampled rows of one table moved, cell by cell.

    Attributes:
        table: The table.
        columns: The columns that are read, and `AGE` at the end.
        rows: Row numbers in the graph, uint32 ``(n,)``.
        scope: Which seed each row belongs to, ``(n,)``.
        path: By which way each was reached, a position in `Attribution.links`, ``(n,)``.
        parent: From which row, a position among the rows of all tables, ``(n,)``; -1 for seeds.
        age_us: Anchor less the time of the row; the least integer for a row without time, ``(n,)``.
        values: What the values moved, ``(n, columns)``.
        presence: What it moved that the rows are there at all, ``(n,)``.
    """

    table: str
    columns: tuple[str, ...]
    rows: Array
    scope: Array
    path: Array
    parent: Array
    age_us: Array
    values: Array
    presence: Array

    @property
    def amounts(self) -> Array:
        """What each row moved, ``(n,)``."""
        return np.asarray(self.values.sum(axis=1) + self.presence)


@dataclass(frozen=True)
class Attribution:
    """The outputs of a network for some seeds, divided among what it read.

    Attributes:
        tables: Amounts of the rows of each table.
        links: Ways from the seed, each the names of the links walked.
        features: What the seed's own features moved, ``(seeds, features)``.
        base: Output when nothing is known, ``(seeds,)``.
        output: Output, ``(seeds,)``. It is the base and all amounts.
        gap: How far amounts were from adding up before the rest was spread over them, ``(seeds,)``.
        anchors_us: Up to when each seed sees, int64 ``(seeds,)``.
        absent: What it moved that a seed has no rows of a kind that others have: part → ``(seeds,)``.
    """

    tables: tuple[TableAmounts, ...]
    links: tuple[tuple[str, ...], ...]
    features: Array
    base: Array
    output: Array
    gap: Array
    anchors_us: Array
    absent: Mapping[Feature, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Usual:
    """What each part of an attribution moves on average over some train rows.

    Amounts are measured from it, as those of the other rungs are: what is the same for everybody moves
    nobody's prediction. Empty, they are measured from an entity of which nothing is known.

    Attributes:
        parts: As `divide_by_part` makes them.
        amounts: Of each part, for each output.
    """

    parts: tuple[Feature, ...] = ()
    amounts: tuple[tuple[float, ...], ...] = ()

    @staticmethod
    def of(divisions: Sequence[Division]) -> Usual:
        """Average some divisions of the same rows, one for each output."""
        parts = tuple(dict.fromkeys(part for d in divisions for part in d.parts))
        means = [dict(zip(d.parts, d.amounts.mean(axis=0).tolist(), strict=True)) for d in divisions]
        return Usual(parts, tuple(tuple(mean.get(part, 0.0) for part in parts) for mean in means))

    def output(self, index: int) -> dict[Feature, float]:
        """Return the mean amounts for one output; empty where they were not learned."""
        return dict(zip(self.parts, self.amounts[index], strict=True)) if index < len(self.amounts) else {}


@dataclass(frozen=True)
class Division:
    """The scores of some rows, divided.

    Attributes:
        parts: What amounts belong to: features of the entity, and columns and rows of the graph.
        amounts: Signed, ``(n, parts)``.
        base: What is said knowing nothing, ``(n,)``. With the amounts of a row it adds up to its score.
        networks: What each network among the members read, with the weight of the member.
    """

    parts: tuple[Feature, ...]
    amounts: Array
    base: Array
    networks: tuple[tuple[float, Attribution], ...] = ()


def blend_divisions(divisions: Sequence[Division], weights: Sequence[float]) -> Division:
    """Return the weighted sum of some divisions of the same rows; equal parts are added up."""
    parts = list(dict.fromkeys(part for division in divisions for part in division.parts))
    places = {part: i for i, part in enumerate(parts)}
    amounts = np.zeros((len(divisions[0].base), len(parts)))
    for division, weight in zip(divisions, weights, strict=True):
        amounts[:, [places[p] for p in division.parts]] += weight * division.amounts
    return Division(
        parts=tuple(parts),
        amounts=amounts,
        base=np.sum([w * d.base for d, w in zip(divisions, weights, strict=True)], axis=0),
        networks=tuple(
            (w * share, told) for d, w in zip(divisions, weights, strict=True) for share, told in d.networks
        ),
    )


def stack_divisions(divisions: Sequence[Division]) -> Division:
    """Put the divisions of some rows below each other; what single networks read is kept of one alone."""
    if len(divisions) == 1:
        return divisions[0]
    parts = list(dict.fromkeys(part for division in divisions for part in division.parts))
    places = {part: i for i, part in enumerate(parts)}
    amounts = np.zeros((sum(len(d.base) for d in divisions), len(parts)))
    start = 0
    for division in divisions:
        rows = slice(start, start + len(division.base))
        amounts[rows, [places[p] for p in division.parts]] = division.amounts
        start = rows.stop
    return Division(tuple(parts), amounts, np.concatenate([d.base for d in divisions]))


def from_usual(told: Attribution, features: Sequence[Feature], usual: Mapping[Feature, float]) -> Attribution:
    """Measure amounts from what is usual, which rows of one kind share evenly.

    Args:
        told: Measured from an entity of which nothing is known.
        features: Of the seeds, in order.
        usual: Mean amount of each part.
    """
    ways = {links: number for number, links in enumerate(told.links)}
    by_table: dict[str, list[Feature]] = {t.table: [] for t in told.tables}
    absent: dict[Feature, Array] = {}
    for part in usual.keys() - set(features):
        if part.table in by_table and part.links in ways:
            by_table[part.table].append(part)
        else:
            absent[part] = np.full(len(told.base), -usual[part])
    tables = []
    for table in told.tables:
        values, presence = table.values.copy(), table.presence.copy()
        for part in sorted(by_table[table.table], key=lambda p: p.name):
            here = np.flatnonzero(table.path == ways[part.links])
            counts = np.bincount(table.scope[here], minlength=len(told.base))
            if (counts == 0).any():
                absent[part] = np.where(counts == 0, -usual[part], 0.0)
            share = usual[part] / np.maximum(counts, 1)[table.scope[here]]
            if part.aggregate == ROWS:
                presence[here] -= share
            else:
                values[here, table.columns.index(_column_of(part))] -= share
        tables.append(replace(table, values=values, presence=presence))
    return replace(
        told,
        tables=tuple(tables),
        features=told.features - np.array([usual.get(f, 0.0) for f in features]),
        base=told.base + sum(usual.values()),
        absent={part: absent[part] for part in sorted(absent, key=lambda p: p.name)},
    )


def _column_of(part: Feature) -> str:
    return AGE if part.aggregate == AGE else part.columns[0].removeprefix(f"{part.table}.")


def divide_by_part(features: Sequence[Feature], told: Attribution) -> Division:
    """Add the amounts of an attribution up by feature of the seed, and by way, table and column."""
    parts: list[Feature] = list(features)
    columns: list[Array] = [told.features]
    num = len(told.base)
    for table in told.tables:
        for way in np.unique(table.path).tolist():
            here = table.path == way
            sums = np.zeros((num, len(table.columns) + 1))
            cells = np.column_stack([table.values[here], table.presence[here]])
            np.add.at(sums, table.scope[here], cells)
            used = np.flatnonzero(np.abs(sums).sum(axis=0) > 0)
            names = (*table.columns, ROWS)
            parts += [graph_part(table.table, names[i], told.links[way]) for i in used.tolist()]
            columns.append(sums[:, used])
    places = {part: i for i, part in enumerate(parts)}
    amounts = np.concatenate([*columns, np.zeros((num, len(told.absent.keys() - places.keys())))], axis=1)
    for part, lacking in told.absent.items():
        amounts[:, places.setdefault(part, len(places))] += lacking
    return Division(tuple(places), amounts, told.base, ((1.0, told),))


def graph_part(table: str, column: str, links: tuple[str, ...]) -> Feature:
    """Describe one column, the ages or the being there of the rows that lie some links away."""
    where = f", over {', then '.join(links)}" if links else " itself"
    words = {
        AGE: f"how long ago the {table} rows were{where}" if links else f"the age of {table}{where}",
        ROWS: f"how many {table} rows there are{where}",
    }
    return Feature(
        name=".".join(("graph", *links, table, column)),
        kind=FeatureKind.NUMERICAL,
        table=table,
        columns=() if column in words else (f"{table}.{column}",),
        links=links,
        aggregate=column if column in words else "value",
        window_us=None,
        words=words.get(column, f"{column} of {table}{where}"),
    )
