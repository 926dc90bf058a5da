"""PQL030: an aggregate over a table with a time needs a window."""

from __future__ import annotations

from weft.pql.paths import has_time
from weft.pql.query import Span
from weft.pql.scope import Clause, Scope
from weft.pql.syntax import WindowTerm

CODE = "PQL030"


def check_window_given(scope: Scope, table: str, window: WindowTerm | None, span: Span) -> None:
    """Refuse an aggregate without a window over rows that have a time."""
    if window is not None or not has_time(scope.schema, table):
        return
    example = "-30, 0, days" if scope.clause is Clause.WHERE else "0, 30, days"
    hint = f"add start, end and unit, as in {example}."
    if scope.clause is Clause.WHERE:
        hint = f"add start, end and unit, as in {example}, or -INF, 0 for the whole past."
    raise scope.fault(
        CODE, span, f"table '{table}' has a time, so an aggregate over it needs a window.", hint
    )
