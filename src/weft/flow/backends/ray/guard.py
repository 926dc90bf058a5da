"""Stands between a keeper and its worker: ``python -SE guard.py COMMAND ...``.

When Ray ends an actor it may kill the actor's children, which leaves them no time. What is killed here is
the guard; the worker is then asked to stop by the kernel, and ends what it started before it ends itself.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(command: list[str]) -> int:
    """Run a command to its end and return its exit code, as a shell counts it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    parent, worker = os.getpid(), os.fork()
    if worker == 0:
        _ask_at_death_of(parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.execv(command[0], command)
    _ask_at_death_of(os.getppid())
    signal.signal(signal.SIGTERM, lambda *_: os.kill(worker, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    return code if code >= 0 else 128 - code


def _ask_at_death_of(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
