"""Constants read as the type of what they are compared with."""

from __future__ import annotations

from weft.core import Dtype, UserError, parse_time
from weft.pql.query import Literal
from weft.pql.rules.constant_type import constant_type_fault
from weft.pql.scope import Scope
from weft.pql.syntax import Constant, ConstantKind

_NATURAL = {
    ConstantKind.TEXT: Dtype.STRING,
    ConstantKind.TRUTH: Dtype.BOOL,
    ConstantKind.TIME: Dtype.TIMESTAMP,
    ConstantKind.NULL: None,
}
_FITTING = {
    (ConstantKind.TEXT, Dtype.STRING),
    (ConstantKind.TRUTH, Dtype.BOOL),
    (ConstantKind.TIME, Dtype.TIMESTAMP),
}


def read_constant(constant: Constant) -> Literal:
    """Give a constant the type it has by itself."""
    if constant.kind is ConstantKind.NUMBER:
        dtype = Dtype.FLOAT if isinstance(constant.value, float) else Dtype.INT
        return Literal(constant.value, dtype)
    return Literal(constant.value, _NATURAL[constant.kind])


def coerce_constant(scope: Scope, constant: Constant, dtype: Dtype, subject: str) -> Literal:
    """Give a constant the type ``dtype`` of ``subject``, what it is compared with.

    NULL fits everything. A whole number against floats becomes one, a float without fraction against
    integers becomes one; a text against a timestamp is read as a time.

    Raises:
        UserError: ``PQL042`` when the constant has no meaning in that type.
    """
    kind, value = constant.kind, constant.value
    if kind is ConstantKind.NULL or (kind, dtype) in _FITTING:
        return read_constant(constant)
    if kind is ConstantKind.NUMBER and dtype is Dtype.FLOAT:
        return Literal(float(value), Dtype.FLOAT)  # type: ignore[arg-type]
    if kind is ConstantKind.NUMBER and dtype is Dtype.INT:
        is_whole = isinstance(value, int) or float(value).is_integer()  # type: ignore[arg-type]
        fits = is_whole and abs(int(value)) < 2**63  # type: ignore[arg-type]
        return Literal(int(value), Dtype.INT) if fits else Literal(value, Dtype.FLOAT)  # type: ignore[arg-type]
    if kind is ConstantKind.TEXT and dtype is Dtype.TIMESTAMP:
        try:
            return Literal(parse_time(str(value)), Dtype.TIMESTAMP)
        except UserError:
            pass
    raise constant_type_fault(scope, constant, dtype, subject)
