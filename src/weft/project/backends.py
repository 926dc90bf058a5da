"""Where a project's plans run: threads of this process, or a backend by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from weft.core import Resources, UserError
from weft.flow import Plan
from weft.flow.backends import Backend

INLINE = "inline"
_SNAPSHOT = "weft.compile.programs:take_snapshot"


def _process(state: Path, resources: Resources) -> Backend:
    from weft.flow.backends.process import ProcessBackend

    return ProcessBackend(state / "process", resources)


_BACKENDS: dict[str, Callable[[Path, Resources], Backend]] = {"process": _process}


def check_backend(backend: str | Backend) -> str | Backend:
    """Return ``backend`` if it is one, or the name of one.

    Raises:
        UserError: ``FLOW072`` for a name that is none.
    """
    if isinstance(backend, str) and backend != INLINE and backend not in _BACKENDS:
        raise UserError(
            "FLOW072",
            f"there is no backend '{backend}'.",
            f"choose one of {', '.join(sorted([INLINE, *_BACKENDS]))}.",
        )
    return backend


def open_backend(backend: str | Backend, state: Path, resources: Resources) -> Backend | None:
    """Return the backend, ``None`` for threads of this process; what it keeps here lies in ``state``."""
    if not isinstance(backend, str):
        return backend
    return None if backend == INLINE else _BACKENDS[backend](state, resources)


def bound_here(plan: Plan, targets: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the nodes that need a source which only this process holds: a connection, or frames in memory.

    They run here before all others, and a backend finds what they made in the store.
    """
    nodes = plan.nodes if targets is None else plan.needed_for(targets)
    return tuple(n.name for n in nodes if n.program == _SNAPSHOT)
