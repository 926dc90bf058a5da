"""JSON files with the line of every field, so that an error can say where it is."""

from __future__ import annotations

import bisect
import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from weft.core import UserError

_SPACE = re.compile(r"[ \t\n\r]*")
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A JSON file that was read.

    Attributes:
        name: Of the file, as it is shown.
        value: What it holds.
        lines: Field, as a path of names and positions, → its line, from 1.
        text: The file's text.
    """

    name: str
    value: Any
    lines: dict[Place, int] = field(default_factory=dict, repr=False)
    text: str = field(default="", repr=False)

    def error(self, code: str, place: Iterable[str | int], message: str, hint: str) -> UserError:
        """Make the error for a field: the file, the line and the field stand before the message."""
        known = tuple(place)
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known, 1)
        shown = field_name(known)
        where = f"{self.name}, line {line}" + (f", field {shown}" if shown else "")
        return UserError(code, f"{where}: {message}", hint)


def read_document(path: Path, name: str | None = None) -> Document:
    """Read a JSON file.

    Args:
        path: The file.
        name: What it is called in errors; its own name when left out.

    Raises:
        UserError: ``APP001`` when it cannot be read, ``APP002`` when it is not JSON, ``APP003`` when a field
            is there twice.
    """
    shown = path.name if name is None else name
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(
            "APP001", f"{path} cannot be read: {reason}.", "write the file, or name another."
        ) from error
    return parse_document(text, shown)


def parse_document(text: str, name: str) -> Document:
    """Read JSON text; ``name`` is what errors call it."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise UserError("APP002", f"{name}: it is nested too deeply.", "write it flatter.") from None
    except ValueError as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        reason = getattr(error, "msg", str(error)).rstrip(".").lower()
        raise UserError(
            "APP002",
            f"{name}, line {line}, column {column}: this is not valid JSON: {reason}.",
            "mend the line that is named.",
        ) from None
    marker = _Marker(text, name)
    marker.mark(_SPACE.match(text, 0).end(), ())  # type: ignore[union-attr]
    return Document(name, value, marker.lines, text)


def field_name(place: Iterable[str | int]) -> str:
    """Write the path of a field, such as ``tasks.train.parameters.args[0]``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest of ``known``, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"choose one of: {', '.join(names)}." if names else "there is nothing to choose from yet."


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


class _Marker:
    """Walks over text that is known to be JSON and notes where each field begins."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._ends = [m.start() for m in re.finditer("\n", text)]
        self.lines: dict[Place, int] = {}

    def mark(self, at: int, place: Place) -> int:
        """Mark the value that begins at ``at``; return where it ends."""
        self.lines.setdefault(place, self._line(at))
        character = self._text[at]
        if character == "{":
            return self._mark_object(at + 1, place)
        if character == "[":
            return self._mark_array(at + 1, place)
        if character == '"':
            return int(scanstring(self._text, at + 1)[1])
        found = re.compile(r"[^\s,\]}]+").match(self._text, at)
        return found.end() if found else at

    def _mark_object(self, at: int, place: Place) -> int:
        at = self._skip(at)
        while self._text[at] != "}":
            key, end = scanstring(self._text, at + 1)
            inner = (*place, key)
            if inner in self.lines:
                where = f"{self._name}, line {self._line(at)}, field {field_name(inner)}"
                raise UserError(
                    "APP003",
                    f"{where}: it is there twice, first in line {self.lines[inner]}.",
                    "remove one of the two.",
                )
            self.lines[inner] = self._line(at)
            at = self.mark(self._skip(self._skip(end) + 1), inner)
            at = self._next(at)
        return at + 1

    def _mark_array(self, at: int, place: Place) -> int:
        at, position = self._skip(at), 0
        while self._text[at] != "]":
            at = self._next(self.mark(at, (*place, position)))
            position += 1
        return at + 1

    def _next(self, at: int) -> int:
        at = self._skip(at)
        return self._skip(at + 1) if self._text[at] == "," else at

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at

    def _line(self, at: int) -> int:
        return bisect.bisect_left(self._ends, at) + 1
