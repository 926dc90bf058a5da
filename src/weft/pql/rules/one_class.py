"""PQL070: a classification whose labels are all the same."""

from __future__ import annotations

from collections.abc import Mapping

from weft.core import TaskType
from weft.pql.faults import fault
from weft.pql.query import Query, Span

CODE = "PQL070"


def check_several_classes(query: Query, class_counts: Mapping[str, int], span: Span) -> None:
    """Refuse labels of one class or none; a multilabel or ranking task needs one value at least."""
    classes = [c for c, count in class_counts.items() if count > 0]
    needed = 2 if query.task.type in (TaskType.BINARY, TaskType.MULTICLASS) else 1
    if len(classes) >= needed:
        return
    if classes:
        found = f"all {class_counts[classes[0]]:,} labels are {classes[0]}"
    else:
        found = "no label has a value"
    raise fault(
        CODE,
        query.text,
        span,
        f"{found}, so there is nothing to learn.",
        "change the window or the condition of the target, or loosen WHERE and ASSUMING.",
    )
