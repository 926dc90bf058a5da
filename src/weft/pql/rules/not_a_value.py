"""PQL045: a condition stands where a value must stand."""

from __future__ import annotations

from weft.pql.scope import Scope
from weft.pql.syntax import Term

CODE = "PQL045"


def check_is_value(scope: Scope, term: Term, *, is_value: bool) -> None:
    """Refuse a condition inside a comparison, a sum or IS NULL."""
    if not is_value:
        raise scope.fault(
            CODE,
            term.span,
            "a value is needed here, and this is a condition.",
            "join conditions with AND, OR and NOT.",
        )
