"""PQL031: a window whose start is not before its end."""

from __future__ import annotations

from weft.pql.printer import format_constant
from weft.pql.scope import Scope
from weft.pql.syntax import ConstantKind, WindowTerm

CODE = "PQL031"


def check_window_order(scope: Scope, window: WindowTerm) -> None:
    """Refuse an empty or reversed window."""
    if window.start.kind is ConstantKind.INFINITY:
        return
    start, end = window.start.value, window.end.value
    if start < end:  # type: ignore[operator]
        return
    texts = format_constant(window.start), format_constant(window.end)
    hint = f"swap them: {texts[1]}, {texts[0]}." if start != end else "write an end that is after the start."
    message = f"the window from {texts[0]} to {texts[1]} {window.unit.text} holds no time."
    raise scope.fault(CODE, window.span, message, hint)
