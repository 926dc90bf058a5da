"""PQL046: LIKE, CONTAINS, STARTS WITH and ENDS WITH work on text."""

from __future__ import annotations

from weft.core import Dtype, Stype
from weft.pql.printer import format_constant, format_term
from weft.pql.query import ColumnValue, Expression
from weft.pql.scope import Scope
from weft.pql.syntax import ConstantKind, TextTest
from weft.pql.tree import dtype_of

CODE = "PQL046"


def check_text_test(scope: Scope, term: TextTest, operand: Expression) -> str:
    """Refuse an operand or a constant that is not text; return the text to look for.

    A multicategorical column may hold numbers, so CONTAINS takes them there.
    """
    words = f"{term.op} WITH" if term.op in ("STARTS", "ENDS") else term.op
    if dtype_of(operand) is not Dtype.STRING:
        message = f"{words} works on text, and {format_term(term.operand)} is not text."
        raise scope.fault(CODE, term.operand.span, message, "compare it with =, <, > or IN instead.")
    constant = term.constant
    if constant.kind is ConstantKind.TEXT:
        return str(constant.value)
    is_set = isinstance(operand, ColumnValue) and operand.stype is Stype.MULTICATEGORICAL
    if is_set and term.op == "CONTAINS" and constant.kind is ConstantKind.NUMBER:
        return format_constant(constant)
    shown = format_constant(constant)
    raise scope.fault(
        CODE, constant.span, f"{words} needs a text, and {shown} is none.", f"write it in quotes: '{shown}'."
    )
