"""How each aggregate is computed in parts and put together.

Results do not depend on the order in which an engine meets the rows: sums of floats are taken over
fixed-point numbers of 38 digits, scaled so that the column's largest value fits, and a standard
deviation over the values in the order of their rows.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from weft.core import Dtype, Stype
from weft.data.labels.condition import column_items
from weft.data.tables import Tables
from weft.pql.query import Aggregate, AggregateName, ColumnValue

Measures = Callable[[Any], dict[str, Any]]

# 38 digits hold 2**126: the largest value takes 2**92, which leaves room for 10**10 rows.
_BITS = 92


@dataclass(frozen=True)
class Grouped:
    """An aggregate whose parts are measures of each group.

    Attributes:
        measures: Of rows.
        merged: Of partial results; ``None`` when parts cannot be put together.
        value: The result, from the measures of a group.
        partial_columns: Names of the measures.
    """

    measures: Measures
    merged: Measures | None
    value: Callable[[Any], Any]
    partial_columns: tuple[str, ...]

    @property
    def is_staged(self) -> bool:
        """Whether parts can be put together."""
        return self.merged is not None

    def reduce(self, rows: Any, keys: list[str]) -> Any:
        """Reduce rows to partial results per group."""
        return rows.group_by(keys).agg(**self.measures(rows))

    def merge(self, partials: Any, keys: list[str]) -> Any:
        """Put partial results together: ``keys`` and ``value``."""
        assert self.merged is not None
        return self._with_value(partials.group_by(keys).agg(**self.merged(partials)), keys)

    def finish(self, rows: Any, keys: list[str]) -> Any:
        """Aggregate rows at once: ``keys`` and ``value``."""
        return self._with_value(self.reduce(rows, keys), keys)

    def _with_value(self, groups: Any, keys: list[str]) -> Any:
        return groups.select(*keys, value=self.value(groups))


@dataclass(frozen=True)
class Distinct:
    """An aggregate over the different values of each group.

    Attributes:
        value: The result, from the different values of a group.
        cast: The type that the values are turned into first.
        items: Turns a value into the list of those that count in its place; ``None`` where it is one.
    """

    value: Callable[[Any], Any]
    cast: str | None = None
    items: Callable[[Any], Any] | None = None
    is_staged: ClassVar[bool] = True
    partial_columns: ClassVar[tuple[str, ...]] = ("x",)

    def reduce(self, rows: Any, keys: list[str]) -> Any:
        """Reduce rows to the different values per group."""
        value = rows["x"] if self.cast is None else rows["x"].cast(self.cast)
        if self.items is not None:
            value = self.items(rows["x"]).unnest()
        found = rows.filter(rows["x"].notnull()).select(*keys, x=value)
        return found.distinct()

    def merge(self, partials: Any, keys: list[str]) -> Any:
        """Put partial results together: ``keys`` and ``value``."""
        return self._with_value(partials.select(*keys, "x").distinct(), keys)

    def finish(self, rows: Any, keys: list[str]) -> Any:
        """Aggregate rows at once: ``keys`` and ``value``."""
        return self._with_value(self.reduce(rows, keys), keys)

    def _with_value(self, rows: Any, keys: list[str]) -> Any:
        return rows.group_by(keys).agg(value=self.value(rows["x"]))


Recipe = Grouped | Distinct


def recipe_of(tables: Tables, aggregate: Aggregate, is_text: bool) -> Recipe:
    """Return how to compute an aggregate; ``is_text`` makes text of the elements of a list."""
    name, column = aggregate.name, aggregate.column
    if column is None:
        return Grouped(lambda g: {"n": g.count()}, lambda g: {"n": g["n"].sum()}, lambda g: g["n"], ("n",))
    if name in (AggregateName.SUM, AggregateName.AVG):
        return _sums(tables, column, name)
    items = None
    if column.stype is Stype.MULTICATEGORICAL:
        items = functools.partial(column_items, column=column, schema=tables.schema)
    if name is AggregateName.LIST_DISTINCT:
        return Distinct(lambda x: x.collect(order_by=x), "string" if is_text else None, items)
    if name is AggregateName.COUNT_DISTINCT:
        return Distinct(lambda x: x.count(), items=items)
    return _SIMPLE[name]


def _extreme(measure: Callable[[Any], Any]) -> Grouped:
    return Grouped(
        lambda g: {"v": measure(g["x"])}, lambda g: {"v": measure(g["v"])}, lambda g: g["v"], ("v",)
    )


def _edge(pick: str) -> Grouped:
    def measures(value: str) -> Measures:
        def make(g: Any) -> dict[str, Any]:
            def picked(name: str) -> Any:
                return getattr(g[name], pick)(order_by=[g["t"], g["r"]], include_null=True)

            return {"v": picked(value), "t": picked("t"), "r": picked("r")}

        return make

    return Grouped(measures("x"), measures("v"), lambda g: g["v"], ("v", "t", "r"))


def _median(g: Any) -> dict[str, Any]:
    return {"v": g["x"].cast("float64").median()}


def _values(g: Any) -> dict[str, Any]:
    return {"xs": g["x"].cast("float64").collect(order_by=g["r"])}


def _deviation(g: Any) -> Any:
    xs, count = g["xs"], g["xs"].length().cast("float64")
    mean = xs.sums() / count.nullif(0.0)
    squares = xs.map(lambda x: (x - mean) * (x - mean)).sums()
    return (squares / (count - 1.0).nullif(0.0)).sqrt()


_SIMPLE: dict[AggregateName, Grouped] = {
    AggregateName.COUNT: Grouped(
        lambda g: {"n": g["x"].count()}, lambda g: {"n": g["n"].sum()}, lambda g: g["n"], ("n",)
    ),
    AggregateName.MIN: _extreme(lambda x: x.min()),
    AggregateName.MAX: _extreme(lambda x: x.max()),
    AggregateName.FIRST: _edge("first"),
    AggregateName.LAST: _edge("last"),
    AggregateName.MEDIAN: Grouped(_median, None, lambda g: g["v"], ("v",)),
    AggregateName.STDDEV: Grouped(_values, None, _deviation, ("xs",)),
}


def _sums(tables: Tables, column: ColumnValue, name: AggregateName) -> Grouped:
    scale = _scale(tables, column) if column.dtype is Dtype.FLOAT else None

    def measures(g: Any) -> dict[str, Any]:
        x = g["x"].cast("int64") if scale is None else _fixed(g["x"], scale)
        return {"total": x.sum(), "n": x.count()}

    def merged(g: Any) -> dict[str, Any]:
        return {"total": g["total"].sum(), "n": g["n"].sum()}

    def value(g: Any) -> Any:
        total = g["total"].cast("float64") * 2.0 ** -(scale or 0)
        return total if name is AggregateName.SUM else total / g["n"].cast("float64").nullif(0.0)

    return Grouped(measures, merged, value, ("total", "n"))


def _fixed(x: Any, scale: int) -> Any:
    finite = (x.isnan() | x.isinf()).ifelse(None, x)
    return (finite * 2.0**scale).cast("decimal(38, 0)")


def _scale(tables: Tables, column: ColumnValue) -> int:
    """Return the power of two that brings the column's largest value just below 2**92."""
    table = tables.table(column.table)
    size = table[column.column].abs()
    finite = table.filter(~(size.isnan() | size.isinf()))
    largest = tables.fetch(finite.agg(largest=finite[column.column].abs().max())).column(0).to_pylist()[0]
    return min(_BITS - math.frexp(largest or 1.0)[1], 900)
