"""PQL055: LIST_DISTINCT is a whole target, or stands before CONTAINS."""

from __future__ import annotations

from weft.pql.query import AggregateName
from weft.pql.scope import Scope
from weft.pql.syntax import AggregateTerm

CODE = "PQL055"


def check_list_place(scope: Scope, term: AggregateTerm) -> None:
    """Refuse LIST_DISTINCT inside a sum, a comparison or a test other than CONTAINS."""
    if term.name == AggregateName.LIST_DISTINCT:
        raise scope.fault(
            CODE,
            term.span,
            "LIST_DISTINCT gives a set, which cannot be calculated with or compared.",
            "use COUNT_DISTINCT for its size, or LIST_DISTINCT(…) CONTAINS 'x' to look for a value.",
        )
