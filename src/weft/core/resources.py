"""What a computation may use, and what it did use."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from weft.core.errors import UserError

_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZES |= {f"{k}i": 2 ** (10 * i) for i, k in enumerate("kmgt", 1)}


@dataclass(frozen=True)
class Resources:
    """Limits that every stage honours: bytes of memory, number of threads, number of GPUs."""

    memory_bytes: int
    threads: int
    gpus: int = 0

    @staticmethod
    def of_machine() -> Resources:
        """Take six tenths of the machine's memory and every core this process may use."""
        return Resources(machine_memory_bytes() * 6 // 10, len(os.sched_getaffinity(0)))


def parse_size(text: str) -> int:
    """Read ``4GB``, ``512MiB`` or ``1000000`` as bytes.

    Example:
        >>> parse_size("4GB"), parse_size("1 MiB")
        (4000000000, 1048576)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text.lower())
    if not match:
        raise UserError("DATA003", f"'{text}' is not a size.", "write it as 4GB or 512MiB.")
    return int(float(match[1]) * _SIZES[match[2] or ""])


def machine_memory_bytes() -> int:
    """Return the memory that this process may use: the machine's or its control group's."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        return min(total, int(text))
    return total


def peak_memory_bytes() -> int:
    """Return the largest resident size of this process since `reset_peak_memory`."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak_memory() -> None:
    """Start a new measurement of `peak_memory_bytes`, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
