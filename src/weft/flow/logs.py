"""What the programs of a run print, as files of this machine that outlive it."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

from weft.core import digest_bytes

_MAX_STEM = 60


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
