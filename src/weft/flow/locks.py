"""Locks between processes that the kernel lets go of when their holder dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path


class FileLock:
    """An exclusive lock on a file, which is removed when the lock is released.

    Held by an open file (``flock``), so a holder that is killed holds nothing, and a process id
    that comes again fools nobody. Two threads of one process exclude each other as well.

    Args:
        path: The lock file; folders are made when missing.
        words: Written into the file, for whoever waits: who holds it.
    """

    def __init__(self, path: Path, words: str = "") -> None:
        self.path = path
        self._words = words
        self._file: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it; return whether it was taken."""
        while True:
            file = _open_lock(self.path)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(file)
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    return False
                raise
            if _is_current(file, self.path):
                os.truncate(file, 0)
                os.write(file, self._words.encode())
                self._file = file
                return True
            # The holder before us removed the file between our open and our lock.
            os.close(file)

    def acquire(self, cancelled: threading.Event | None = None, limit_s: float = math.inf) -> bool:
        """Wait for the lock; return ``False`` when ``cancelled`` was set or the time is up first."""
        cancelled = cancelled or threading.Event()
        pause, deadline = 0.005, time.monotonic() + limit_s
        while not self.try_acquire():
            if cancelled.wait(pause) or time.monotonic() > deadline:
                return False
            pause = min(pause * 1.5, 0.2)
        return True

    def holder(self) -> str:
        """Return the words of whoever holds the lock; empty when nobody does."""
        try:
            return self.path.read_text()
        except OSError:
            return ""

    @property
    def file(self) -> int | None:
        """The open file by which the lock is held; a process that inherits it holds the lock as well."""
        return self._file

    def release(self) -> None:
        """Let go, and remove the file."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(file)

    def is_current(self) -> bool:
        """Return whether the lock is held and its file still there, so that others respect it."""
        return self._file is not None and _is_current(self._file, self.path)

    def forget(self) -> None:
        """In a forked child: drop the file without ending the parent's hold."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@contextlib.contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold ``path`` together with other readers; waits for an exclusive holder."""
    yield from _flocked(path, fcntl.LOCK_SH)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold ``path`` alone; waits for all others. The file stays."""
    yield from _flocked(path, fcntl.LOCK_EX)


def _flocked(path: Path, how: int) -> Iterator[None]:
    file = _open_lock(path)
    try:
        fcntl.flock(file, how)
        yield
    finally:
        os.close(file)


def _open_lock(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _is_current(file: int, path: Path) -> bool:
    try:
        there, mine = path.stat(), os.fstat(file)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
