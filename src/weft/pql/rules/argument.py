"""PQL017: an aggregate takes one column."""

from __future__ import annotations

from weft.pql.rules.nested_aggregate import nested_fault
from weft.pql.scope import Scope
from weft.pql.syntax import AggregateTerm, ColumnTerm, ExistsTerm

CODE = "PQL017"


def check_argument(scope: Scope, term: AggregateTerm) -> ColumnTerm:
    """Refuse an aggregate of anything but a column."""
    argument = term.argument
    if isinstance(argument, ColumnTerm):
        return argument
    if isinstance(argument, (AggregateTerm, ExistsTerm)):
        raise nested_fault(scope, argument.span)
    raise scope.fault(
        CODE,
        argument.span,
        f"{term.name} takes one column, and this is an expression.",
        "combine aggregates instead, as in SUM(t.a, 0, 30) - SUM(t.b, 0, 30).",
    )
