"""The syntax tree back to text: one canonical form for each meaning."""

from __future__ import annotations

import re

from weft.core import format_time
from weft.pql.query import Answer, Mode
from weft.pql.syntax import (
    AggregateTerm,
    AnswerTerm,
    ArithmeticTerm,
    ColumnName,
    ColumnTerm,
    ComparisonTerm,
    Conjunction,
    Constant,
    ConstantKind,
    Disjunction,
    EntityTerm,
    ExistsTerm,
    Membership,
    Negation,
    NullTest,
    Range,
    Statement,
    Term,
    TextTest,
    WindowTerm,
)

_PLAIN_TABLE = re.compile(r"[^\W\d]\w*")
_PLAIN_COLUMN = re.compile(r"\w+")
_OR, _AND, _NOT, _PREDICATE, _SUM, _PRODUCT, _ATOM = range(7)


def format_statement(statement: Statement) -> str:
    """Write a statement on one line: keywords in capitals, the unit spelled out, no needless parentheses.

    Parsing the result gives an equal tree.
    """
    parts = [] if statement.mode is Mode.PREDICT else [statement.mode.value]
    parts.append(f"PREDICT {format_term(statement.target)}")
    if statement.answer:
        parts.append(_format_answer(statement.answer))
    parts.append(_format_entity(statement.entity))
    if statement.where:
        parts.append(f"WHERE {format_term(statement.where)}")
    if statement.assuming:
        parts.append(f"ASSUMING {format_term(statement.assuming)}")
    return " ".join(parts)


def format_term(term: Term) -> str:
    """Write one condition or value."""
    return _format(term, _OR)


def format_column(name: ColumnName) -> str:
    """Write ``table.column``, back-quoted where a name is not a plain word."""
    column = "*" if name.column is None else quote_name(name.column, _PLAIN_COLUMN)
    return f"{quote_name(name.table)}.{column}"


def quote_name(name: str, plain: re.Pattern[str] = _PLAIN_TABLE) -> str:
    """Write a name, in back-quotes unless it matches ``plain``."""
    return name if plain.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def format_constant(constant: Constant) -> str:
    """Write a constant as the language reads it."""
    value = constant.value
    if constant.kind is ConstantKind.TEXT:
        return "'" + str(value).replace("'", "''") + "'"
    if constant.kind is ConstantKind.TIME:
        return format_time(value)  # type: ignore[arg-type]
    if constant.kind is ConstantKind.INFINITY:
        return "-INF" if value == -1 else "INF"
    if constant.kind is ConstantKind.NUMBER:
        return repr(value)
    return "NULL" if value is None else str(value).upper()


def _format_answer(answer: AnswerTerm) -> str:
    if answer.count is None:
        return answer.kind.value
    count = format_constant(answer.count)
    return f"RANK TOP {count}" if answer.kind is Answer.RANK else f"FORECAST {count} TIMEFRAMES"


def _format_entity(entity: EntityTerm) -> str:
    text = f"FOR EACH {format_column(entity.column)}"
    if entity.values is None:
        return text
    if len(entity.values) == 1:
        return f"{text} = {format_constant(entity.values[0])}"
    return f"{text} IN {_format_list(entity.values)}"


def _format_list(values: tuple[Constant, ...]) -> str:
    return f"({', '.join(map(format_constant, values))})"


def _format(term: Term, level: int) -> str:
    own, text = _PRINTERS[type(term)](term)
    return text if own >= level else f"({text})"


def _print_operation(term: ArithmeticTerm) -> tuple[int, str]:
    level = _SUM if term.op in "+-" else _PRODUCT
    return level, f"{_format(term.left, level)} {term.op} {_format(term.right, level + 1)}"


def _print_comparison(term: ComparisonTerm) -> tuple[int, str]:
    return _PREDICATE, f"{_format(term.left, _SUM)} {term.op} {_format(term.right, _SUM)}"


def _print_null_test(term: NullTest) -> tuple[int, str]:
    return _PREDICATE, f"{_format(term.operand, _SUM)} IS {'NOT ' * term.is_negated}NULL"


def _print_membership(term: Membership) -> tuple[int, str]:
    operand = _format(term.operand, _SUM)
    return _PREDICATE, f"{operand} {'NOT ' * term.is_negated}IN {_format_list(term.values)}"


def _print_range(term: Range) -> tuple[int, str]:
    operand, low, high = (_format(t, _SUM) for t in (term.operand, term.low, term.high))
    return _PREDICATE, f"{operand} {'NOT ' * term.is_negated}BETWEEN {low} AND {high}"


def _print_text_test(term: TextTest) -> tuple[int, str]:
    op = f"{term.op} WITH" if term.op in ("STARTS", "ENDS") else term.op
    operand = _format(term.operand, _SUM)
    return _PREDICATE, f"{operand} {'NOT ' * term.is_negated}{op} {format_constant(term.constant)}"


def _print_negation(term: Negation) -> tuple[int, str]:
    return _NOT, f"NOT {_format(term.operand, _NOT)}"


def _print_conjunction(term: Conjunction) -> tuple[int, str]:
    return _AND, " AND ".join(_format(t, _NOT) for t in term.operands)


def _print_disjunction(term: Disjunction) -> tuple[int, str]:
    return _OR, " OR ".join(_format(t, _AND) for t in term.operands)


def _print_column(term: ColumnTerm) -> tuple[int, str]:
    text = format_column(term.name)
    return _ATOM, f"{text} VIA {', '.join(map(format_column, term.via))}" if term.via else text


def _print_aggregate(term: AggregateTerm) -> tuple[int, str]:
    inside = _inside(_format(term.argument, _SUM), term.where, term.window)
    return _ATOM, f"{term.name}({inside})"


def _print_exists(term: ExistsTerm) -> tuple[int, str]:
    return _ATOM, f"EXISTS({_inside(_format(term.argument, _SUM), term.where, term.window)})"


def _inside(argument: str, where: Term | None, window: WindowTerm | None) -> str:
    text = f"{argument} WHERE {format_term(where)}" if where else argument
    if window is None:
        return text
    return f"{text}, {format_constant(window.start)}, {format_constant(window.end)}, {window.unit.text}"


_PRINTERS = {
    Constant: lambda term: (_ATOM, format_constant(term)),
    ColumnTerm: _print_column,
    AggregateTerm: _print_aggregate,
    ExistsTerm: _print_exists,
    ArithmeticTerm: _print_operation,
    ComparisonTerm: _print_comparison,
    NullTest: _print_null_test,
    Membership: _print_membership,
    Range: _print_range,
    TextTest: _print_text_test,
    Negation: _print_negation,
    Conjunction: _print_conjunction,
    Disjunction: _print_disjunction,
}
