"""The backends by the names they have on the command line, and what they would be given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weft.core import UserError
from weft.flow import Plan
from weft.flow.backends import AttemptSpec, Backend, attempt_id, find_backend
from weft.flow.backends.process import ProcessBackend
from weft.flow.record import Parts
from weft.project.folder import STATE, ProjectFolder

INLINE = "inline"
BACKENDS = (INLINE, "process", "kubernetes", "ray")


def open_backend(
    folder: ProjectFolder, name: str, settings: Mapping[str, Any] | None = None
) -> Backend | None:
    """Return a backend by its name; ``None`` for ``inline``, the threads of this process.

    Args:
        folder: The project.
        name: Of the backend.
        settings: As under ``backends`` in a deployment.

    Raises:
        UserError: ``APP026`` when there is none of this name, ``FLOW090`` for a setting that it has not.
    """
    if name == INLINE:
        return None
    if name == "process":
        return ProcessBackend(folder.folder / STATE / "process", folder.resources)
    if name in BACKENDS:
        return find_backend(name, folder.store, settings)
    raise UserError("APP026", f"there is no backend '{name}'.", f"choose one of: {', '.join(BACKENDS)}.")


def render_plan(
    folder: ProjectFolder, plan: Plan, name: str, settings: Mapping[str, Any]
) -> Iterable[tuple[str, str]]:
    """Yield for each task what a backend would be given; nothing is done.

    What a task makes is known once it has run, so where a key depends on it, the task's name stands instead.

    Raises:
        UserError: ``APP026`` when there is no such backend, or it is given nothing since it is this process.
    """
    backend = open_backend(folder, name, settings)
    if backend is None:
        raise UserError(
            "APP026", "the backend 'inline' is this process, so nothing is submitted.", "name another one."
        )
    for node in plan.order:
        inputs = {label: f"<{source}>" for label, source in node.inputs.items()}
        parts = Parts(node.program, node.version, node.parameters, inputs, node.digests)
        yield (
            node.name,
            backend.render(
                AttemptSpec(
                    attempt_id("RUN", node.name, parts.key, 1),
                    "RUN",
                    1,
                    node,
                    parts,
                    inputs,
                    folder.store.url,
                    node.resources or folder.resources,
                    node.variables,
                    node.secrets,
                    node.image,
                    node.nodes,
                )
            ),
        )
