"""The temporary files of one process, known to be left over once it is dead."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import weakref
from pathlib import Path

from weft.flow.locks import FileLock


class Temporaries:
    """A folder below ``tmp`` that a process holds a lock on while it lives.

    What lies in a folder whose lock nobody holds was left by a process that was killed, and
    `clean_dead` removes it. Made on first use, removed when the process ends.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._owner = 0
        self._folder: Path | None = None
        self._lock: FileLock | None = None
        self._numbers = itertools.count()

    def new_path(self, stem: str = "part") -> Path:
        """Return a path in this process's folder that nobody else uses; nothing is made there."""
        return self.folder / f"{stem}.{next(self._numbers)}"

    @property
    def folder(self) -> Path:
        """This process's folder, made on first use."""
        with self._guard:
            if self._folder is None or self._owner != os.getpid():
                self._open()
            assert self._folder is not None
            return self._folder

    def _open(self) -> None:
        if self._lock is not None:
            self._lock.forget()  # inherited by a fork: it stays the parent's
        name = f"{os.uname().nodename}-{os.getpid()}-{os.urandom(4).hex()}"
        lock = FileLock(self._root / f"{name}.lock", name)
        lock.acquire()
        folder = self._root / name
        folder.mkdir(parents=True)
        self._owner, self._lock, self._folder = os.getpid(), lock, folder
        weakref.finalize(self, _close, os.getpid(), lock, folder)


def clean_dead(root: Path) -> int:
    """Remove the folders of dead processes below ``root``; return how many."""
    removed = 0
    for path in sorted(root.glob("*.lock")):
        lock = FileLock(path)
        if lock.try_acquire():
            folder = path.with_suffix("")
            removed += folder.exists()
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
    return removed


def _close(owner: int, lock: FileLock, folder: Path) -> None:
    if owner == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
