"""Functions of DuckDB that Ibis has no name for, as Ibis functions; built on first use."""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def _functions() -> dict[str, Any]:
    import ibis

    text, moment, number = ibis.dtype("string"), ibis.dtype("timestamp"), ibis.dtype("int64")
    builtin = ibis.udf.scalar.builtin
    return {
        "try_strptime": builtin(_binary, name="try_strptime", signature=((text, text), moment)),
        "epoch_us": builtin(_unary, name="epoch_us", signature=((moment,), number)),
        "timezone": builtin(_binary, name="timezone", signature=((text, moment), moment)),
    }


def _unary(value: Any) -> None:
    """Stand for a function of one argument; the engine runs its own."""


def _binary(first: Any, second: Any) -> None:
    """Stand for a function of two arguments; the engine runs its own."""


def try_strptime(text: Any, pattern: str) -> Any:
    """Return the expression for a text as a time, null where it does not fit the pattern."""
    return _functions()["try_strptime"](text, pattern)


def epoch_us(moment: Any) -> Any:
    """Return the expression for a time's microseconds since 1970."""
    return _functions()["epoch_us"](moment)


def at_zone(zone: str, moment: Any) -> Any:
    """Return the expression for the instant at which clocks of a zone showed a time."""
    return _functions()["timezone"](zone, moment)
