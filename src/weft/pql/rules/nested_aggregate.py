"""PQL041: no aggregate inside another."""

from __future__ import annotations

from weft.core import UserError
from weft.pql.query import Span
from weft.pql.scope import Scope

CODE = "PQL041"


def check_not_nested(scope: Scope, span: Span) -> None:
    """Refuse an aggregate in the WHERE of another."""
    if scope.is_inside_aggregate:
        raise nested_fault(scope, span)


def nested_fault(scope: Scope, span: Span) -> UserError:
    """Make the error for an aggregate that stands inside another."""
    return scope.fault(
        CODE,
        span,
        "an aggregate stands inside another aggregate.",
        "use plain columns inside, and put conditions with aggregates after the WHERE of the statement.",
    )
