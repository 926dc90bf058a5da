"""PQL036: the bounds of a window are whole numbers of a sensible size."""

from __future__ import annotations

from weft.core import Offset, Unit
from weft.pql.printer import format_constant
from weft.pql.rules.infinity_misplaced import check_infinite_bounds
from weft.pql.scope import Scope
from weft.pql.syntax import Constant, ConstantKind, WindowTerm

CODE = "PQL036"
MAX_YEARS = 1000
_LONGEST_US = Offset(MAX_YEARS, Unit.YEARS).nominal_us


def check_window_bounds(scope: Scope, window: WindowTerm, unit: Unit) -> None:
    """Refuse bounds that are not whole numbers, or further away than a thousand years."""
    check_infinite_bounds(scope, window)
    for bound in (window.start, window.end):
        if bound.kind is not ConstantKind.INFINITY:
            _check_bound(scope, bound, unit)


def _check_bound(scope: Scope, bound: Constant, unit: Unit) -> None:
    text = format_constant(bound)
    if not isinstance(bound.value, int):
        hint = "write a whole number, if need be of a smaller unit, such as 36, hours."
        raise scope.fault(CODE, bound.span, f"{text} is not a whole number of {unit.value}.", hint)
    if abs(Offset(bound.value, unit).nominal_us) > _LONGEST_US:
        message = f"{text} {unit.value} is further away than {MAX_YEARS} years."
        raise scope.fault(CODE, bound.span, message, "write a smaller number, or -INF for the whole past.")
