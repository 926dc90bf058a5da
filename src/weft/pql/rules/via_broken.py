"""PQL022: the columns after VIA do not lead where they should."""

from __future__ import annotations

from weft.pql.faults import list_names
from weft.pql.paths import find_paths, follow, via_text
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
        raise scope.fault(CODE, span, message, _paths(scope, table, goal))


def _or(tables: set[str]) -> str:
    return " or ".join(f"'{t}'" for t in sorted(tables))


def _paths(scope: Scope, table: str, goal: str) -> str:
    paths = find_paths(scope.schema, table, goal)
    if not paths:
        return f"no foreign keys lead from {table} to {goal}; choose another table."
    return f"choose a path that leads there: {'; '.join(via_text(scope.schema, p) for p in paths)}."


def _choices(scope: Scope, tables: set[str]) -> str:
    links = [k for t in sorted(tables) for k in scope.schema.links_from(t)]
    if not links:
        return f"table {_or(tables)} has no foreign key, so the path ends there."
    return f"choose one of {list_names(via_text(scope.schema, (k,)).removeprefix('VIA ') for k in links)}."
