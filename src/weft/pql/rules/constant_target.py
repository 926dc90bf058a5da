"""PQL063: a target that names no column."""

from __future__ import annotations

from weft.pql.query import Condition, Expression
from weft.pql.scope import Scope
from weft.pql.syntax import Statement
from weft.pql.tree import aggregates_in, columns_in

CODE = "PQL063"


def check_target_not_constant(scope: Scope, statement: Statement, target: Expression | Condition) -> None:
    """Refuse a target of constants alone."""
    if not aggregates_in(target) and not columns_in(target):
        raise scope.fault(
            CODE,
            statement.target.span,
            "the target names no column, so it is the same for every entity.",
            "predict a column or an aggregate, as in COUNT(orders.*, 0, 30, days).",
        )
