"""The processes of an attempt: found, counted and ended, whatever group or session they moved to."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

MARK = "WEFT_MARK"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_ROUNDS, _PAUSE_S = 400, 0.005
# Programs keep to a limit for what they hold; the interpreter and its libraries come on top.
_SLACK = 1.25


def mark(id: str) -> str:
    """Return the value of `MARK` for what attempt ``id`` starts; attempts may lie within each other."""
    return f"{os.environ.get(MARK, '')} {id}".strip()


def adopt_orphans() -> None:
    """Make this process the parent of all descendants whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, which may have happened already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def descendants(root: int) -> list[int]:
    """Return the ids of all processes below ``root``."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        if (parent := _parent(pid)) is not None:
            children.setdefault(parent, []).append(pid)
    found = list(children.get(root, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def end_descendants() -> None:
    """Kill and reap everything below this process, which must have called `adopt_orphans`."""
    for _ in range(_ROUNDS):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for pid in descendants(os.getpid()):
            _kill(pid)
        time.sleep(_PAUSE_S)


def end_marked(id: str) -> int:
    """Kill all processes that carry the mark of attempt ``id``; return how many there were.

    This finds what is left of a worker that was killed itself.
    """
    num_killed = 0
    for _ in range(_ROUNDS):
        found = _marked(id)
        if not found:
            break
        num_killed += len(found)
        for pid in found:
            _kill(pid)
        time.sleep(_PAUSE_S)
    return num_killed


def marked_heads(id: str) -> list[int]:
    """Return the processes that carry the mark of attempt ``id`` and whose parents do not."""
    found = _marked(id)
    return [pid for pid in found if _parent(pid) not in found]


def excess_bytes(roots: Iterable[int], limit_bytes: int) -> int:
    """Return the memory of the processes below ``roots`` if it is more than they may use, else 0.

    What they have for themselves counts, mapped files do not.
    """
    used = sum(_private_bytes(pid) for root in roots for pid in descendants(root))
    return used if used > _SLACK * limit_bytes else 0


def _private_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    fields = ("RssAnon:", "RssShmem:")
    return 1024 * sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(fields))


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208


def _parent(pid: int) -> int | None:
    try:
        # The name in parentheses may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1])


def _marked(id: str) -> list[int]:
    return [pid for pid in _pids() if pid != os.getpid() and _is_marked(pid, id)]


def _is_marked(pid: int, id: str) -> bool:
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        is_dead = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return False
    prefix = f"{MARK}=".encode()
    return not is_dead and any(
        e.startswith(prefix) and id.encode() in e[len(prefix) :].split() for e in entries
    )


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
