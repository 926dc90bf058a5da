"""Text to syntax tree, by the LALR(1) grammar in ``grammar.lark``."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from importlib import resources
from typing import Any

from weft.core import UserError, parse_time
from weft.pql.faults import fault
from weft.pql.query import Answer, Mode, Span
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
    TextTest,
    UnitName,
    WindowTerm,
    depth,
)
from weft.pql.syntax_errors import explain_character, explain_token

MAX_DEPTH = 100
_NAMES = re.compile(r"`((?:[^`]|``)+)`|(\*)|(\w+)")
_OPERATORS = {"==": "=", "<>": "!="}
_UNITS = ("second", "minute", "hour", "day", "week", "month", "year")
_MAX_INTEGER = 2**63 - 1


def parse(text: str) -> Statement:
    """Read one statement.

    Raises:
        UserError: ``PQL001`` to ``PQL005``: the text is not a statement of the language. The error points
            at the place.
    """
    import lark

    try:
        parts: dict[str, Any] = _grammar().parse(text)
    except lark.UnexpectedToken as error:
        raise explain_token(text, error) from None
    except lark.UnexpectedCharacters as error:
        raise explain_character(text, error.pos_in_stream) from None
    except _BadConstant as bad:
        raise fault("PQL005", text, bad.span, bad.message, bad.hint) from None
    statement = Statement(**parts, text=text)
    if depth(statement) > MAX_DEPTH:
        raise fault(
            "PQL004",
            text,
            Span(0, len(text)),
            f"the query nests conditions or sums more than {MAX_DEPTH} deep.",
            "write a long list of alternatives with IN, or split the query.",
        )
    return statement


class _BadConstant(Exception):
    """A constant that has the right form and no meaning."""

    def __init__(self, span: Span, message: str, hint: str) -> None:
        super().__init__(message)
        self.span, self.message, self.hint = span, message, hint


@functools.cache
def _grammar() -> Any:
    import lark

    text = resources.files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    return lark.Lark(
        text,
        parser="lalr",
        start="statement",
        keep_all_tokens=True,
        maybe_placeholders=False,
        transformer=_Builder(),
    )


class _Builder:
    """One method for each rule of the grammar: its parts in, a node out."""

    def statement(self, parts: list[Any]) -> dict[str, Any]:
        clauses: dict[str, Any] = dict(p for p in parts if isinstance(p, tuple))
        first = _words(parts)[0]
        return {
            "mode": Mode.PREDICT if first == "PREDICT" else Mode(first),
            "target": parts[_index(parts, "PREDICT") + 1],
            "answer": next((p for p in parts if isinstance(p, AnswerTerm)), None),
            "entity": next(p for p in parts if isinstance(p, EntityTerm)),
            "where": clauses.get("WHERE"),
            "assuming": clauses.get("ASSUMING"),
        }

    def answer(self, parts: list[Any]) -> AnswerTerm:
        kind = Answer(_words(parts)[0])
        count = next((p for p in parts if isinstance(p, Constant)), None)
        return AnswerTerm(kind, None if kind is Answer.CLASSIFY else count, span=_spanning(parts))

    def entity(self, parts: list[Any]) -> EntityTerm:
        column = next(p for p in parts if getattr(p, "type", "") == "COLUMN")
        values = tuple(p for p in parts if isinstance(p, Constant))
        return EntityTerm(_column_name(column), values or None, span=_spanning(parts))

    def where(self, parts: list[Any]) -> tuple[str, Any]:
        return "WHERE", parts[1]

    def assuming(self, parts: list[Any]) -> tuple[str, Any]:
        return "ASSUMING", parts[1]

    def disjunction(self, parts: list[Any]) -> Disjunction:
        return Disjunction(tuple(parts[::2]), span=_spanning(parts))

    def conjunction(self, parts: list[Any]) -> Conjunction:
        return Conjunction(tuple(parts[::2]), span=_spanning(parts))

    def negation(self, parts: list[Any]) -> Negation:
        return Negation(parts[1], span=_spanning(parts))

    def comparison(self, parts: list[Any]) -> ComparisonTerm:
        op = str(parts[1])
        return ComparisonTerm(_OPERATORS.get(op, op), parts[0], parts[2], span=_spanning(parts))

    def null_test(self, parts: list[Any]) -> NullTest:
        return NullTest(parts[0], "NOT" in _words(parts), span=_spanning(parts))

    def membership(self, parts: list[Any]) -> Membership:
        values = tuple(p for p in parts[_index(parts, "IN") :] if isinstance(p, Constant))
        return Membership(parts[0], values, "NOT" in _words(parts), span=_spanning(parts))

    def range(self, parts: list[Any]) -> Range:
        return Range(parts[0], parts[-3], parts[-1], "NOT" in _words(parts), span=_spanning(parts))

    def text_test(self, parts: list[Any]) -> TextTest:
        words = _words(parts)
        word = next(
            w for w, p in zip(words, parts, strict=True) if getattr(p, "type", "") in ("TEXT_TEST", "SIDE")
        )
        is_negated = ("NOT" in words) != word.startswith("NOT_")
        op = word.removeprefix("NOT_").removesuffix("_WITH")
        return TextTest(op, parts[0], parts[-1], is_negated, span=_spanning(parts))

    def arithmetic(self, parts: list[Any]) -> ArithmeticTerm:
        return ArithmeticTerm(str(parts[1]), parts[0], parts[2], span=_spanning(parts))

    def group(self, parts: list[Any]) -> Any:
        return parts[1]

    def column(self, parts: list[Any]) -> ColumnTerm:
        first, *via = (_column_name(p) for p in parts if p.type == "COLUMN")
        return ColumnTerm(first, tuple(via), span=_spanning(parts))

    def aggregate(self, parts: list[Any]) -> AggregateTerm:
        name = parts[0]
        where, window = _inside(parts)
        return AggregateTerm(
            name.upper(), parts[2], where, window, span=_spanning(parts), name_span=_spanning([name])
        )

    def exists(self, parts: list[Any]) -> ExistsTerm:
        return ExistsTerm(parts[2], *_inside(parts), span=_spanning(parts))

    def window(self, parts: list[Any]) -> WindowTerm:
        unit = UnitName("days", span=_spanning(parts))
        if len(parts) == 5:
            name = parts[4].lower()
            unit = UnitName(f"{name}s" if name in _UNITS else name, span=_spanning(parts[4:]))
        return WindowTerm(parts[0], parts[2], unit, span=_spanning(parts))

    def signed(self, parts: list[Any]) -> Constant:
        span = _spanning(parts)
        text = str(parts[-1])
        sign = -1 if len(parts) == 2 else 1
        if text.isdecimal():
            value: int | float = sign * int(text) if len(text) < 30 else sign * (_MAX_INTEGER + 2)
            if abs(value) > _MAX_INTEGER:
                raise _BadConstant(span, "the number does not fit into 64 bits.", "write a smaller number.")
            return Constant(ConstantKind.NUMBER, value, span=span)
        value = sign * float(text)
        if math.isinf(value):
            raise _BadConstant(span, f"the number {text} is too large.", "write a smaller number.")
        return Constant(ConstantKind.NUMBER, value, span=span)

    def constant(self, parts: list[Any]) -> Constant:
        part = parts[0]
        return part if isinstance(part, Constant) else _CONSTANTS[part.type](str(part), _spanning(parts))


def _inside(parts: list[Any]) -> tuple[Any, Any]:
    where = next((p[1] for p in parts if isinstance(p, tuple)), None)
    return where, next((p for p in parts if isinstance(p, WindowTerm)), None)


def _read_time(text: str, span: Span) -> Constant:
    try:
        return Constant(ConstantKind.TIME, parse_time(" ".join(text.upper().split())), span=span)
    except UserError as error:
        raise _BadConstant(span, error.message, error.hint) from None


_CONSTANTS: dict[str, Callable[[str, Span], Constant]] = {
    "TEXT": lambda text, span: Constant(
        ConstantKind.TEXT, text[1:-1].replace(text[0] * 2, text[0]), span=span
    ),
    "TIME": _read_time,
    "TRUE": lambda text, span: Constant(ConstantKind.TRUTH, True, span=span),
    "FALSE": lambda text, span: Constant(ConstantKind.TRUTH, False, span=span),
    "NULL": lambda text, span: Constant(ConstantKind.NULL, None, span=span),
    "INFINITY": lambda text, span: Constant(ConstantKind.INFINITY, -1 if text[0] == "-" else 1, span=span),
}


def _column_name(token: Any) -> ColumnName:
    span = _spanning([token])
    table, column = (m for m in _NAMES.finditer(token))
    return ColumnName(_unquote(table), None if column[2] else _unquote(column), span=span)


def _unquote(match: re.Match[str]) -> str:
    return match[3] or match[1].replace("``", "`")


def _words(parts: list[Any]) -> list[str]:
    return [p.upper() if hasattr(p, "start_pos") else "" for p in parts]


def _index(parts: list[Any], word: str) -> int:
    return _words(parts).index(word)


def _spanning(parts: list[Any]) -> Span:
    """Return the range from the first part to the last: tokens and nodes."""
    first, last = parts[0], parts[-1]
    start = first.start_pos if hasattr(first, "start_pos") else first.span.start
    stop = last.end_pos if hasattr(last, "end_pos") else last.span.stop
    return Span(start, stop)
