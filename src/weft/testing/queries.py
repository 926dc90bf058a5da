"""Random predictive queries, as text, over any schema.

Nearly every text that is drawn is a correct query; those that a rule of the language refuses are dropped by
`queries`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from weft.core import Column, Dtype, Link, Schema, Stype, Table, UserError
from weft.pql import compile_query
from weft.pql.query import Query

COMPARISONS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
UNITS = st.sampled_from(["days", "days", "days", "hours", "weeks", "months", "years", "minutes", "seconds"])
LENGTHS = {"days": 20, "hours": 500, "weeks": 3, "months": 2, "years": 1, "minutes": 30000, "seconds": 10**6}
NUMERIC = ("COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "STDDEV", "MEDIAN")
ITEMS = ("'a'", "'b'", "'ü'", "'b c'", "'it''s'", "'1'")
MAX_HOPS = 3


@st.composite
def queries(draw: st.DrawFn, schema: Schema, *, is_static: bool = False) -> Query:
    """Draw a checked query about the first table of ``schema``."""
    texts = _Texts(draw, schema, schema.tables[0])
    try:
        return compile_query(texts.static() if is_static else texts.windowed(), schema)
    except UserError:
        reject()


@dataclass
class _Texts:
    """Draws parts of the text of a query."""

    draw: st.DrawFn
    schema: Schema
    entity: Table

    def windowed(self) -> str:
        kinds = ["condition", "number", "number", "forecast", "class", "labels", "ranking", "items"]
        target = str(getattr(self, f"_{self.pick(kinds)}_target")())
        return target + self._clauses(with_windows=True)

    def static(self) -> str:
        own = self.value_column(self.entity, 0)
        target = own if self.coin() else self.condition(self._own_test)
        return f"PREDICT {target}" + self._clauses(with_windows=False)

    def _clauses(self, *, with_windows: bool) -> str:
        text = f" FOR EACH {quoted(self.entity.name, self.entity.primary_key[0])}"
        if self.coin():
            is_past = with_windows and self.coin()
            leaf = self._past_test if is_past else self._own_test
            text += f" WHERE {self.condition(leaf)}"
        if with_windows and self.draw(st.integers(0, 3)) == 0:
            text += f" ASSUMING {self.condition(self._future_test)}"
        return text

    def _past_test(self) -> str:
        return self.aggregate_test(future=False)

    def _future_test(self) -> str:
        return self.aggregate_test(future=True)

    def _own_test(self) -> str:
        return self.test(self.entity, 2)

    def _condition_target(self) -> str:
        return f"PREDICT {self.condition(self._future_test)}"

    def _number_target(self) -> str:
        return f"PREDICT {self.number(future=True)}"

    def _forecast_target(self) -> str:
        unit, length = self.window_length()
        call = self.aggregate(self.pick(NUMERIC), f"0, {length}, {unit}")
        return f"PREDICT {call} FORECAST {self.draw(st.integers(2, 3))} TIMEFRAMES"

    def _class_target(self) -> str:
        return f"PREDICT {self.aggregate(self.pick(['FIRST', 'LAST']), self.window(future=True), 'text')}"

    def _labels_target(self) -> str:
        column = self.pick(["text", "tags"])
        return f"PREDICT {self.aggregate('LIST_DISTINCT', self.window(future=True), column)} CLASSIFY"

    def _ranking_target(self) -> str:
        return f"PREDICT {self.aggregate('LIST_DISTINCT', self.window(future=True), 'n')} RANK TOP 3"

    def _items_target(self) -> str:
        table, path = self.way()
        links = [k for k in self.schema.links_from(table.name) if len(k.columns) == 1]
        if not links:
            return self._ranking_target()
        column = self.pick(links).columns[0]
        inside = self.inside(table, path, column)
        return f"PREDICT LIST_DISTINCT({inside}, {self.window(future=True)}) RANK TOP 2"

    def condition(self, leaf: Any, depth: int = 2) -> str:
        """Combine tests with NOT, AND and OR."""
        if depth == 0 or self.coin():
            return str(leaf())
        kind = self.pick(["AND", "OR", "NOT"])
        if kind == "NOT":
            return f"NOT ({self.condition(leaf, depth - 1)})"
        return f"({self.condition(leaf, depth - 1)}) {kind} ({self.condition(leaf, depth - 1)})"

    def aggregate_test(self, *, future: bool) -> str:
        kind = self.pick(["compare", "compare", "null", "between", "exists", "text", "in", "items"])
        if kind == "items":
            call = self.aggregate(
                self.pick(["FIRST", "LAST", "LIST_DISTINCT"]), self.window(future=future), "tags"
            )
            return f"{call} {self.pick(['', 'NOT '])}CONTAINS {self.pick(ITEMS)}"
        if kind == "exists":
            table, path = self.way()
            inside = self.inside(table, path, "*")
            return f"EXISTS({inside}{self.timing(table, self.window(future=future))})"
        if kind == "text":
            call = self.aggregate(
                self.pick(["MIN", "MAX", "FIRST", "LAST"]), self.window(future=future), "text"
            )
            return f"{call} {self.draw(COMPARISONS)} {self.constant(Dtype.STRING)}"
        value = self.number(future=future)
        if kind == "null":
            return f"({value}) IS {self.pick(['', 'NOT '])}NULL"
        if kind == "between":
            return f"({value}) {self.pick(['', 'NOT '])}BETWEEN {self.number(future=future)} AND 3"
        if kind == "in":
            return f"({value}) {self.pick(['', 'NOT '])}IN (0, 1, {self.pick(['2', 'NULL'])})"
        return f"{value} {self.draw(COMPARISONS)} {self.constant(Dtype.INT)}"

    def number(self, *, future: bool) -> str:
        """Draw an aggregate, or two combined."""
        first = self.aggregate(self.pick(NUMERIC), self.window(future=future))
        if self.draw(st.integers(0, 2)):
            return first
        second = self.aggregate(self.pick(NUMERIC), self.window(future=future))
        return f"({first} {self.pick(['+', '-', '*', '/'])} {second})"

    def aggregate(self, name: str, window: str, column: str | None = None) -> str:
        table, path = self.way()
        if column is None:
            names = {"COUNT": ["*", "n", "text"], "COUNT_DISTINCT": ["n", "text", "flag", "x y", "tags"]}
            column = self.pick(names.get(name, ["n", "x y"]))
        return f"{name}({self.inside(table, path, column)}{self.timing(table, window)})"

    def inside(self, table: Table, path: tuple[Link, ...], column: str) -> str:
        via = ", ".join(quoted(k.table, k.columns[0]) for k in path)
        text = f"{quoted(table.name, column)} VIA {via}"
        if self.coin():
            text += f" WHERE {self.condition(lambda: self.test(table, 2), 1)}"
        return text

    def timing(self, table: Table, window: str) -> str:
        return f", {window}" if has_time(self.schema, table) else ""

    def test(self, table: Table, hops: int) -> str:
        """Draw a condition on a plain column of a row of ``table`` or of its parents."""
        text = self.value_column(table, hops)
        column = self.found
        kind = self.pick(["compare", "compare", "null", "in", "between", "text", "text"])
        if kind == "null" or column.dtype is Dtype.BOOL:
            return f"{text} IS {self.pick(['', 'NOT '])}NULL" if kind == "null" else f"{text} = {self.coin()}"
        one, two = self.constant(column.dtype), self.constant(column.dtype)
        if kind == "in":
            return f"{text} {self.pick(['', 'NOT '])}IN ({one}, {self.pick([two, 'NULL'])})"
        if kind == "between":
            return f"{text} {self.pick(['', 'NOT '])}BETWEEN {one} AND {two}"
        if kind == "text" and column.stype is Stype.MULTICATEGORICAL and self.coin():
            return f"{text} {self.pick(['', 'NOT '])}CONTAINS {self.pick(ITEMS)}"
        if kind == "text" and column.dtype is Dtype.STRING:
            return f"{text} {self.text_test()}"
        return f"{text} {self.draw(COMPARISONS)} {one}"

    def text_test(self) -> str:
        tests = ["LIKE 'a%'", "NOT LIKE '%b_'", "LIKE '_'", "CONTAINS 'b'", "NOT CONTAINS 'a'"]
        return str(self.pick([*tests, "STARTS WITH 'a'", "ENDS WITH 'b'", "CONTAINS 'ab'"]))

    def value_column(self, table: Table, hops: int) -> str:
        """Draw a plain column; the column itself is kept as ``found``."""
        here = table
        path: list[Link] = []
        while len(path) < hops and self.draw(st.integers(0, 2)) == 0:
            links = self.schema.links_from(here.name)
            if not links:
                break
            path.append(self.pick(links))
            here = self.schema.table(path[-1].parent)
        choices = [c for c in here.columns if c.stype is not Stype.ID]
        self.found: Column = self.pick(choices)
        via = ", ".join(quoted(k.table, k.columns[0]) for k in path)
        return quoted(here.name, self.found.name) + (f" VIA {via}" if via else "")

    def way(self) -> tuple[Table, tuple[Link, ...]]:
        """Draw a table and a path from it to the entity."""
        ways = [(t, p) for t in self.schema.tables for p in paths_to(self.schema, t.name, self.entity.name)]
        if not ways:
            reject()
        return self.pick(ways)  # type: ignore[no-any-return]

    def window(self, *, future: bool) -> str:
        unit, length = self.window_length()
        gap = self.draw(st.sampled_from([0, 0, 0, 1, 3]))
        if future:
            return f"{gap}, {gap + length}, {unit}"
        if self.draw(st.integers(0, 2)) == 0:
            return f"-INF, {-gap}, {unit}"
        return f"{-gap - length}, {-gap}, {unit}"

    def window_length(self) -> tuple[str, int]:
        unit = self.draw(UNITS)
        return unit, self.draw(st.integers(1, LENGTHS[unit]))

    def constant(self, dtype: Dtype) -> str:
        by_dtype = {
            Dtype.INT: ["-1", "0", "1", "2", "0.5"],
            Dtype.FLOAT: ["-0.25", "0", "0.5", "1", "1.75"],
            Dtype.STRING: ["'a'", "'b'", "''", "'ab'", "'it''s'"],
            Dtype.BOOL: ["TRUE", "FALSE"],
            Dtype.TIMESTAMP: ["2020-01-31", "'2020-02-10 12:00:00'"],
        }
        return str(self.pick([*by_dtype.get(dtype, []) * 2, "NULL"]))

    def coin(self) -> bool:
        return self.draw(st.booleans())

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(list(choices)))


def paths_to(schema: Schema, table: str, goal: str, hops: int = MAX_HOPS) -> list[tuple[Link, ...]]:
    """Return every path of at most ``hops`` foreign keys, those through a link to the same table too."""
    found: list[tuple[Link, ...]] = []
    for link in schema.links_from(table):
        if link.parent == goal:
            found.append((link,))
        if hops > 1:
            found += [(link, *rest) for rest in paths_to(schema, link.parent, goal, hops - 1)]
    return found


def has_time(schema: Schema, table: Table) -> bool:
    """Whether rows of a table have a time, of their own or of a parent's."""
    seen = {table.name}
    waiting = [table.name]
    while waiting:
        for link in schema.links_from(waiting.pop()):
            if link.parent not in seen:
                seen.add(link.parent)
                waiting.append(link.parent)
    return any(schema.table(name).time_column for name in seen)


def quoted(table: str, column: str) -> str:
    """Write a column with its names quoted."""
    return f"`{table}`.{column if column == '*' else f'`{column}`'}"
