"""Syntax tree and schema to checked query: names looked up, types and paths found, rules applied."""

from __future__ import annotations

from dataclasses import replace

from weft.core import Dtype, Schema
from weft.pql import rules
from weft.pql.aggregation import bind_aggregate, bind_exists, bind_list_contains
from weft.pql.columns import bind_column
from weft.pql.literals import coerce_constant, read_constant
from weft.pql.printer import format_statement, format_term
from weft.pql.query import (
    AggregateName,
    And,
    Arithmetic,
    Comparison,
    Condition,
    Expression,
    InList,
    IsNull,
    Literal,
    Not,
    Or,
    Query,
    Span,
    TextMatch,
)
from weft.pql.scope import Clause, Scope
from weft.pql.syntax import (
    AggregateTerm,
    ArithmeticTerm,
    ColumnTerm,
    ComparisonTerm,
    Conjunction,
    Constant,
    Disjunction,
    ExistsTerm,
    Membership,
    Negation,
    NullTest,
    Range,
    Statement,
    Term,
    TextTest,
)
from weft.pql.tasks import infer_task
from weft.pql.tree import dtype_of

_VALUES = (ColumnTerm, AggregateTerm, ArithmeticTerm, Constant)


def bind(statement: Statement, schema: Schema) -> Query:
    """Check a statement against a schema and resolve all its names.

    Raises:
        UserError: A rule of the language is broken; the code names the rule and the caret the place.
    """
    scope = Scope(statement.text, schema, Clause.TARGET, statement.entity.column.table, "")
    key = rules.check_entity(scope, statement.entity.column)
    scope = replace(scope, row_table=scope.entity_table)
    entities = None
    if statement.entity.values is not None:
        rules.check_entity_values(scope, statement.entity.values)
        subject = f"{scope.entity_table}.{key.name}"
        entities = tuple(coerce_constant(scope, v, key.dtype, subject) for v in statement.entity.values)
    target = bind_target(scope, statement.target)
    where = _bind_clause(replace(scope, clause=Clause.WHERE), statement.where)
    assuming = _bind_clause(replace(scope, clause=Clause.ASSUMING), statement.assuming)
    rules.check_target(scope, statement, target)
    rules.check_times(scope, statement, target, where, assuming)
    rules.check_answer(scope, statement.answer, statement.target.span, target)
    return Query(
        text=statement.text,
        canonical=format_statement(statement),
        mode=statement.mode,
        target=target,
        answer=statement.answer.kind if statement.answer else None,
        task=infer_task(schema, scope.entity_table, key.name, target, statement.answer),
        entities=entities,
        where=where,
        assuming=assuming,
    )


def bind_target(scope: Scope, term: Term) -> Expression | Condition:
    """Bind what follows PREDICT: a condition, or a value; a boolean value is a condition."""
    if not isinstance(term, _VALUES):
        return bind_condition(scope, term)
    if _is_list(term):
        return bind_aggregate(scope, term, bind_condition)  # type: ignore[arg-type]
    value = bind_value(scope, term)
    return _as_condition(value) if dtype_of(value) is Dtype.BOOL else value


def bind_condition(scope: Scope, term: Term) -> Condition:
    """Bind a term that must be TRUE, FALSE or undefined."""
    if isinstance(term, _VALUES):
        value = bind_value(scope, term)
        rules.check_is_condition(scope, term, dtype_of(value))
        return _as_condition(value)
    return _BINDERS[type(term)](scope, term)  # type: ignore[no-any-return, operator]


def bind_value(scope: Scope, term: Term) -> Expression:
    """Bind a term that must have a value."""
    rules.check_is_value(scope, term, is_value=isinstance(term, _VALUES))
    if isinstance(term, Constant):
        rules.check_infinity(scope, term)
        return read_constant(term)
    if isinstance(term, ColumnTerm):
        return bind_column(scope, term)
    if isinstance(term, ArithmeticTerm):
        return _bind_arithmetic(scope, term)
    assert isinstance(term, AggregateTerm)
    rules.check_list_place(scope, term)
    return bind_aggregate(scope, term, bind_condition)


