"""PQL044: a value stands where a condition must stand."""

from __future__ import annotations

from weft.core import Dtype
from weft.pql.printer import format_term
from weft.pql.scope import Scope
from weft.pql.syntax import Constant, Term
from weft.pql.tree import NUMBERS

CODE = "PQL044"


def check_is_condition(scope: Scope, term: Term, dtype: Dtype | None) -> None:
    """Refuse a value that is not boolean where TRUE or FALSE is needed."""
    if dtype is Dtype.BOOL:
        return
    text = format_term(term)
    shown = text if len(text) <= 60 else "this"
    example = "> 0" if dtype in NUMBERS else "IS NOT NULL"
    hint = f"compare it, as in {shown if shown != 'this' else '…'} {example}."
    if isinstance(term, Constant):
        hint = "write a condition on a column, as in users.age > 30."
    raise scope.fault(CODE, term.span, f"a condition is needed here, and {shown} is a value.", hint)
