"""PQL071: more classes than a classification is allowed to have."""

from __future__ import annotations

from collections.abc import Mapping

from weft.core import TaskType
from weft.pql.faults import fault
from weft.pql.query import Query, Span

CODE = "PQL071"
MAX_CLASSES = 1000


def check_class_number(query: Query, class_counts: Mapping[str, int], span: Span, max_classes: int) -> None:
    """Refuse a classification of more than ``max_classes`` classes; rankings have no limit."""
    if query.task.type not in (TaskType.MULTICLASS, TaskType.MULTILABEL):
        return
    if len(class_counts) > max_classes:
        raise fault(
            CODE,
            query.text,
            span,
            f"the target has {len(class_counts):,} classes, and {max_classes:,} are allowed.",
            "choose a coarser column, or rank values with LIST_DISTINCT(…) RANK TOP k.",
        )
