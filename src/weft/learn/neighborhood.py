"""The rows that a network read around one entity, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from weft.core import NO_AGE, Dtype, GraphColumn, GraphSource, UserError, format_time
from weft.learn.division import AGE, ROWS, Array, Attribution
from weft.learn.encoders.column import RawColumn

_MOST_ROWS = 24
_MOST_CELLS = 6
_LONGEST = 60
_DAY_US = 86_400_000_000
NodeKey = tuple[str, int]


@dataclass(frozen=True)
class SeenCell:
    """A value of a row, as text, and what it moved."""

    column: str
    value: str
    amount: float


@dataclass(frozen=True)
class SeenRow:
    """One row of a neighborhood.

    Attributes:
        table: Its table.
        key: Its primary key as text; empty for a table without one.
        links: Names of the links walked to it from the entity, in order.
        parent: Which row of the neighborhood it was reached from; -1 for the entity.
        age_us: Anchor less its time, microseconds; ``None`` for a row without time.
        amount: What it moved, in the unit of the explanation.
        presence: How much of that comes of its being there, whatever its values.
        cells: Its values, those that moved most first.
    """

    table: str
    key: str
    links: tuple[str, ...]
    parent: int
    age_us: int | None
    amount: float
    presence: float
    cells: tuple[SeenCell, ...]

    @property
    def hop(self) -> int:
        """How many links lie between it and the entity."""
        return len(self.links)

    @property
    def age(self) -> str:
        """The age in words; empty for a row without time."""
        return "" if self.age_us is None else age_text(self.age_us)


@dataclass(frozen=True)
class Neighborhood:
    """The rows that moved one prediction most, and those between them and the entity.

    Attributes:
        rows: The entity first; a row comes after the one it was reached from.
        num_rows: Table → how many of its rows were read.
    """

    rows: tuple[SeenRow, ...]
    num_rows: dict[str, int]

    def first(self, most: int) -> Neighborhood:
        """Keep the rows that moved most, and those between them and the entity."""
        order = sorted(range(len(self.rows)), key=lambda i: (-abs(self.rows[i].amount), i))
        kept: set[int] = set()
        for place in order[:most]:
            while place >= 0 and place not in kept:
                kept.add(place)
                place = self.rows[place].parent
        new = {old: place for place, old in enumerate(sorted(kept))}
        rows = tuple(replace(self.rows[i], parent=new.get(self.rows[i].parent, -1)) for i in sorted(kept))
        return Neighborhood(rows, self.num_rows)


@dataclass
class _Node:
    links: tuple[str, ...]
    parent: NodeKey | None
    age_us: int | None
    presence: float = 0.0
    values: dict[str, float] = field(default_factory=dict)

    @property
    def amount(self) -> float:
        return self.presence + sum(self.values.values())


def describe_neighborhood(
    networks: Sequence[tuple[float, Attribution]], source: GraphSource
) -> tuple[Neighborhood, dict[str, str]]:
    """Describe what networks read around one seed; what several say of a row is added up.

    Args:
        networks: Weights and attributions of that one seed.
        source: The graph that was read.

    Returns:
        The rows that moved most, and what the parts of the explanation were: name → value, in words.
    """
    nodes = _collect(networks)
    reader = _Reader(source, int(networks[0][1].anchors_us[0]))
    counts: dict[str, int] = {}
    for table, _ in nodes:
        counts[table] = counts.get(table, 0) + 1
    order = _order(nodes)
    place = {key: i for i, key in enumerate(order)}
    shown = reader.read(order, nodes)
    keys = reader.keys(order)
    rows = tuple(
        SeenRow(
            table=key[0],
            key=keys[key],
            links=nodes[key].links,
            parent=-1 if (parent := nodes[key].parent) is None else place[parent],
            age_us=nodes[key].age_us,
            amount=nodes[key].amount,
            presence=nodes[key].presence,
            cells=_cells(nodes[key], shown[key]),
        )
        for key in order
    )
    return Neighborhood(rows, counts), _values_of_parts(nodes, reader)


def age_text(age_us: int) -> str:
    """Write an age: ``3 days``, ``5 hours``, ``less than an hour``.

    Example:
        >>> age_text(3 * 86_400_000_000), age_text(5 * 3_600_000_000 + 1), age_text(7)
        ('3 days', '5 hours', 'less than an hour')
    """
    for size, unit in ((_DAY_US, "day"), (_DAY_US // 24, "hour")):
        if age_us >= size:
            number = age_us // size
            return f"{number:,} {unit}{'' if number == 1 else 's'}"
    return "less than an hour"


def _collect(networks: Sequence[tuple[float, Attribution]]) -> dict[NodeKey, _Node]:
    """Make one node per row; the network that is told first says how a row was reached."""
    nodes: dict[NodeKey, _Node] = {}
    for weight, told in networks:
        keys = [(t.table, int(row)) for t in told.tables for row in t.rows]
        place = 0
        for table in told.tables:
            for i in range(len(table.rows)):
                age, parent = int(table.age_us[i]), int(table.parent[i])
                node = nodes.setdefault(
                    keys[place],
                    _Node(
                        told.links[int(table.path[i])],
                        keys[parent] if parent >= 0 else None,
                        None if age == NO_AGE else age,
                    ),
                )
                node.presence += weight * float(table.presence[i])
                for column, amount in zip(table.columns, table.values[i].tolist(), strict=True):
                    node.values[column] = node.values.get(column, 0.0) + weight * amount
                place += 1
    return nodes


def _order(nodes: dict[NodeKey, _Node]) -> list[NodeKey]:
    """Return the rows to show: the entity, then each branch from its largest amount on."""
    ranked = sorted(nodes, key=lambda k: (-abs(nodes[k].amount), k))
    chosen: set[NodeKey] = set()
    for key in ranked[:_MOST_ROWS]:
        step: NodeKey | None = key
        while step is not None and step not in chosen:
            chosen.add(step)
            step = nodes[step].parent
    children: dict[NodeKey | None, list[NodeKey]] = {}
    for key in (k for k in ranked if k in chosen):
        children.setdefault(nodes[key].parent, []).append(key)
    chosen_roots = children.get(None) or [k for k in nodes if nodes[k].parent is None]
    order: list[NodeKey] = []
    waiting = list(reversed(chosen_roots))
    while waiting:
        key = waiting.pop()
        order.append(key)
        waiting += reversed(children.get(key, []))
    return order


def _cells(node: _Node, shown: dict[str, str]) -> tuple[SeenCell, ...]:
    cells = [SeenCell(c, v, node.values.get(c, 0.0)) for c, v in shown.items() if c in node.values]
    if node.age_us is not None:
        cells.append(SeenCell(AGE, age_text(node.age_us), node.values.get(AGE, 0.0)))
    return tuple(sorted(cells, key=lambda c: -abs(c.amount))[:_MOST_CELLS])


class _Reader:
    """Reads values of rows as text, none of them later than the anchor.

    Args:
        source: The graph.
        anchor_us: Up to when the entity sees.
    """

    def __init__(self, source: GraphSource, anchor_us: int) -> None:
        self.source, self.anchor_us = source, anchor_us
        self.columns = {t.name: {c.name: c for c in t.columns} for t in source.tables}

    def read(self, keys: Sequence[NodeKey], nodes: dict[NodeKey, _Node]) -> dict[NodeKey, dict[str, str]]:
        """Read all columns that are read of each row."""
        found: dict[NodeKey, dict[str, str]] = {key: {} for key in keys}
        for table in {t for t, _ in keys}:
            here = [k for k in keys if k[0] == table]
            names = [c for c in nodes[here[0]].values if c != AGE]
            for name, texts in self.texts(table, [row for _, row in here], names).items():
                for key, text in zip(here, texts, strict=True):
                    found[key][name] = text
        return found

    def keys(self, keys: Sequence[NodeKey]) -> dict[NodeKey, str]:
        """Read primary keys as text; a table without one gives empty ones."""
        found: dict[NodeKey, str] = {}
        for table in {t for t, _ in keys}:
            here = [k for k in keys if k[0] == table]
            try:
                given = self.source.keys(table, np.array([row for _, row in here], np.uint32))
            except UserError as error:
                if error.code != "GRAPH044":
                    raise
                given = [""] * len(here)
            for key, text in zip(here, given, strict=True):
                found[key] = ", ".join(map(str, text)) if isinstance(text, tuple) else str(text)
        return found

    def raw(self, table: str, rows: Sequence[int]) -> dict[str, RawColumn]:
        """Read the values of rows; an instant later than the anchor is missing, as it is to the network."""
        if not self.columns[table]:
            return {}
        values = self.source.values(table, np.array(rows, np.uint32))
        found = {}
        for name, column in self.columns[table].items():
            stored: Array = values[name]
            if column.dtype is Dtype.TIMESTAMP:
                stored = np.where(stored > self.anchor_us, np.iinfo(np.int64).min, stored)
            dictionary = self.source.dictionary(table, name) if column.is_coded else None
            found[name] = RawColumn(stored, dictionary)
        return found

    def texts(self, table: str, rows: Sequence[int], names: Sequence[str]) -> dict[str, list[str]]:
        """Write values of rows, column by column."""
        raw = self.raw(table, rows)
        return {name: _texts(self.columns[table][name], raw[name]) for name in names}


def _texts(column: GraphColumn, raw: RawColumn) -> list[str]:
    missing = raw.is_missing.tolist()
    values = raw.values if raw.dictionary is None else raw.texts()
    if raw.values.ndim == 2:
        return ["missing" if m else f"{raw.values.shape[1]} numbers" for m in missing]
    return ["missing" if m else _one(column, v) for m, v in zip(missing, values.tolist(), strict=True)]


def _one(column: GraphColumn, value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
    if column.dtype is Dtype.TIMESTAMP:
        return format_time(int(value))
    if column.dtype is Dtype.BOOL:
        return "true" if value else "false"
    return str(int(value)) if column.dtype is Dtype.INT else number_text(value)


def number_text(value: float) -> str:
    """Write a number with four digits, large ones in full: ``16,880``.

    Example:
        >>> number_text(16880.2), number_text(0.123456)
        ('16,880', '0.1235')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _values_of_parts(nodes: dict[NodeKey, _Node], reader: _Reader) -> dict[str, str]:
    """Say in words what each column was on each way from the entity."""
    groups: dict[tuple[tuple[str, ...], str], list[NodeKey]] = {}
    for key, node in nodes.items():
        groups.setdefault((node.links, key[0]), []).append(key)
    found: dict[str, str] = {}
    for (links, table), keys in groups.items():
        raw = reader.raw(table, [row for _, row in keys])
        ages = [a for key in keys if (a := nodes[key].age_us) is not None]
        told = {name: _together(reader.columns[table][name], column) for name, column in raw.items()}
        told |= {ROWS: f"{len(keys):,}"} | ({AGE: _newest(ages)} if ages else {})
        found |= {".".join(("graph", *links, table, name)): text for name, text in told.items()}
    return found


def _newest(ages: list[int]) -> str:
    return age_text(ages[0]) if len(ages) == 1 else f"{age_text(min(ages))} for the newest of {len(ages):,}"


def _together(column: GraphColumn, raw: RawColumn) -> str:
    """Say what some values are: the one, the mean, the latest, or the most frequent."""
    texts = _texts(column, raw)
    known = [t for t in texts if t != "missing"]
    if len(texts) == 1 or not known:
        return texts[0]
    if column.dtype in (Dtype.INT, Dtype.FLOAT) and raw.dictionary is None:
        return f"{number_text(float(np.nanmean(raw.numbers())))} on average of {len(known):,}"
    if column.dtype is Dtype.TIMESTAMP:
        return f"{format_time(int(raw.values[~raw.is_missing].max()))} at the latest of {len(known):,}"
    if raw.values.ndim == 2:
        return known[0]
    most = max(sorted(set(known)), key=known.count)
    return f"{most} most often, {known.count(most):,} of {len(texts):,}"
