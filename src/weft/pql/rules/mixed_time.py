"""PQL060: a query is about the future or static, not both."""

from __future__ import annotations

from weft.pql.query import Aggregate, ColumnValue, Condition, Expression, Span
from weft.pql.scope import Scope
from weft.pql.syntax import Statement
from weft.pql.tree import aggregates_in, columns_in

CODE = "PQL060"


def check_times(
    scope: Scope,
    statement: Statement,
    target: Expression | Condition,
    where: Condition | None,
    assuming: Condition | None,
) -> None:
    """Refuse a target that mixes both, and windows around the anchor of a target that has none."""
    windowed = [a for a in aggregates_in(target) if a.window]
    timeless = [a for a in aggregates_in(target) if not a.window]
    static: list[ColumnValue | Aggregate] = [*columns_in(target), *timeless]
    if windowed and static:
        first = min(static, key=lambda node: node.span.start if node.span else 0)
        raise scope.fault(
            CODE,
            first.span or statement.target.span,
            "the target mixes a window of the future with a value that has no time.",
            f"{_remedy(first)} put conditions on what is known at the anchor after WHERE.",
        )
    if windowed:
        return
    for clause, name in ((where, "WHERE"), (assuming, "ASSUMING")):
        for aggregate in aggregates_in(clause):
            if aggregate.window:
                raise scope.fault(
                    CODE,
                    aggregate.span or Span(0, 0),
                    f"the target has no window, so there is no anchor for this window of {name}.",
                    "leave out the condition, or give the target a window.",
                )


def _remedy(node: object) -> str:
    if isinstance(node, Aggregate):
        return "aggregate only tables with a time;"
    return "aggregate it over a window, as in LAST(table.column, 0, 30), or"
