"""PQL042: a constant that has no meaning in the type that it is compared with."""

from __future__ import annotations

from weft.core import Dtype, UserError
from weft.pql.printer import format_constant
from weft.pql.rules.infinity_misplaced import check_infinity
from weft.pql.scope import Scope
from weft.pql.syntax import Constant, ConstantKind

CODE = "PQL042"
_TYPES = {
    Dtype.INT: "a number",
    Dtype.FLOAT: "a number",
    Dtype.BOOL: "boolean",
    Dtype.STRING: "text",
    Dtype.TIMESTAMP: "a timestamp",
}
_KINDS = {
    ConstantKind.NUMBER: "a number",
    ConstantKind.TEXT: "text",
    ConstantKind.TRUTH: "boolean",
    ConstantKind.TIME: "a date",
    ConstantKind.NULL: "NULL",
}


def constant_type_fault(scope: Scope, constant: Constant, dtype: Dtype, subject: str) -> UserError:
    """Make the error for a constant compared with ``subject`` of another type."""
    return scope.fault(
        CODE,
        constant.span,
        f"{subject} is {_TYPES[dtype]}, and {format_constant(constant)} is {_KINDS[constant.kind]}.",
        _hint(constant, dtype),
    )


def check_entity_values(scope: Scope, values: tuple[Constant, ...]) -> None:
    """Refuse NULL and infinity as the key of an entity."""
    for value in values:
        check_infinity(scope, value)
        if value.kind is ConstantKind.NULL:
            hint = "write the keys to predict for."
            raise scope.fault(CODE, value.span, "no entity has NULL as its key.", hint)


def _hint(constant: Constant, dtype: Dtype) -> str:
    text = str(constant.value)
    if dtype is Dtype.STRING:
        shown = format_constant(constant)
        return f"write it in quotes: '{shown}'."
    if dtype in (Dtype.INT, Dtype.FLOAT):
        is_quoted = constant.kind is ConstantKind.TEXT and _is_number(text)
        return f"write it without quotes: {text}." if is_quoted else "compare it with a number."
    if dtype is Dtype.BOOL:
        return "compare it with TRUE or FALSE."
    return "write a date as 2025-01-31 or 2025-01-31 12:00:00."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
