"""PQL054: how many frames FORECAST may ask for."""

from __future__ import annotations

from weft.pql.printer import format_constant
from weft.pql.scope import Scope
from weft.pql.syntax import Constant

CODE = "PQL054"
MAX_FRAMES = 1000


def check_forecast_count(scope: Scope, count: Constant) -> None:
    """Refuse an n that is not a whole number from 1 to 1,000."""
    if not isinstance(count.value, int) or not 1 <= count.value <= MAX_FRAMES:
        raise scope.fault(
            CODE,
            count.span,
            f"FORECAST {format_constant(count)} TIMEFRAMES is out of range.",
            f"write a whole number from 1 to {MAX_FRAMES:,}.",
        )
