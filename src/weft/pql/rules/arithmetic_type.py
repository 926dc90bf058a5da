"""PQL043: arithmetic works on numbers."""

from __future__ import annotations

from weft.core import Dtype
from weft.pql.printer import format_term
from weft.pql.scope import Scope
from weft.pql.syntax import Term
from weft.pql.tree import NUMBERS

CODE = "PQL043"


def check_arithmetic(scope: Scope, term: Term, op: str, dtype: Dtype | None) -> None:
    """Refuse an operand that is not a number."""
    if dtype not in NUMBERS:
        raise scope.fault(
            CODE,
            term.span,
            f"'{op}' works on numbers, and {format_term(term)} is not one.",
            "use numerical columns, or aggregates that give numbers.",
        )
