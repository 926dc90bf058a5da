"""PQL056: the frames of FORECAST follow from one window that starts at the anchor."""

from __future__ import annotations

from weft.core import Offset, Unit
from weft.pql.query import Condition, Expression, Span
from weft.pql.rules.window_bound import MAX_YEARS
from weft.pql.scope import Scope
from weft.pql.tree import aggregates_in

CODE = "PQL056"


def check_forecast_window(scope: Scope, target: Expression | Condition, num_frames: int, span: Span) -> None:
    """Refuse windows that start later than 0, or differ, or whose frames end too far away."""
    windows = {a.window for a in aggregates_in(target) if a.window}
    if len(windows) > 1:
        message = "the windows of this target differ, so the frames of FORECAST are unclear."
        raise scope.fault(CODE, span, message, "give all aggregates of the target the same window.")
    window = windows.pop()
    if window.start is None or window.start.value != 0:
        message = f"the frames of FORECAST start at the anchor, and this window starts at {window.start}."
        raise scope.fault(CODE, span, message, "start the window at 0, as in 0, 7, days.")
    reach = Offset(window.end.value * num_frames, window.end.unit)
    if reach.nominal_us > Offset(MAX_YEARS, Unit.YEARS).nominal_us:
        message = f"{num_frames} frames of {window.end} end more than {MAX_YEARS} years ahead."
        raise scope.fault(CODE, span, message, "ask for fewer or shorter frames.")
