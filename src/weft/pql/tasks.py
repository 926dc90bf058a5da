"""Which kind of machine-learning task a checked target states."""

from __future__ import annotations

from weft.core import Dtype, Offset, Schema, Stype, Task, TaskType
from weft.pql.query import Aggregate, AggregateName, Answer, ColumnValue, Condition, Expression
from weft.pql.syntax import AnswerTerm
from weft.pql.tree import aggregates_in, is_condition

_PICKS = (AggregateName.FIRST, AggregateName.LAST)


def infer_task(
    schema: Schema,
    entity_table: str,
    entity_column: str,
    target: Expression | Condition,
    answer: AnswerTerm | None,
) -> Task:
    """Infer the task of a target that has passed all rules."""
    kind = _task_type(schema, target, answer)
    count = None if answer is None or answer.count is None else int(answer.count.value)  # type: ignore[arg-type]
    item = _item_key(schema, target) if kind is TaskType.LINK_PREDICTION else (None, None)
    is_static = not any(a.window for a in aggregates_in(target))
    return Task(
        type=kind,
        entity_table=entity_table,
        entity_column=entity_column,
        is_static=is_static,
        item_table=item[0],
        item_column=item[1],
        top_k=count if answer and answer.kind is Answer.RANK else None,
        num_frames=count if answer and answer.kind is Answer.FORECAST else None,
        horizon=_horizon(target),
    )


def is_categorical(value: Expression | Condition) -> bool:
    """Whether the value is one of a set of classes rather than a quantity."""
    if isinstance(value, ColumnValue):
        return value.dtype is Dtype.STRING or value.stype in (Stype.CATEGORICAL, Stype.ID)
    if isinstance(value, Aggregate) and value.column is not None:
        picks_class = value.name in _PICKS and is_categorical(value.column)
        return picks_class or value.dtype is Dtype.STRING
    return False


def _task_type(schema: Schema, target: Expression | Condition, answer: AnswerTerm | None) -> TaskType:
    if answer is not None and answer.kind is Answer.CLASSIFY:
        return TaskType.MULTILABEL
    if answer is not None and answer.kind is Answer.RANK:
        has_items = _item_key(schema, target)[0] is not None
        return TaskType.LINK_PREDICTION if has_items else TaskType.MULTILABEL_RANKING
    if answer is not None:
        return TaskType.FORECASTING
    if is_condition(target):
        return TaskType.BINARY
    return TaskType.MULTICLASS if is_categorical(target) else TaskType.REGRESSION


def _item_key(schema: Schema, target: Expression | Condition) -> tuple[str | None, str | None]:
    """Return the table and key that a listed column refers to, where it is a foreign key."""
    if not isinstance(target, Aggregate) or target.column is None:
        return None, None
    for link in schema.links_from(target.table):
        if link.columns == (target.column.column,):
            return link.parent, link.parent_columns[0]
    return None, None


def _horizon(target: Expression | Condition) -> Offset | None:
    ends = [a.window.end for a in aggregates_in(target) if a.window]
    return max(ends, key=lambda end: end.nominal_us, default=None)