def _bind_clause(scope: Scope, term: Term | None) -> Condition | None:
    return None if term is None else bind_condition(scope, term)


def _bind_arithmetic(scope: Scope, term: ArithmeticTerm) -> Arithmetic:
    sides = [bind_value(scope, side) for side in (term.left, term.right)]
    for side, syntax in zip(sides, (term.left, term.right), strict=True):
        rules.check_arithmetic(scope, syntax, term.op, dtype_of(side))
    return Arithmetic(term.op, *sides)


def _bind_comparison(scope: Scope, term: ComparisonTerm) -> Comparison:
    left, right = _bind_pair(scope, term.left, term.right, term.span)
    return Comparison(term.op, left, right)


def _bind_pair(scope: Scope, left: Term, right: Term, span: Span) -> tuple[Expression, Expression]:
    """Bind two sides that are compared, a constant as the type of the other side."""
    if isinstance(left, Constant) == isinstance(right, Constant):
        values = bind_value(scope, left), bind_value(scope, right)
        rules.check_comparable(scope, (left, right), (dtype_of(values[0]), dtype_of(values[1])), span)
        return values
    if isinstance(right, Constant):
        value = bind_value(scope, left)
        return value, _coerce(scope, right, value, left)
    value = bind_value(scope, right)
    return _coerce(scope, left, value, right), value  # type: ignore[arg-type]


def _coerce(scope: Scope, constant: Constant, value: Expression, term: Term) -> Literal:
    rules.check_infinity(scope, constant)
    dtype = dtype_of(value)
    rules.check_vector(scope, term, dtype)
    assert dtype is not None
    return coerce_constant(scope, constant, dtype, format_term(term))


def _bind_null_test(scope: Scope, term: NullTest) -> Condition:
    test = IsNull(bind_value(scope, term.operand))
    return Not(test) if term.is_negated else test


def _bind_membership(scope: Scope, term: Membership) -> Condition:
    value = bind_value(scope, term.operand)
    rules.check_not_constant(scope, term.operand)
    test = InList(value, tuple(_coerce(scope, v, value, term.operand) for v in term.values))
    return Not(test) if term.is_negated else test


def _bind_range(scope: Scope, term: Range) -> Condition:
    low = _bind_pair(scope, term.operand, term.low, term.span)
    high = _bind_pair(scope, term.operand, term.high, term.span)
    test = And((Comparison(">=", *low), Comparison("<=", *high)))
    return Not(test) if term.is_negated else test


def _bind_text_test(scope: Scope, term: TextTest) -> Condition:
    test: Condition
    if term.op == "CONTAINS" and _is_list(term.operand):
        test = bind_list_contains(scope, term, bind_condition)
    else:
        operand = bind_value(scope, term.operand)
        text = rules.check_text_test(scope, term, operand)
        test = TextMatch(term.op, operand, text)
    return Not(test) if term.is_negated else test


def _bind_negation(scope: Scope, term: Negation) -> Not:
    return Not(bind_condition(scope, term.operand))


def _bind_conjunction(scope: Scope, term: Conjunction) -> And:
    return And(tuple(bind_condition(scope, t) for t in term.operands))


def _bind_disjunction(scope: Scope, term: Disjunction) -> Or:
    return Or(tuple(bind_condition(scope, t) for t in term.operands))


def _bind_exists(scope: Scope, term: ExistsTerm) -> Comparison:
    return bind_exists(scope, term, bind_condition)


def _is_list(term: Term) -> bool:
    return isinstance(term, AggregateTerm) and term.name == AggregateName.LIST_DISTINCT


def _as_condition(value: Expression) -> Comparison:
    return Comparison("=", value, Literal(True, Dtype.BOOL))


_BINDERS = {
    ComparisonTerm: _bind_comparison,
    NullTest: _bind_null_test,
    Membership: _bind_membership,
    Range: _bind_range,
    TextTest: _bind_text_test,
    Negation: _bind_negation,
    Conjunction: _bind_conjunction,
    Disjunction: _bind_disjunction,
    ExistsTerm: _bind_exists,
}
