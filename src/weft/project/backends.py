"""Where a project's plans run: threads of this process, or a backend by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.core import Resources
from weft.flow import Plan, Store
from weft.flow.backends import INLINE, Backend, find_backend

_SNAPSHOT = "weft.compile.programs:take_snapshot"


def open_backend(
    backend: str | Backend, store: Store, resources: Resources, settings: Mapping[str, Any] | None = None
) -> Backend | None:
    """Return a backend, ``None`` for ``inline``, the threads of this process.

    Args:
        backend: Its name, or itself.
        store: Of the project.
        resources: Of the project: what processes of this machine may use together where settings say nothing.
        settings: As under ``backends`` in a deployment.

    Raises:
        UserError: ``FLOW093`` when there is none of this name, ``FLOW090`` for a setting that it has not.
    """
    if not isinstance(backend, str):
        return backend
    if backend == INLINE:
        return None
    usual: dict[str, Any] = {}
    if backend == "process":
        usual = {"memory": str(resources.memory_bytes), "threads": resources.threads}
    return find_backend(backend, store, {**usual, **(settings or {})})


def bound_here(plan: Plan, targets: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the nodes that need a source which only this process holds: a connection, or frames in memory.

    They run here before all others, and a backend finds what they made in the store.
    """
    nodes = plan.nodes if targets is None else plan.needed_for(targets)
    return tuple(n.name for n in nodes if n.program == _SNAPSHOT)
