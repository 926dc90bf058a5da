"""Secrets by reference: looked up where a program runs, and cut out of what it prints."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from weft.core import UserError

_CUT = b"***"
_SHORTEST_LINE = 8


def resolve_secrets(references: Mapping[str, str]) -> dict[str, str]:
    """Return the values of secrets by the names of their variables.

    Args:
        references: Variable → ``env:NAME``, ``file:/path`` or ``k8s:name/key``; the last is set
            by the backend under the variable's own name.

    Raises:
        UserError: ``FLOW062`` for a reference that leads nowhere; the error holds no value.
    """
    return {variable: _resolve(variable, reference) for variable, reference in references.items()}


def _resolve(variable: str, reference: str) -> str:
    kind, _, place = reference.partition(":")
    try:
        if kind == "env" and place:
            return os.environ[place]
        if kind == "k8s" and place:
            return os.environ[variable]
        if kind == "file" and place:
            return Path(place).read_text().rstrip("\n")
    except KeyError as error:
        raise _lost(variable, reference, f"the variable {error} is not set where the program runs") from None
    except (OSError, ValueError) as error:
        raise _lost(variable, reference, getattr(error, "strerror", None) or "it is not text") from None
    raise _lost(variable, reference, "it is none of env:NAME, file:/path and k8s:name/key")


def _lost(variable: str, reference: str, reason: str) -> UserError:
    kind = reference.partition(":")[0]
    # What stands where a reference belongs may be the secret itself.
    shown = reference if kind in ("env", "file", "k8s") else "what is given"
    return UserError(
        "FLOW062",
        f"the secret {variable} cannot be had from {shown}: {reason}.",
        "set it there, or give another reference such as env:NAME or file:/path.",
    )


class Redactor:
    """Cuts secrets out of a stream of bytes, also where one lies across two pieces.

    Example:
        >>> redactor = Redactor(["hunter22"])
        >>> redactor.feed(b"the word is hunt") + redactor.feed(b"er22.") + redactor.end()
        b'the word is ***.'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        words = {part.encode() for s in secrets for part in _parts(s)}
        self._words = sorted(words, key=lambda word: (-len(word), word))
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what may be shown by now; the beginning of a secret is held back."""
        if not self._words:
            return data
        text = self._cut(self._held + data)
        keep = max(_overlap(text, word) for word in self._words)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> bytes:
        """Return what was held back."""
        held, self._held = self._held, b""
        return held

    def text(self, text: str) -> str:
        """Return a whole text without secrets."""
        return self._cut(text.encode()).decode(errors="replace")

    def _cut(self, data: bytes) -> bytes:
        for word in self._words:
            data = data.replace(word, _CUT)
        return data


def _parts(secret: str) -> Iterator[str]:
    """Yield a secret and its longer lines, which a log may indent; a short one, a brace, tells nothing."""
    if secret.strip():
        yield secret.strip()
        yield from (line.strip() for line in secret.splitlines() if len(line.strip()) >= _SHORTEST_LINE)


def _overlap(text: bytes, word: bytes) -> int:
    """Return how many bytes at the end of ``text`` may be the beginning of ``word``."""
    longest = min(len(text), len(word) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(word[:n])), 0)
