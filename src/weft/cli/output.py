"""The only place that prints: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from weft.core import WeftError


def print_json(value: Any) -> None:
    """Write one JSON value to stdout; a number that JSON lacks (not a number, infinite) is null."""
    text = json.dumps(_with_null(value), ensure_ascii=False, default=str, allow_nan=False)
    sys.stdout.write(text + "\n")


def _with_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_null(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_null(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_result(text: str) -> None:
    """Write text to stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def print_notice(text: str) -> None:
    """Write a line for the person at the terminal to stderr."""
    sys.stderr.write(text.rstrip("\n") + "\n")


def print_error(error: WeftError, *, as_json: bool) -> None:
    """Write an error: text to stderr, and with ``as_json`` an object to stdout as well."""
    if as_json:
        print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
    print_notice(str(error))
