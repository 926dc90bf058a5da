"""PQL061: the target is the key of the entity, which is known."""

from __future__ import annotations

from weft.pql.query import Aggregate, ColumnValue, Condition, Expression
from weft.pql.scope import Scope
from weft.pql.syntax import Statement
from weft.pql.tree import aggregates_in, columns_in

CODE = "PQL061"


def check_target_not_key(scope: Scope, statement: Statement, target: Expression | Condition) -> None:
    """Refuse a target made from the entity's key, or from the foreign key that joins to it."""
    key = statement.entity.column
    for column in columns_in(target):
        if (column.table, column.column) == (key.table, key.column) and not column.path:
            raise _fault(scope, statement, column)
    for aggregate in aggregates_in(target):
        if aggregate.column is not None and _is_join_key(aggregate):
            raise _fault(scope, statement, aggregate.column)


def _is_join_key(aggregate: Aggregate) -> bool:
    from weft.pql.query import AggregateName

    assert aggregate.column is not None
    if aggregate.name is AggregateName.COUNT or len(aggregate.path) != 1:
        return False
    return aggregate.path[0].columns == (aggregate.column.column,)


def _fault(scope: Scope, statement: Statement, column: ColumnValue) -> Exception:
    key = statement.entity.column
    text = f"{column.table}.{column.column}"
    return scope.fault(
        CODE,
        column.span or statement.target.span,
        f"{text} is the key of the entity itself ({key.table}.{key.column}), so there is nothing to predict.",
        "choose another column as the target.",
    )
