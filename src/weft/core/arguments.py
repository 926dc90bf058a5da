"""Arguments that are numbers or words of a choice: taken as they are meant, or refused with a code."""

from __future__ import annotations

import enum
import operator
from typing import Any, TypeVar

from weft.core.errors import UserError

MOST_INT64 = 2**63 - 1
MOST_UINT64 = 2**64 - 1
W = TypeVar("W", bound=enum.StrEnum)


def check_integer(code: str, name: str, value: Any, *, least: int = 0, most: int = MOST_INT64) -> int:
    """Return an argument as the integer it is; numpy's integers are integers, booleans and floats are not.

    Raises:
        UserError: With ``code``, for what is no integer from ``least`` to ``most``.

    Example:
        >>> check_integer("GRAPH042", "threads", 2, least=1)
        2
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        bound = f"from {least} to {most}" if most < MOST_INT64 else f"of {least} or more"
        if most == MOST_UINT64:
            bound = f"from {least} to 2**64 - 1"
        raise UserError(code, f"{name} is {value!r}.", f"give an integer {bound}.")
    return number


def check_word(code: str, name: str, value: Any, words: type[W]) -> W:
    """Return an argument as a word of a choice.

    Raises:
        UserError: With ``code``, for what is none of them; the hint has them all.
    """
    try:
        return words(value)
    except ValueError as error:
        choice = ", ".join(repr(word.value) for word in words)
        raise UserError(code, f"{name} is {value!r}.", f"choose one of {choice}.") from error
