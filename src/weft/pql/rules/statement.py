"""The rules that look at a whole statement, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Mapping

from weft.core import TaskType
from weft.pql.parser import parse
from weft.pql.query import Answer, Condition, Expression, Query, Span
from weft.pql.rules.answer_without_list import check_answer_fits
from weft.pql.rules.constant_target import check_target_not_constant
from weft.pql.rules.forecast_count import check_forecast_count
from weft.pql.rules.forecast_target import check_forecast
from weft.pql.rules.forecast_window import check_forecast_window
from weft.pql.rules.list_without_answer import check_list_answered
from weft.pql.rules.one_class import check_several_classes
from weft.pql.rules.rank_count import check_rank_count
from weft.pql.rules.target_is_key import check_target_not_key
from weft.pql.rules.target_type import check_target_type
from weft.pql.rules.too_many_classes import MAX_CLASSES, check_class_number
from weft.pql.scope import Scope
from weft.pql.syntax import AnswerTerm, Statement


def check_target(scope: Scope, statement: Statement, target: Expression | Condition) -> None:
    """Apply the rules about what can be predicted."""
    check_target_not_constant(scope, statement, target)
    check_target_not_key(scope, statement, target)
    check_list_answered(
        scope, target, statement.answer.kind if statement.answer else None, statement.target.span
    )
    if statement.answer is None:
        check_target_type(scope, statement, target)


def check_answer(scope: Scope, answer: AnswerTerm | None, span: Span, target: Expression | Condition) -> None:
    """Apply the rules about CLASSIFY, RANK and FORECAST."""
    if answer is None:
        return
    check_answer_fits(scope, target, answer)
    if answer.kind is Answer.RANK:
        assert answer.count is not None
        check_rank_count(scope, answer.count)
    if answer.kind is Answer.FORECAST:
        assert answer.count is not None
        check_forecast(scope, target, span)
        check_forecast_count(scope, answer.count)
        check_forecast_window(scope, target, int(answer.count.value), span)  # type: ignore[arg-type]


def check_classes(query: Query, class_counts: Mapping[str, int], max_classes: int = MAX_CLASSES) -> None:
    """Refuse labels that cannot be learned from, once they have been counted.

    Args:
        query: The checked query.
        class_counts: How many labels have each class; for a set of values, how many sets hold each.
        max_classes: How many classes a classification may have.

    Raises:
        UserError: ``PQL070`` when a classification has one class only (a ranking or multilabel task no
            value at all), ``PQL071`` when it has too many.
    """
    if query.task.type in (TaskType.REGRESSION, TaskType.FORECASTING):
        return
    span = parse(query.text).target.span
    check_several_classes(query, class_counts, span)
    check_class_number(query, class_counts, span, max_classes)
