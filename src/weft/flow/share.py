"""How nodes that run at one time divide what the run may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weft.core import Resources


def divide(
    total: Resources, workers: int, *, held: Sequence[Resources], wanted: Sequence[Resources | None]
) -> list[Resources | None]:
    """Decide which nodes start now, and with what.

    A node that states what it needs gets that, at most the total, as soon as it is free. The
    others divide evenly what is then free, but none starts with less than half of an even share
    of the total: it waits instead. Never is more given out than the total.

    Args:
        total: What all may use together.
        workers: How many may run at one time.
        held: What running nodes have.
        wanted: What each node that could start asks for, ``None`` for a share.

    Returns:
        For each of ``wanted`` what it starts with, or ``None`` when it has to wait.
    """
    left = _Left.of(total, workers, held)
    given: list[Resources | None] = [None] * len(wanted)
    for i, need in enumerate(wanted):
        if need is not None:
            given[i] = left.take(total, need)
    open_ones = [i for i, need in enumerate(wanted) if need is None]
    least = total.memory_bytes // (2 * workers)
    num = min(len(open_ones), left.slots, left.threads)
    while num > 0 and left.memory_bytes // num < least:
        num -= 1
    for i in open_ones[: max(0, num)]:
        given[i] = Resources(left.memory_bytes // num, min(max(1, left.threads // num), total.threads))
    return given


@dataclass
class _Left:
    """What is free."""

    memory_bytes: int
    threads: int
    gpus: int
    slots: int

    @staticmethod
    def of(total: Resources, workers: int, held: Sequence[Resources]) -> _Left:
        return _Left(
            total.memory_bytes - sum(r.memory_bytes for r in held),
            # More workers than threads were asked for: each of them has one.
            max(total.threads, workers) - sum(r.threads for r in held),
            total.gpus - sum(r.gpus for r in held),
            workers - len(held),
        )

    def take(self, total: Resources, need: Resources) -> Resources | None:
        """Take what is needed, at most the total; ``None`` when less is free."""
        memory, threads = min(need.memory_bytes, total.memory_bytes), min(need.threads, total.threads)
        # A total without GPUs does not count them: a backend does, or nobody can.
        gpus = min(need.gpus, total.gpus) if total.gpus else need.gpus
        if self.slots < 1 or memory > self.memory_bytes or threads > self.threads:
            return None
        if total.gpus and gpus > self.gpus:
            return None
        self.memory_bytes, self.threads, self.gpus = (
            self.memory_bytes - memory,
            self.threads - threads,
            self.gpus - gpus,
        )
        self.slots -= 1
        return Resources(memory, threads, gpus)
