"""PQL053: how many RANK TOP k may ask for."""

from __future__ import annotations

from weft.pql.printer import format_constant
from weft.pql.scope import Scope
from weft.pql.syntax import Constant

CODE = "PQL053"
MAX_TOP = 1000


def check_rank_count(scope: Scope, count: Constant) -> None:
    """Refuse a k that is not a whole number from 1 to 1,000."""
    if not isinstance(count.value, int) or not 1 <= count.value <= MAX_TOP:
        raise scope.fault(
            CODE,
            count.span,
            f"RANK TOP {format_constant(count)} is out of range.",
            f"write a whole number from 1 to {MAX_TOP:,}.",
        )
