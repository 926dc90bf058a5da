"""Settings of backends: read from plain values, refused with the name of the field."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from weft.core import UserError

T = TypeVar("T")


def read_settings(cls: type[T], backend: str, plain: Mapping[str, Any]) -> T:
    """Make the settings of a backend from what a deployment or ``weft.yaml`` says.

    Args:
        cls: A dataclass whose fields are scalars, lists of them, or mappings.
        backend: Its name, for the message.
        plain: Field → value.

    Raises:
        UserError: ``FLOW090`` for a field that does not exist, or a value of another type.
    """
    hints = typing.get_type_hints(cls)
    for name, value in plain.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, 1)
            advice = f"write {near[0]}" if near else f"use some of {', '.join(sorted(hints))}"
            raise bad_setting(backend, name, "there is no such setting", advice)
        if not _fits(value, hints[name]):
            words = f"{value!r} is not a {_words(hints[name])}"
            raise bad_setting(backend, name, words, f"give a {_words(hints[name])}")
    return cls(**plain)


def bad_setting(backend: str, name: str, what: str, advice: str) -> UserError:
    """Make the error for a setting that cannot be used."""
    return UserError("FLOW090", f"the setting {name} of the backend '{backend}': {what}.", f"{advice}.")


def check_positive(settings: Any, backend: str, *names: str) -> None:
    """Refuse settings that must be above zero and are not."""
    for name in names:
        if not getattr(settings, name) > 0:
            words = f"{getattr(settings, name)} is not above zero"
            raise bad_setting(backend, name, words, "give a positive number")


def _fits(value: Any, hint: Any) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, a) for a in args)
    if hint is types.NoneType:
        return value is None
    if origin is dict:
        return isinstance(value, Mapping) and all(_fits(v, args[1]) for v in value.values())
    if origin in (list, tuple):
        return isinstance(value, (list, tuple)) and all(_fits(v, args[0]) for v in value)
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))


def _words(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _words(next(a for a in args if a is not types.NoneType))
    if origin is dict:
        return "mapping"
    if origin in (list, tuple):
        return "list"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return names.get(hint, "value")
