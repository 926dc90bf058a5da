"""Why a node ran or did not: the difference to the last run, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from weft.flow.record import Found, Parts

LOST = "its result is no longer in the store"
_MAX_SHOWN = 3
_MAX_CHARACTERS = 40


def explain_hit(key: str, run: str) -> str:
    """Say whose result is used."""
    return f"key {key[:8]}…, made by run {run}"


def explain_miss(parts: Parts, found: Found, last: Mapping[str, Any] | None) -> str:
    """Say why a node has to run.

    Args:
        parts: Of the node now.
        found: What the store holds under its key.
        last: Entry of the node in the record of the plan's last run, if there is one.
    """
    if found.fault:
        return found.fault
    if last is None:
        return "first time"
    changes = list(_changes(last["parts"], parts))
    if changes:
        more = len(changes) - _MAX_SHOWN
        return ", ".join(changes[:_MAX_SHOWN]) + (f" and {more} more changes" if more > 0 else "")
    if last["state"] in ("failed", "cancelled"):
        return f"{last['state']} last time"
    return LOST


def _changes(old: Mapping[str, Any], new: Parts) -> Iterator[str]:
    if old["program"] != new.program:
        yield f"program {old['program']} → {new.program}"
    if old["version"] != new.version:
        yield f"code version {old['version']} → {new.version}"
    yield from _parameter_changes("parameters", old["parameters"], new.parameters)
    yield from _digest_changes("input", old["inputs"], new.inputs)
    yield from _digest_changes("data", old["digests"], new.digests)


def _parameter_changes(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _parameter_changes(f"{path}.{name}", old.get(name), new.get(name))
    elif _text(old) != _text(new):
        yield f"{path} {_short(old)} → {_short(new)}"


def _digest_changes(word: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"{word} {name} is new"
        elif name not in new:
            yield f"{word} {name} is gone"
        elif old[name] != new[name]:
            yield f"{word} {name} changed"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else _text(value)
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
