"""The errors that every room raises: a code, a sentence with the values, a hint.

The prefix of a code names where the fault lies: ``PQL`` a query, ``SCH`` a schema,
``DATA`` the data, ``GRAPH`` the graph engine, ``LEARN`` a model, ``FLOW`` a plan or
the store, ``APP`` an application, ``AUTH`` access, ``EXT`` something not installed.
Each code has a page of its own name in ``docs/errors``.
"""

from __future__ import annotations

import re

_CODE = re.compile(r"^(PQL|SCH|DATA|GRAPH|LEARN|FLOW|HUB|APP|AUTH|EXT)\d{3}$")


class WeftError(Exception):
    """Base of everything that Weft raises on purpose.

    Args:
        code: Prefix and three digits, such as ``"SCH003"``.
        message: One sentence that holds the values.
        hint: One imperative sentence that says what to do next.
    """

    exit_code = 3

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        assert _CODE.match(code), code
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text}\nHint: {self.hint}" if self.hint else text


class UserError(WeftError, ValueError):
    """Something the user can change: a query, a schema, data, a missing extra."""

    exit_code = 1


class UnavailableError(WeftError):
    """Something outside did not answer or is in use; trying again may help."""

    exit_code = 2


class ProgramFailed(WeftError):
    """A program of the user's ended with a failure; it may be tried again before it counts."""

    exit_code = 1


class InvariantError(WeftError):
    """A promise of Weft's own was broken: a bug to report."""

    exit_code = 3


def missing_extra(what: str, package: str, extra: str) -> UserError:
    """Make the error for a feature whose package is not installed."""
    return UserError(
        "EXT001",
        f"{what} needs {package}, which is not installed.",
        f"run pip install 'weft[{extra}]'.",
    )
