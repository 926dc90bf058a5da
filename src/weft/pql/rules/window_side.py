"""PQL032: a window on the wrong side of the anchor."""

from __future__ import annotations

from weft.pql.scope import Clause, Scope
from weft.pql.syntax import ConstantKind, WindowTerm

CODE = "PQL032"


def check_window_side(scope: Scope, window: WindowTerm) -> None:
    """Refuse a target or ASSUMING that looks back, and a WHERE that looks ahead."""
    if scope.clause is Clause.WHERE:
        if window.end.value > 0:  # type: ignore[operator]
            raise scope.fault(
                CODE,
                window.end.span,
                f"this window in WHERE ends {window.end.value} {window.unit.text} after the anchor, "
                "where nothing is known yet.",
                "end it at 0 or before, as in -30, 0; conditions on the future belong after ASSUMING.",
            )
        return
    if window.start.kind is ConstantKind.INFINITY:
        begin = "in the endless past"
    elif window.start.value < 0:  # type: ignore[operator]
        begin = f"{abs(int(window.start.value))} {window.unit.text} before the anchor"  # type: ignore[arg-type]
    else:
        return
    subject = "the target" if scope.clause is Clause.TARGET else "ASSUMING"
    raise scope.fault(
        CODE,
        window.start.span,
        f"this window of {subject} starts {begin}, and {subject} is about the future.",
        "start it at 0 or later, as in 0, 30; conditions on the past belong after WHERE.",
    )
