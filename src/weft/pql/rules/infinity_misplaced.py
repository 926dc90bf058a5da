"""PQL035: -INF is the start of a window and nothing else."""

from __future__ import annotations

from weft.pql.query import Span
from weft.pql.scope import Scope
from weft.pql.syntax import Constant, ConstantKind, WindowTerm

CODE = "PQL035"


def check_infinity(scope: Scope, constant: Constant) -> None:
    """Refuse an infinity as a value."""
    if constant.kind is ConstantKind.INFINITY:
        raise _fault(scope, constant.span, "is no value")


def check_infinite_bounds(scope: Scope, window: WindowTerm) -> None:
    """Refuse an infinite end, and a start that is not -INF."""
    if window.end.kind is ConstantKind.INFINITY:
        raise _fault(scope, window.end.span, "cannot end a window")
    if window.start.kind is ConstantKind.INFINITY and window.start.value == 1:
        raise _fault(scope, window.start.span, "without a minus cannot start a window")


def _fault(scope: Scope, span: Span, why: str) -> Exception:
    hint = "write -INF only as the start of a window in WHERE, as in COUNT(orders.*, -INF, 0)."
    return scope.fault(CODE, span, f"infinity {why}.", hint)
