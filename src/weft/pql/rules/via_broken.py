"""PQL022: the columns after VIA do not lead where they should."""

from __future__ import annotations

from weft.pql.faults import list_names
from weft.pql.paths import follow, via_text
from weft.pql.printer import format_column
from weft.pql.query import Span
from weft.pql.scope import Scope
from weft.pql.syntax import ColumnName

CODE = "PQL022"


def check_via(scope: Scope, table: str, goal: str, via: tuple[ColumnName, ...]) -> None:
    """Refuse a VIA whose columns are not foreign keys that lead from ``table`` to ``goal``."""
    here = {table}
    for name in via:
        text = format_column(name)
        links = [k for k in scope.schema.links_from(name.table) if name.column in k.columns]
        if name.table not in here:
            message = f"{text} does not continue the path, which is at table {_or(here)}."
            raise scope.fault(CODE, name.span, message, _choices(scope, here))
        if not links:
            message = f"{text} is not a foreign key."
            raise scope.fault(CODE, name.span, message, _choices(scope, {name.table}))
        here = {k.parent for k in links}
    if not follow(scope.schema, table, goal, via):
        span = Span(via[0].span.start, via[-1].span.stop)
        message = f"the path after VIA leads to table {_or(here)}, not to table '{goal}'."
        raise scope.fault(CODE, span, message, _choices(scope, here, goal))


def _or(tables: set[str]) -> str:
    return " or ".join(f"'{t}'" for t in sorted(tables))


def _choices(scope: Scope, tables: set[str], goal: str = "") -> str:
    links = [k for t in sorted(tables) for k in scope.schema.links_from(t)]
    if not links:
        return "name only foreign keys, from the column's table to the goal."
    more = "continue with one of" if goal else "choose one of"
    return f"{more} {list_names(via_text(scope.schema, (k,)).removeprefix('VIA ') for k in links)}."
