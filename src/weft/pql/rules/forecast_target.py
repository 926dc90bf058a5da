"""PQL052: FORECAST needs a number over a window."""

from __future__ import annotations

from weft.pql.query import Condition, Expression, Span
from weft.pql.scope import Scope
from weft.pql.tasks import is_categorical
from weft.pql.tree import NUMBERS, aggregates_in, dtype_of, is_condition

CODE = "PQL052"


def check_forecast(scope: Scope, target: Expression | Condition, span: Span) -> None:
    """Refuse to forecast conditions, categories and what has no window."""
    hint = "forecast a number over a window, as in SUM(orders.amount, 0, 7, days) FORECAST 4 TIMEFRAMES."
    if is_condition(target):
        raise scope.fault(CODE, span, "FORECAST needs a number, and this target is a condition.", hint)
    if is_categorical(target) or dtype_of(target) not in NUMBERS:  # type: ignore[arg-type, operator]
        raise scope.fault(CODE, span, "FORECAST needs a number, and this target is none.", hint)
    if not any(a.window for a in aggregates_in(target)):
        raise scope.fault(CODE, span, "FORECAST needs a window, and this target has none.", hint)
