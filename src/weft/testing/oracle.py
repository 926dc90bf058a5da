"""What the labels of a query are, by plain loops over rows.

Every rule of the language is here once more, as obviously as can be written: nothing is joined, grouped or
bucketed. It is meant for tiny databases; see `weft.testing.databases`.
"""

from __future__ import annotations

import json
import operator
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weft.core import ROW, TIME, Dtype, Link, Offset, Schema, Stype, TaskType, to_datetime, to_micros
from weft.pql.query import (
    Aggregate,
    AggregateName,
    And,
    Answer,
    Arithmetic,
    ColumnValue,
    Comparison,
    InList,
    IsNull,
    Literal,
    Not,
    Or,
    Query,
    TextMatch,
)

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


_OF_ITEMS = (AggregateName.LIST_DISTINCT, AggregateName.COUNT_DISTINCT)


@dataclass(frozen=True)
class Label:
    """One row of a label table."""

    anchor_us: int
    entity: Any
    label: Any
    frame: int = 0


def expected_labels(schema: Schema, rows: Rows, query: Query, anchors_us: Sequence[int]) -> list[Label]:
    """Return the labels of a query with windows, sorted by anchor, entity and frame.

    Args:
        schema: Of the tables.
        rows: Prepared rows per table, with ``__row`` and ``__time`` (a datetime without zone, or None).
        query: The checked query.
        anchors_us: Microseconds UTC.
    """
    frames = query.task.num_frames or 1
    found = []
    for anchor in sorted(anchors_us):
        for entity in rows[query.task.entity_table]:
            moment = Moment(schema, rows, query, entity, anchor)
            if not moment.is_wanted():
                continue
            for frame in range(frames):
                label = moment.label(frame)
                if label is not None:
                    found.append(Label(anchor, entity[query.task.entity_column], label, frame))
    return sorted(found, key=lambda label: (label.anchor_us, label.entity, label.frame))


def expected_static(schema: Schema, rows: Rows, query: Query) -> list[Label]:
    """Return the labels of a query without a window: every entity at its own time, else the newest of all."""
    times = [micros(row[TIME]) for table in rows.values() for row in table if row[TIME] is not None]
    found = []
    for entity in rows[query.task.entity_table]:
        anchor = max(times, default=0) if entity[TIME] is None else micros(entity[TIME])
        moment = Moment(schema, rows, query, entity, anchor)
        label = moment.label(0) if moment.is_wanted() else None
        if label is not None:
            found.append(Label(anchor, entity[query.task.entity_column], label))
    return sorted(found, key=lambda label: (label.anchor_us, label.entity))


def expected_population(schema: Schema, rows: Rows, query: Query, anchor_us: int) -> list[Any]:
    """Return the keys of the entities that are there at an anchor and meet WHERE, sorted."""
    found = []
    for entity in rows[query.task.entity_table]:
        moment = Moment(schema, rows, query, entity, anchor_us)
        if moment.exists() and (query.where is None or moment.value(query.where) is True):
            found.append(entity[query.task.entity_column])
    return sorted(found)


def micros(time: Any) -> int:
    """Turn a datetime without a zone into microseconds UTC."""
    return to_micros(time)


