"""PQL034: a window or an order in time over rows that have no time."""

from __future__ import annotations

from weft.pql.paths import has_time
from weft.pql.query import AggregateName, Span
from weft.pql.scope import Scope
from weft.pql.syntax import WindowTerm

CODE = "PQL034"


def check_window_has_time(scope: Scope, table: str, window: WindowTerm) -> None:
    """Refuse a window over a table without a time, of its own or of a parent's."""
    if not has_time(scope.schema, table):
        raise scope.fault(
            CODE,
            window.span,
            f"table '{table}' has no time column, and no table that it points to has one.",
            f"set tables.{table}.time_column in weft.yaml, or leave out the window.",
        )


def check_ordered(scope: Scope, name: AggregateName, table: str, span: Span) -> None:
    """Refuse FIRST and LAST over rows that have no order."""
    if name in (AggregateName.FIRST, AggregateName.LAST) and not has_time(scope.schema, table):
        raise scope.fault(
            CODE,
            span,
            f"{name.value} goes by time, and table '{table}' has no time column.",
            f"set tables.{table}.time_column in weft.yaml, or use MIN or MAX.",
        )
