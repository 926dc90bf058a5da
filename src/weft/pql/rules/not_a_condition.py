"""PQL044: a value stands where a condition must stand."""

from __future__ import annotations

from weft.core import Dtype
from weft.pql.printer import format_term
from weft.pql.scope import Scope
from weft.pql.syntax import Term

CODE = "PQL044"


def check_is_condition(scope: Scope, term: Term, dtype: Dtype | None) -> None:
    """Refuse a value that is not boolean where TRUE or FALSE is needed."""
    if dtype is not Dtype.BOOL:
        example = "> 0" if dtype in (Dtype.INT, Dtype.FLOAT) else "IS NOT NULL"
        text = format_term(term)
        shown = text if len(text) <= 60 else "this"
        raise scope.fault(
            CODE,
            term.span,
            f"a condition is needed here, and {shown} is a value.",
            f"compare it, as in {shown if shown != 'this' else '…'} {example}.",
        )
