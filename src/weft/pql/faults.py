"""Errors that point at a place in the query."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from weft.core import UserError
from weft.pql.query import Span

_MAX_LINE = 160
_MAX_LISTED = 20


def fault(code: str, text: str, span: Span, message: str, hint: str = "") -> UserError:
    """Make the error ``code`` whose message ends with the line of ``text`` and a caret under ``span``."""
    return UserError(code, f"{message}\n{mark_place(text, span)}", hint)


def mark_place(text: str, span: Span) -> str:
    """Return the line of ``text`` where ``span`` starts, and carets under it, each indented by two.

    A span that runs over several lines is marked to the end of the first. Long lines are cut around
    the place. Wide characters count twice, so that the caret stands under its place in a terminal.
    """
    first = text.rfind("\n", 0, span.start) + 1
    last = text.find("\n", span.start)
    line = text[first : last if last >= 0 else len(text)].rstrip()
    start = min(span.start - first, len(line))
    stop = max(start + 1, min(span.stop - first, len(line)))
    line = "".join(c if c.isprintable() else " " for c in line)
    left = max(0, min(start - _MAX_LINE // 2, len(line) - _MAX_LINE)) if len(line) > _MAX_LINE else 0
    right = min(len(line), left + _MAX_LINE)
    before = ("…" if left else "") + line[left:start]
    marked = line[start : min(stop, right)]
    shown = before + line[start:right] + ("…" if right < len(line) else "")
    return f"{f'  {shown}'.rstrip()}\n  {' ' * _width(before)}{'^' * max(1, _width(marked))}"


def list_names(names: Iterable[str]) -> str:
    """Write names with commas between them, the first twenty of a long list."""
    listed = list(names)
    more = len(listed) - _MAX_LISTED
    text = ", ".join(listed[:_MAX_LISTED])
    return f"{text} and {more:,} more" if more > 0 else text


def suggest(name: str, options: Iterable[str]) -> str:
    """Return ``did you mean 'x'? `` for the option closest to ``name``, or nothing when none is close."""
    import difflib

    by_folded = {option.casefold(): option for option in options}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f"did you mean '{by_folded[found[0]]}'? " if found else ""


def _width(text: str) -> int:
    return sum(_char_width(c) for c in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
