"""What the programs of a run print, as files of this machine that outlive it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from weft.core import digest_bytes
from weft.flow.secret import Redactor

_MAX_STEM = 60
_LONGEST_PIECE = 1 << 16
_OVERWRITTEN_EVERY_S = 1.0
# A carriage return at the very end may be the first half of a line's end.
_LINE_END = re.compile(rb"\r?\n|\r(?!\Z)")


class AttemptLog:
    """The log of one attempt: a file that is made by the first write, and written at once.

    Args:
        path: Where it is; what is there is kept and appended to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> AttemptLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()

    def write(self, data: bytes) -> None:
        """Append ``data``; safe to call from several threads."""
        with self._lock:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("ab", buffering=0)
            self._file.write(data)


class LogLines:
    """Makes lines of what a process prints, without secrets; no piece ends within a character or a secret.

    What is to be overwritten, as a bar of progress is, becomes a line as well, once a second and for the last
    time. A line that is not at its end after 64 KiB comes in pieces.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._rest = self._passed = b""
        self._shown_s = 0.0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole by now."""
        return list(self._lines(self._redactor.feed(data)))

    def end(self) -> list[bytes]:
        """Return what is left when nothing more comes."""
        lines = list(self._lines(self._redactor.end()))
        rest, self._rest = self._rest, b""
        if rest.endswith(b"\r"):
            rest = rest[:-1] + b"\n"
        return [*lines, rest] if rest else lines

    def _lines(self, data: bytes) -> Iterator[bytes]:
        text, begin = self._rest + data, 0
        # Of what is left from before, only the last byte may be part of a line's end.
        for found in _LINE_END.finditer(text, max(0, len(self._rest) - 1)):
            line, begin = text[begin : found.start()], found.end()
            if found[0] != b"\r":
                yield (line or self._passed) + found[0]
                self._passed = b""
            elif line and time.monotonic() - self._shown_s >= _OVERWRITTEN_EVERY_S:
                self._shown_s, self._passed = time.monotonic(), b""
                yield line + b"\n"
            else:
                self._passed = line or self._passed
        while len(text) - begin > _LONGEST_PIECE:
            stop = _character_start(text, begin + _LONGEST_PIECE)
            yield text[begin:stop]
            begin = stop
        self._rest = text[begin:]


def _character_start(text: bytes, place: int) -> int:
    """Return the last place up to ``place`` at which a character of UTF-8 may begin."""
    return next((i for i in range(place, place - 4, -1) if text[i] & 0xC0 != 0x80), place)


def image_not_used(image: str) -> bytes:
    """Say in a line of a log that a container image is let be where there are no containers."""
    return f"weft: the image {image} is not used, processes of this machine have none\n".encode()


def log_name(node: str, attempt: int) -> str:
    """Return the name of a log's file: readable, and different for different nodes.

    Example:
        >>> log_name("train", 1), log_name("candidate[3]", 2)
        ('train-1.log', 'candidate-3-635f80-2.log')
    """
    stem = re.sub(r"[^\w.-]+", "-", node).strip("-.")[:_MAX_STEM]
    if stem != node:
        stem = f"{stem}-{digest_bytes(node.encode())[:6]}"
    return f"{stem}-{attempt}.log"
