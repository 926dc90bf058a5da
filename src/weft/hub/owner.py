"""Which process runs a run, and whether it is alive."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process: machine, number, and what tells it from a later one of the same number."""

    host: str
    pid: int
    process: str

    @staticmethod
    def of_this_process() -> Owner:
        """Return this process."""
        return Owner(socket.gethostname(), os.getpid(), _birth(os.getpid()))

    @property
    def is_dead(self) -> bool:
        """Whether the process has ended for certain; of other machines that is never known."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # alive, and another user's
        return _birth(self.pid) != self.process


def _birth(pid: int) -> str:
    """Return boot and start time of a process; empty where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    fields = stat.rsplit(")", 1)[1].split()
    # A zombie has ended, though its number is still taken.
    return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def this_user() -> str:
    """Return who works here: ``WEFT_USER``, else the account's name; empty where it has none."""
    try:
        return os.environ.get("WEFT_USER") or getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
