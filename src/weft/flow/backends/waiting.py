"""What waits for room on this machine, in the order in which it came, and which process is to start it."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from weft.flow.worker.liveness import is_held, take

# By folder: the name and the open lock of this process, which the kernel drops when it ends.
_OWN: dict[Path, tuple[str, int]] = {}


@dataclass(frozen=True)
class Waiting:
    """An attempt that waits, and since when; seconds since 1970."""

    path: Path
    id: str
    since_s: float


class Queue:
    """Attempts that wait, as files; each names the process that asked for it.

    That process alone starts it, so that a worker finds the environment variables and the working folder of
    whoever asked, which stand in no file. What a dead process asked for waits until another asks for it, too.
    Whatever changes the queue is called by one process at a time.

    Args:
        folder: Of the backend.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._owners = folder / "waiting", folder / "owners"

    def entries(self) -> list[Waiting]:
        """Return what waits, in order."""
        try:
            paths = sorted(self._folder.iterdir())
        except FileNotFoundError:
            return []
        return [Waiting(p, p.name.partition("+")[2], int(p.name.partition("+")[0]) / 1e9) for p in paths]

    def ids(self) -> set[str]:
        """Return the ids of what waits."""
        return {waiting.id for waiting in self.entries()}

    def add(self, id: str) -> None:
        """Let this process start an attempt; it keeps its place if it has one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        found = [w.path for w in self.entries() if w.id == id]
        path = found[0] if found else self._folder / f"{time.time_ns()}+{id}"
        path.write_text(self._own())

    def remove(self, id: str) -> None:
        """Forget that an attempt waits."""
        for waiting in self.entries():
            if waiting.id == id:
                waiting.path.unlink(missing_ok=True)

    def is_own(self, waiting: Waiting) -> bool:
        """Return whether it is for this process to start it."""
        return self._owner(waiting) == _OWN.get(self._owners, ("-",))[0]

    def is_orphan(self, waiting: Waiting) -> bool:
        """Return whether the process that asked for it has ended."""
        owner = self._owner(waiting)
        return not owner or not is_held(self._owners / owner)

    def clean(self) -> None:
        """Remove what processes left that have ended."""
        for path in self._owners.iterdir() if self._owners.exists() else ():
            if not is_held(path):
                path.unlink(missing_ok=True)

    def _owner(self, waiting: Waiting) -> str:
        try:
            return waiting.path.read_text()
        except FileNotFoundError:
            return ""

    def _own(self) -> str:
        name, file = _OWN.get(self._owners, ("", -1))
        if name and (self._owners / name).exists():
            return name
        if name:
            os.close(file)
        self._owners.mkdir(parents=True, exist_ok=True)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        _OWN[self._owners] = name, take(self._owners / name)
        return name


def _let_go() -> None:
    """In a forked child: what the parent holds is not the child's."""
    for _, file in _OWN.values():
        os.close(file)
    _OWN.clear()


os.register_at_fork(after_in_child=_let_go)
