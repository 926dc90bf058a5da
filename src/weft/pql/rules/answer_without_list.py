"""PQL051: CLASSIFY and RANK are for targets of several values."""

from __future__ import annotations

from weft.pql.query import Answer, Condition, Expression
from weft.pql.rules.list_without_answer import is_list
from weft.pql.scope import Scope
from weft.pql.syntax import AnswerTerm
from weft.pql.tree import is_condition

CODE = "PQL051"


def check_answer_fits(scope: Scope, target: Expression | Condition, answer: AnswerTerm) -> None:
    """Refuse CLASSIFY and RANK on anything but LIST_DISTINCT."""
    if answer.kind is Answer.FORECAST or is_list(target):
        return
    what = "a condition" if is_condition(target) else "one value for each entity"
    raise scope.fault(
        CODE,
        answer.span,
        f"{answer.kind.value} is for LIST_DISTINCT, and this target is {what}.",
        f"leave out {answer.kind.value}, or list values with LIST_DISTINCT.",
    )
