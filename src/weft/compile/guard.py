"""Run a command and let nothing of it outlive whoever asked for it; a script that needs no package.

``python guard.py GRACE_S HELD COMMAND ...``, with standard input the reading end of a pipe. When the command
ends, what it left running is killed, and the exit code is the command's, or 128 and the signal that ended it.
When the pipe is closed, because its owner closed it or died, the whole tree is asked to end, and killed after
``GRACE_S`` seconds. ``HELD`` are numbers of open files, with commas between, which this process keeps until
its end; the command does not get them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_NOT_STARTED = 127


def main() -> int:
    """Run the command and return its exit code."""
    grace_s, held, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    for file in filter(None, held.split(",")):
        os.set_inheritable(int(file), False)
    # Whoever leaves the tree by a double fork becomes a child of this process, and so is found.
    _control(_PR_SET_CHILD_SUBREAPER, 1)
    wake, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(woken)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        _become(command)
    code = _wait(child, wake)
    if code is None:
        _end_tree(child, grace_s)
        return 128 + signal.SIGTERM
    _kill_all(child)
    return code


def _become(command: list[str]) -> None:
    """Turn this process into the command."""
    try:
        os.setpgid(0, 0)
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(_NOT_STARTED)


def _wait(child: int, wake: int) -> int | None:
    """Wait for the command; ``None`` when the pipe was closed or this process was told to end first."""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready and signal.SIGTERM in os.read(wake, 64):
            return None
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == child:
                    return _code(found[1])
        if 0 in ready:
            return None


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end_tree(child: int, grace_s: float) -> None:
    deadline = time.monotonic() + grace_s
    _signal_all(child, signal.SIGTERM)
    while _reap() and time.monotonic() < deadline:
        time.sleep(0.02)
    _kill_all(child)


def _kill_all(child: int) -> None:
    """Kill what is left, again and again: who is killed may just have started another."""
    while _reap():
        _signal_all(child, signal.SIGKILL)
        time.sleep(0.005)


def _reap() -> bool:
    """Collect those that ended; return whether any child is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _signal_all(child: int, number: int) -> None:
    for pid in _descendants() or [-child]:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _descendants() -> list[int]:
    """Return the processes below this one, where the system lists them."""
    parents: dict[int, int] = {}
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - pathlib takes longer to import than this to run
        return []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with (
                contextlib.suppress(OSError, ValueError, IndexError),
                open(f"/proc/{name}/stat", "rb") as file,
            ):
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    found = [os.getpid()]
    for pid in found:
        found += [p for p, parent in parents.items() if parent == pid]
    return found[1:]


def _control(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
