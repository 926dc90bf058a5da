"""PQL050: LIST_DISTINCT needs CLASSIFY or RANK TOP k."""

from __future__ import annotations

from weft.pql.query import Aggregate, AggregateName, Answer, Condition, Expression, Span
from weft.pql.scope import Scope

CODE = "PQL050"


def is_list(target: Expression | Condition) -> bool:
    """Whether the target is a set of values for each entity."""
    return isinstance(target, Aggregate) and target.name is AggregateName.LIST_DISTINCT


def check_list_answered(
    scope: Scope, target: Expression | Condition, answer: Answer | None, span: Span
) -> None:
    """Refuse a target of many values that does not say how it is answered."""
    if is_list(target) and answer not in (Answer.CLASSIFY, Answer.RANK):
        raise scope.fault(
            CODE,
            span,
            "LIST_DISTINCT gives several values for each entity, and the query does not say how to answer.",
            "add CLASSIFY for a probability of every value, or RANK TOP k for the k likeliest.",
        )
