"""Questions that tables can answer, for someone who brought none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weft.core import MICROSECONDS_PER_DAY, Link, Stype, UserError
from weft.data import Pace, measure_pace
from weft.pql import compile_query
from weft.project.opening import open_outputs

if TYPE_CHECKING:
    from weft.project.graph import Graph

_HORIZON_DAYS = (1, 7, 30, 90, 365)
_MIN_HORIZONS = 12
_SUMMED = re.compile(r"amount|price|total|value|revenue|sales|spend|quantity|qty|cost|paid|volume", re.I)


def propose_queries(graph: Graph) -> list[str]:
    """Propose up to three queries, the most promising first.

    Who will fall silent, how much will there be, what will be chosen next: asked for the parent that its rows
    keep coming back to.

    Raises:
        UserError: ``DATA118`` when no table with a time refers to another.
    """
    pace = _liveliest(graph)
    if pace is None:
        raise UserError(
            "DATA118",
            "no question can be proposed: no table with a time refers to another table.",
            "write a query, or state a time column and links in weft.yaml.",
        )
    days = _horizon_days(pace)
    entity = f"{_name(pace.link.parent)}.{_name(pace.link.parent_columns[0])}"
    rows, via = _name(pace.link.table), _via(graph, pace.link)
    recent = f"WHERE COUNT({rows}.*{via}, -{3 * days}, 0, days) > 0"
    texts = [f"PREDICT COUNT({rows}.*{via}, 0, {days}, days) = 0 FOR EACH {entity} {recent}"]
    number = _number_column(graph, pace.link.table)
    if number is not None:
        how = "SUM" if _SUMMED.search(number) else "AVG"
        texts.append(
            f"PREDICT {how}({rows}.{_name(number)}{via}, 0, {days}, days) FOR EACH {entity} {recent}"
        )
    item = _item_column(graph, pace.link)
    if item is not None:
        texts.append(
            f"PREDICT LIST_DISTINCT({rows}.{_name(item)}{via}, 0, {days}, days) RANK TOP 12 FOR EACH {entity}"
        )
    texts.append(f"PREDICT COUNT({rows}.*{via}, 0, {days}, days) FOR EACH {entity} {recent}")
    return [compile_query(text, graph.schema).canonical for text in texts[:3]]


def _liveliest(graph: Graph) -> Pace | None:
    """The link whose parents live long compared with the data and have many rows."""
    paces = []
    with open_outputs(graph) as tables:
        for link in graph.schema.links:
            parent = graph.schema.table(link.parent)
            if parent.primary_key == link.parent_columns and len(parent.primary_key) == 1:
                pace = measure_pace(tables, link)
                if pace is not None and pace.gap_us and pace.span_us > 0:
                    paces.append(pace)
    return max(paces, key=_liveliness, default=None)


def _liveliness(pace: Pace) -> float:
    """Rows that come back: long lives, several rows each, many parents."""
    share = min(1.0, pace.life_us / pace.span_us)
    per_parent = pace.rows / pace.parents
    return float(share * min(per_parent, 20.0) * min(pace.parents, 1000) ** 0.5 * pace.rows**0.25)


def _horizon_days(pace: Pace) -> int:
    fitting = [d for d in _HORIZON_DAYS if d * MICROSECONDS_PER_DAY * _MIN_HORIZONS <= pace.span_us]
    if not fitting:
        return _HORIZON_DAYS[0]
    for days in fitting:
        if days * MICROSECONDS_PER_DAY >= (pace.gap_us or 0):
            return days
    return fitting[-1]


def _via(graph: Graph, link: Link) -> str:
    same = [k for k in graph.schema.links_from(link.table) if k.parent == link.parent]
    return f" VIA {_name(link.table)}.{_name(link.columns[0])}" if len(same) > 1 else ""


def _number_column(graph: Graph, table: str) -> str | None:
    numbers = [c.name for c in graph.schema.table(table).columns if c.stype is Stype.NUMERICAL]
    statistics = graph.profile.table(table)
    numbers = [n for n in numbers if statistics.column(n).null_rate < 0.5]
    named = [n for n in numbers if _SUMMED.search(n)]
    if named:
        return named[0]
    return max(numbers, key=lambda n: statistics.column(n).distinct, default=None)


def _item_column(graph: Graph, link: Link) -> str | None:
    for other in graph.schema.links_from(link.table):
        parent = graph.schema.table(other.parent)
        rows = graph.profile.table(other.parent).num_rows
        single = len(other.columns) == 1 and len(parent.primary_key) == 1
        if single and other.parent != link.parent and rows >= 20:
            return other.columns[0]
    return None


def _name(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    return "`" + name.replace("`", "``") + "`"
