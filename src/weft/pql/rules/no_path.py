"""PQL020: no foreign keys lead from a table to the entity."""

from __future__ import annotations

from weft.pql.faults import list_names
from weft.pql.paths import Path, tables_below
from weft.pql.query import Span
from weft.pql.rules.several_paths import check_one_path
from weft.pql.scope import Scope

CODE = "PQL020"


def only_path(scope: Scope, table: str, goal: str, paths: tuple[Path, ...], span: Span) -> Path:
    """Return the one path there is; refuse none and several."""
    if paths:
        return check_one_path(scope, table, goal, paths, span)
    message = f"no foreign keys lead from table '{table}' to table '{goal}'."
    below = sorted(tables_below(scope.schema, goal) - {goal, table})
    if table == goal:
        message = f"no foreign key of table '{table}' leads back to it, so its rows cannot be aggregated."
    hint = f"tables that lead to {goal}: {list_names(below)}." if below else f"no table leads to {goal}."
    raise scope.fault(CODE, span, message, f"{hint} Declare a missing link in weft.yaml.")