@dataclass(frozen=True)
class Moment:
    """One entity at one anchor."""

    schema: Schema
    rows: Rows
    query: Query
    entity: Row
    anchor_us: int

    def exists(self) -> bool:
        """Whether the entity has come, and has not gone."""
        if self.entity[TIME] is not None and micros(self.entity[TIME]) > self.anchor_us:
            return False
        end = self.schema.table(self.query.task.entity_table).end_time_column
        return end is None or self.entity[end] is None or micros(self.entity[end]) > self.anchor_us

    def is_wanted(self) -> bool:
        """Whether the entity is there and meets WHERE and ASSUMING."""
        conditions = [c for c in (self.query.where, self.query.assuming) if c is not None]
        return self.exists() and all(self.value(c) is True for c in conditions)

    def label(self, frame: int) -> Any:
        """Return the target, ``None`` where it is undefined."""
        value = self.value(self.query.target, frame)
        if value is None:
            return None
        if self.query.task.type is TaskType.MULTICLASS:
            return str(value)
        if self.query.task.type in (TaskType.REGRESSION, TaskType.FORECASTING):
            return float(value)
        return value

    def value(self, node: Any, frame: int = 0) -> Any:
        """Return a condition or expression for this entity; ``None`` is undefined or null."""
        return evaluate(
            self.schema,
            node,
            lambda column: self._column(self.entity, column, self.anchor_us),
            lambda aggregate: self._aggregate(aggregate, frame),
        )

    def _column(self, row: Row, column: ColumnValue, sight_us: int | None) -> Any:
        found = self._follow(row, column.path, sight_us)
        return None if found is None else found[column.column]

    def _follow(self, row: Row, path: Sequence[Link], sight_us: int | None) -> Row | None:
        """Return the row a path leads to, ``None`` where one on it is missing or comes after ``sight_us``."""
        found: Row | None = row
        for link in path:
            if found is None:
                return None
            found = self._parent(found, link)
            if found is not None and sight_us is not None and found[TIME] is not None:
                found = found if micros(found[TIME]) <= sight_us else None
        return found

    def _parent(self, row: Row, link: Link) -> Row | None:
        key = [row[c] for c in link.columns]
        if None in key:
            return None
        for parent in self.rows[link.parent]:
            if [parent[c] for c in link.parent_columns] == key:
                return parent
        return None

    def _aggregate(self, aggregate: Aggregate, frame: int) -> Any:
        low, high = self._bounds(aggregate, frame)
        sight = None if high is None else max(high, self.anchor_us)
        chosen = []
        for row in self.rows[aggregate.table]:
            time = None if row[TIME] is None else micros(row[TIME])
            if high is not None and (time is None or time > high):
                continue
            if low is not None and (time is None or time <= low):
                continue
            if self._follow(row, aggregate.path, sight) is not self.entity:
                continue
            if aggregate.where is not None and self._holds(aggregate.where, row, sight) is not True:
                continue
            chosen.append(row)
        chosen.sort(key=lambda row: (row[TIME] is not None and micros(row[TIME]), row[ROW]))
        if aggregate.column is None:
            return len(chosen)
        values = [self._aggregated(aggregate, row, sight) for row in chosen]
        if aggregate.column.stype is Stype.MULTICATEGORICAL and aggregate.name in _OF_ITEMS:
            separator = self.schema.table(aggregate.column.table).column(aggregate.column.column).separator
            values = [item for text in values for item in split_items(text, separator) or ()]
        return reduce_values(aggregate.name, values, self._is_text_list(), self.query.answer)

    def _bounds(self, aggregate: Aggregate, frame: int) -> tuple[int | None, int | None]:
        window = aggregate.window
        if window is None:
            return None, None
        length = frame * window.end.value
        high = Offset(window.end.value + length, window.end.unit).after(self.anchor_us)
        if window.start is None:
            return None, high
        return Offset(window.start.value + length, window.end.unit).after(self.anchor_us), high

    def _holds(self, condition: Any, row: Row, sight_us: int | None) -> Any:
        return evaluate(self.schema, condition, lambda column: self._column(row, column, sight_us), None)

    def _aggregated(self, aggregate: Aggregate, row: Row, sight_us: int | None) -> Any:
        """Return the value of one row; for items that are recommended, only of those that are there."""
        assert aggregate.column is not None
        value = self._column(row, aggregate.column, sight_us)
        if aggregate.name is AggregateName.LIST_DISTINCT and not self._is_text_list():
            links = self.schema.links_from(aggregate.table)
            item = next(k for k in links if k.columns == (aggregate.column.column,))
            return value if self._follow(row, (item,), sight_us) is not None else None
        return value

    def _is_text_list(self) -> bool:
        return self.query.task.type is not TaskType.LINK_PREDICTION


