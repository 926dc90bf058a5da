"""How nodes that run at one time divide what the run may use."""

from __future__ import annotations

from collections.abc import Sequence

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
    memory = total.memory_bytes - sum(r.memory_bytes for r in held)
    # More workers than threads were asked for: each of them has one.
    threads = max(total.threads, workers) - sum(r.threads for r in held)
    gpus = total.gpus - sum(r.gpus for r in held)
    slots = workers - len(held)
    given: list[Resources | None] = [None] * len(wanted)
    for i, need in enumerate(wanted):
        if need is None or slots < 1:
            continue
        share = Resources(
            min(need.memory_bytes, total.memory_bytes),
            min(need.threads, total.threads),
            min(need.gpus, total.gpus) if total.gpus else need.gpus,
        )
        # A total without GPUs does not count them: a backend does, or nobody can.
        if (
            share.memory_bytes <= memory
            and share.threads <= threads
            and (not total.gpus or share.gpus <= gpus)
        ):
            given[i] = share
            memory, threads, gpus = memory - share.memory_bytes, threads - share.threads, gpus - share.gpus
            slots -= 1
    open_ones = [i for i, need in enumerate(wanted) if need is None]
    least = total.memory_bytes // (2 * workers)
    num = min(len(open_ones), slots, threads)
    while num > 0 and memory // num < least:
        num -= 1
    for i in open_ones[: max(0, num)]:
        given[i] = Resources(memory // num, min(max(1, threads // num), total.threads))
    return given
