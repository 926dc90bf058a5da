"""Frozen dataclasses to plain JSON values and back.

One codec for plans, schemas, queries and records, so that each stays plain data and
equal values give equal bytes. Supported: dataclasses, enums, tuples, lists, dicts with
string keys, ``X | None``, unions of dataclasses (told apart by a ``"$type"`` entry), and
JSON scalars.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Turn ``value`` into dicts, lists and scalars that ``json`` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"$type": type(value).__name__, **plain}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(to_plain(v) for v in value)
    return value


def from_plain(cls: type[T], plain: Any) -> T:
    """Rebuild an instance of the dataclass ``cls`` from what `to_plain` made.

    Raises:
        TypeError: ``plain`` lacks a field without default, or names an unknown one.
    """
    return typing.cast(T, _build(cls, plain))


def to_json(value: Any) -> str:
    """Write canonical JSON: sorted keys, no spaces, so equal values are equal text."""
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_json(cls: type[T], text: str | bytes) -> T:
    """Read what `to_json` wrote as an instance of ``cls``."""
    return from_plain(cls, json.loads(text))


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(hint: Any, plain: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _build_union(typing.get_args(hint), plain)
    if origin in (tuple, list):
        return _build_sequence(hint, origin, plain)
    if origin is dict:
        item = typing.get_args(hint)[1]
        return {k: _build(item, v) for k, v in plain.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _build_dataclass(hint, plain)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(plain)
    if hint is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    return plain


def _build_sequence(hint: Any, origin: type, plain: Any) -> Any:
    args = typing.get_args(hint)
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        return tuple(_build(a, v) for a, v in zip(args, plain, strict=True))
    return origin(_build(args[0], v) for v in plain)


def _build_union(options: tuple[Any, ...], plain: Any) -> Any:
    if plain is None:
        return None
    if isinstance(plain, dict) and "$type" in plain:
        for option in options:
            if isinstance(option, type) and option.__name__ == plain["$type"]:
                return _build(option, plain)
    rest = [o for o in options if o is not type(None) and not dataclasses.is_dataclass(o)]
    nested = [o for o in options if dataclasses.is_dataclass(o)]
    if isinstance(plain, dict) and len(nested) == 1:
        return _build(nested[0], plain)
    return _build(rest[0], plain) if len(rest) == 1 else plain


def _build_dataclass(cls: Any, plain: dict[str, Any]) -> Any:
    hints = _hints(cls)
    return cls(**{k: _build(hints[k], v) for k, v in plain.items() if k != "$type"})
