"""Aggregates: what they run over, in which window, and the type of what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from weft.core import Dtype, Offset, Stype, Unit
from weft.pql import rules
from weft.pql.columns import look_up, path_to_entity
from weft.pql.literals import coerce_constant
from weft.pql.printer import format_column
from weft.pql.query import (
    Aggregate,
    AggregateName,
    And,
    ColumnValue,
    Comparison,
    Condition,
    Literal,
    Span,
    TextMatch,
    Window,
)
from weft.pql.scope import Scope
from weft.pql.syntax import (
    AggregateTerm,
    ColumnName,
    ConstantKind,
    ExistsTerm,
    Term,
    TextTest,
    WindowTerm,
)

BindCondition = Callable[[Scope, Term], Condition]
_COUNTS = (AggregateName.COUNT, AggregateName.COUNT_DISTINCT)
_FLOATS = (AggregateName.AVG, AggregateName.STDDEV, AggregateName.MEDIAN)


def bind_aggregate(scope: Scope, term: AggregateTerm, bind_condition: BindCondition) -> Aggregate:
    """Bind ``NAME(table.column WHERE …, window)``."""
    name = rules.check_aggregate_name(scope, term)
    rules.check_not_nested(scope, term.span)
    argument = rules.check_argument(scope, term)
    rules.check_table(scope, argument.name)
    rules.check_star(scope, name, argument.name)
    column = None
    if argument.name.column is not None:
        found = look_up(scope, argument.name)
        column = ColumnValue(argument.name.table, found.name, (), found.dtype, found.stype, argument.span)
        rules.check_aggregate_type(scope, name, column)
    rules.check_ordered(scope, name, argument.name.table, term.span)
    return Aggregate(
        name=name,
        table=argument.name.table,
        column=column,
        path=path_to_entity(scope, argument.name.table, argument.via, argument.name.span),
        where=_bind_where(scope, argument.name, term.where, bind_condition),
        window=bind_window(scope, argument.name.table, term.window, term.span),
        dtype=_result_dtype(name, column),
        span=term.span,
    )


def bind_exists(scope: Scope, term: ExistsTerm, bind_condition: BindCondition) -> Comparison:
    """Bind ``EXISTS (table.* …)`` as a count above zero."""
    rules.check_exists_star(scope, term.argument)
    count = AggregateTerm("COUNT", term.argument, term.where, term.window, span=term.span)
    bound = bind_aggregate(scope, count, bind_condition)
    return Comparison(">", bound, Literal(0, Dtype.INT))


def bind_list_contains(scope: Scope, term: TextTest, bind_condition: BindCondition) -> Comparison:
    """Bind ``LIST_DISTINCT(t.c …) CONTAINS x`` as a count above zero of the rows where t.c is x."""
    assert isinstance(term.operand, AggregateTerm)
    listed = bind_aggregate(scope, term.operand, bind_condition)
    assert listed.column is not None
    rules.check_infinity(scope, term.constant)
    subject = format_column(ColumnName(listed.table, listed.column.column))
    value = coerce_constant(scope, term.constant, listed.dtype, subject)
    where: Condition = Comparison("=", listed.column, value)
    if listed.column.stype is Stype.MULTICATEGORICAL and value.value is not None:
        where = TextMatch("CONTAINS", listed.column, str(value.value))
    if listed.where is not None:
        where = And((listed.where, where))
    count = replace(listed, name=AggregateName.COUNT, column=None, where=where, dtype=Dtype.INT)
    return Comparison(">", count, Literal(0, Dtype.INT))


def bind_window(scope: Scope, table: str, term: WindowTerm | None, span: Span) -> Window | None:
    """Check a window and bind it; ``None`` where the table has no time and none is given."""
    rules.check_window_given(scope, table, term, span)
    if term is None:
        return None
    rules.check_window_has_time(scope, table, term)
    unit = Unit(rules.check_unit(scope, term.unit))
    rules.check_window_bounds(scope, term, unit)
    rules.check_window_order(scope, term)
    rules.check_window_side(scope, term)
    start = None
    if term.start.kind is not ConstantKind.INFINITY:
        start = Offset(int(term.start.value), unit)  # type: ignore[arg-type]
    return Window(start, Offset(int(term.end.value), unit))  # type: ignore[arg-type]


def _bind_where(
    scope: Scope, name: ColumnName, where: Term | None, bind_condition: BindCondition
) -> Condition | None:
    if where is None:
        return None
    return bind_condition(replace(scope, row_table=name.table, is_inside_aggregate=True), where)


def _result_dtype(name: AggregateName, column: ColumnValue | None) -> Dtype:
    if column is None or name in _COUNTS:
        return Dtype.INT
    return Dtype.FLOAT if name in _FLOATS else column.dtype
