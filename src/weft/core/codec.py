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
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
Builder = Callable[[Any], Any]


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
    hint: Any = cls
    return typing.cast(T, _builder(hint)(plain))


def to_json(value: Any) -> str:
    """Write canonical JSON: sorted keys, no spaces, so equal values are equal text."""
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_json(cls: type[T], text: str | bytes) -> T:
    """Read what `to_json` wrote as an instance of ``cls``."""
    return from_plain(cls, json.loads(text))


def _same(plain: Any) -> Any:
    return plain


@functools.cache
def _builder(hint: Any) -> Builder:
    """Return what rebuilds values of a type; made once, as a profile of a wide table has 100,000 of them."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_builder(typing.get_args(hint))
    if origin in (tuple, list):
        return _sequence_builder(typing.get_args(hint), origin)
    if origin is dict:
        item = _builder(typing.get_args(hint)[1])
        return lambda plain: {k: item(v) for k, v in plain.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass_builder(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint
    return _as_float if hint is float else _same


def _as_float(plain: Any) -> Any:
    return float(plain) if isinstance(plain, int) and not isinstance(plain, bool) else plain


def _sequence_builder(args: tuple[Any, ...], origin: Any) -> Builder:
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        items = [_builder(a) for a in args]
        return lambda plain: tuple(item(v) for item, v in zip(items, plain, strict=True))
    item = _builder(args[0])
    return origin if item is _same else lambda plain: origin(item(v) for v in plain)


def _union_builder(options: tuple[Any, ...]) -> Builder:
    by_name = {o.__name__: _builder(o) for o in options if isinstance(o, type)}
    rest = [_builder(o) for o in options if o is not type(None) and not dataclasses.is_dataclass(o)]
    classes: list[Any] = list(filter(dataclasses.is_dataclass, options))
    nested = [_builder(c) for c in classes]
    other = rest[0] if len(rest) == 1 else _same

    def build(plain: Any) -> Any:
        if plain is None:
            return None
        if isinstance(plain, dict):
            if plain.get("$type") in by_name:
                return by_name[plain["$type"]](plain)
            if len(nested) == 1:
                return nested[0](plain)
        return other(plain)

    return build


def _dataclass_builder(cls: Any) -> Builder:
    # The fields are looked up at the first value: a type may hold values of its own type.
    @functools.cache
    def fields() -> dict[str, Builder]:
        return {name: _builder(hint) for name, hint in typing.get_type_hints(cls).items()}

    def build(plain: dict[str, Any]) -> Any:
        builders = fields()
        return cls(**{k: builders[k](v) for k, v in plain.items() if k != "$type"})

    return build
