"""PQL047: two sides of a comparison whose types have no order or equality in common."""

from __future__ import annotations

from weft.core import Dtype
from weft.pql.printer import format_term
from weft.pql.query import Span
from weft.pql.scope import Scope
from weft.pql.syntax import Constant, Term
from weft.pql.tree import NUMBERS

CODE = "PQL047"


def check_comparable(
    scope: Scope, terms: tuple[Term, Term], dtypes: tuple[Dtype | None, Dtype | None], span: Span
) -> None:
    """Refuse a comparison of a number with a text and the like."""
    for term, dtype in zip(terms, dtypes, strict=True):
        check_vector(scope, term, dtype)
    left, right = dtypes
    is_same = left is right or (left in NUMBERS and right in NUMBERS)
    if is_same or left is None or right is None:
        return
    names = [format_term(t) for t in terms]
    raise scope.fault(
        CODE,
        span,
        f"{names[0]} ({left.value}) and {names[1]} ({right.value}) cannot be compared.",
        "compare values of one type.",
    )


def check_vector(scope: Scope, term: Term, dtype: Dtype | None) -> None:
    """Refuse to compare embeddings."""
    if dtype is Dtype.VECTOR:
        message = f"{format_term(term)} is an embedding, and embeddings are not compared."
        raise scope.fault(CODE, term.span, message, "test it with IS NULL, or use another column.")


def check_not_constant(scope: Scope, term: Term) -> None:
    """Refuse a constant before IN."""
    if isinstance(term, Constant):
        message = f"{format_term(term)} before IN is a constant."
        raise scope.fault(CODE, term.span, message, "write a column or an aggregate before IN.")
