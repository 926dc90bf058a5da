"""PQL062: a target of a type that is not predicted."""

from __future__ import annotations

from weft.core import Dtype, Stype
from weft.pql.query import Aggregate, ColumnValue, Condition, Expression
from weft.pql.scope import Scope
from weft.pql.syntax import Statement
from weft.pql.tree import dtype_of, is_condition

CODE = "PQL062"


def check_target_type(scope: Scope, statement: Statement, target: Expression | Condition) -> None:
    """Refuse timestamps, embeddings and free text as targets."""
    if is_condition(target):
        return
    what, hint = _refusal(target)  # type: ignore[arg-type]
    if what:
        raise scope.fault(
            CODE, statement.target.span, f"this target is {what}, which is not predicted.", hint
        )


def _refusal(target: Expression) -> tuple[str, str]:
    dtype = dtype_of(target)
    column = target.column if isinstance(target, Aggregate) else target
    if dtype is Dtype.TIMESTAMP:
        return "a timestamp", "predict whether it falls into a window, or compare it with a date."
    if dtype is Dtype.VECTOR:
        return "an embedding", "choose a numerical or categorical column."
    if dtype is Dtype.STRING and isinstance(column, ColumnValue) and column.stype is Stype.TEXT:
        place = f"tables.{column.table}.columns.{column.column}.stype"
        return "free text", f"where it holds categories, set {place} to categorical in weft.yaml."
    if dtype is Dtype.STRING and isinstance(column, ColumnValue) and column.stype is Stype.MULTICATEGORICAL:
        return "a list of categories", "test it for one of them with CONTAINS."
    return "", ""
