"""Whether a worker lives: it holds a lock on a file from before its start to its end."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def take(path: Path) -> int:
    """Lock ``path``, made when missing, and return the open file, which a worker inherits."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.truncate(file, 0)
    return file


def is_held(path: Path) -> bool:
    """Return whether somebody holds ``path``; those who only look do not count."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
