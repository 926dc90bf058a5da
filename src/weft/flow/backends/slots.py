"""What a machine has for attempts: memory, threads and GPUs, counted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.core import Resources, UserError, machine_memory_bytes
from weft.flow.plan import Node


@dataclass(frozen=True)
class Slots:
    """Memory, threads and the names of GPUs that are free."""

    memory_bytes: int
    threads: int
    gpus: tuple[str, ...]

    def lacks(self, need: Resources) -> str:
        """Say in words what is missing for ``need``; empty when there is room."""
        words = []
        if need.memory_bytes > self.memory_bytes:
            words.append(f"{_size(need.memory_bytes)} of memory ({_size(self.memory_bytes)} free)")
        if need.threads > self.threads:
            words.append(f"{need.threads} threads ({max(0, self.threads)} free)")
        if need.gpus > len(self.gpus):
            words.append(f"{need.gpus} GPUs ({len(self.gpus)} free)")
        return ", ".join(words)

    def take(self, need: Resources) -> tuple[dict[str, Any], Slots]:
        """Return what an attempt gets, as plain data, and what is left."""
        taken = {
            "memory_bytes": need.memory_bytes,
            "threads": need.threads,
            "gpus": list(self.gpus[: need.gpus]),
        }
        return taken, self.without(taken)

    def without(self, taken: Mapping[str, Any]) -> Slots:
        """Return what is left when ``taken``, made by `take`, is in use."""
        used = set(taken.get("gpus", ()))
        return Slots(
            self.memory_bytes - taken.get("memory_bytes", 0),
            self.threads - taken.get("threads", 0),
            tuple(g for g in self.gpus if g not in used),
        )

    def check(self, node: str, need: Resources) -> None:
        """Refuse a node that these slots could never hold.

        Raises:
            UserError: ``FLOW065``.
        """
        if lacking := self.lacks(need):
            raise UserError(
                "FLOW065",
                f"node '{node}' can never run on this machine: it asks for {lacking}.",
                "ask for less in its resources, or choose a backend with larger machines.",
            )


def machine_slots(resources: Resources | None) -> Slots:
    """Return the slots of this machine, or as many of them as ``resources`` says."""
    gpus = _gpus()
    if resources is None:
        return Slots(machine_memory_bytes(), len(os.sched_getaffinity(0)), gpus)
    # More than are there: tests and simulations name them by number.
    more = tuple(str(i) for i in range(len(gpus), resources.gpus))
    return Slots(resources.memory_bytes, resources.threads, (*gpus, *more)[: resources.gpus])


def checked_needs(node: Node, total: Resources) -> Resources | None:
    """Return what a node asks for, if this machine or the total of a run could hold it.

    Raises:
        UserError: ``FLOW065`` if neither could.
    """
    if node.resources is not None:
        here = machine_slots(None)
        memory, threads = max(here.memory_bytes, total.memory_bytes), max(here.threads, total.threads)
        largest = machine_slots(Resources(memory, threads, max(len(here.gpus), total.gpus)))
        largest.check(node.name, needed(node.resources, node.nodes))
    return node.resources


def needed(one: Resources, nodes: int) -> Resources:
    """Return what all workers of a node take together."""
    return Resources(one.memory_bytes * nodes, one.threads * nodes, one.gpus * nodes)


def _gpus() -> tuple[str, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(g for g in visible.split(",") if g.strip())
    names = (re.fullmatch(r"nvidia(\d+)", p.name) for p in Path("/dev").glob("nvidia*"))
    return tuple(str(n) for n in sorted(int(m[1]) for m in names if m))


def _size(num_bytes: int) -> str:
    return f"{max(0, num_bytes) / 1e9:,.2f} GB"