def reduce_values(name: AggregateName, values: list[Any], is_text: bool, answer: Answer | None) -> Any:
    """Aggregate the values of the rows in a window, oldest first; ``None`` is undefined."""
    known = [v for v in values if v is not None]
    if name is AggregateName.COUNT:
        return len(known)
    if name is AggregateName.COUNT_DISTINCT:
        return len(set(known))
    if name is AggregateName.SUM:
        return sum(known)
    if name is AggregateName.LIST_DISTINCT:
        found = sorted({str(v) for v in known} if is_text else set(known))
        return found if found or answer is Answer.CLASSIFY else None
    if name in (AggregateName.FIRST, AggregateName.LAST):
        return values[0 if name is AggregateName.FIRST else -1] if values else None
    if name is AggregateName.STDDEV:
        return statistics.stdev(known) if len(known) > 1 else None
    simple: dict[AggregateName, Callable[[list[Any]], Any]] = {
        AggregateName.AVG: lambda v: sum(v) / len(v),
        AggregateName.MIN: min,
        AggregateName.MAX: max,
        AggregateName.MEDIAN: statistics.median,
    }
    return simple[name](known) if known else None


def evaluate(schema: Schema, node: Any, column: Callable[[ColumnValue], Any], aggregate: Any) -> Any:
    """Evaluate a tree in three-valued logic, ``None`` being the third value."""

    def value(child: Any) -> Any:
        return evaluate(schema, child, column, aggregate)

    if isinstance(node, ColumnValue):
        return column(node)
    if isinstance(node, Aggregate):
        return aggregate(node)
    if isinstance(node, Literal):
        return to_datetime(int(node.value or 0)).replace(tzinfo=None) if _is_time(node) else node.value
    if isinstance(node, And | Or):
        return _combined([value(o) for o in node.operands], isinstance(node, Or))
    if isinstance(node, InList):
        return _combined([value(Comparison("=", node.operand, v)) for v in node.values], True)
    if isinstance(node, Arithmetic | Comparison):
        return _computed(node.op, value(node.left), value(node.right))
    return _tested(schema, node, value(node.operand))


def _is_time(node: Literal) -> bool:
    return node.dtype is Dtype.TIMESTAMP and node.value is not None


def _combined(values: list[Any], deciding: bool) -> Any:
    """OR is decided by a TRUE, AND by a FALSE; undefined when not decided and one is undefined."""
    if any(v is deciding for v in values):
        return deciding
    return None if None in values else not deciding


def _computed(op: str, left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    if op == "/":
        return left / right if right else None
    return {**_COMPARE, "+": operator.add, "-": operator.sub, "*": operator.mul}[op](left, right)


def _tested(schema: Schema, node: Any, value: Any) -> bool | None:
    if isinstance(node, IsNull):
        return value is None
    if value is None:
        return None
    return not value if isinstance(node, Not) else _matches(schema, node, value)


def split_items(text: str | None, separator: str | None) -> list[str] | None:
    """Return the items that a text of several categories lists; ``None`` where it lists nothing readable.

    Args:
        text: Of the column.
        separator: As in `weft.core.Column`.
    """
    if text is None:
        return None
    if separator == "json":
        parts = _json_items(text)
    elif separator == "<>":
        parts = re.findall("<([^<>]*)>", text)
    else:
        parts = text.split(separator or ",")
    return None if parts is None else [part.strip() for part in parts if part.strip()]


def _json_items(text: str) -> list[str] | None:
    if not text.strip():
        return []
    try:
        # Numbers stay as they are written.
        found = json.loads(text, parse_int=str, parse_float=str)
    except ValueError:
        return None
    if not isinstance(found, list):
        return []
    words = {True: "true", False: "false"}
    return [words[item] if isinstance(item, bool) else item for item in found if item is not None]


def _matches(schema: Schema, node: TextMatch, text: str) -> bool | None:
    operand = node.operand
    if node.op == "CONTAINS":
        column = operand.column if isinstance(operand, Aggregate) else operand
        if isinstance(column, ColumnValue) and column.stype is Stype.MULTICATEGORICAL:
            items = split_items(text, schema.table(column.table).column(column.column).separator)
            return None if items is None else node.text in items
        return node.text in text
    if node.op == "STARTS":
        return text.startswith(node.text)
    if node.op == "ENDS":
        return text.endswith(node.text)
    pattern = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in node.text)
    return re.fullmatch(pattern, text, re.DOTALL) is not None
