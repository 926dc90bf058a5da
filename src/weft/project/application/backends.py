"""What backends would be given for the tasks of an application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weft.core import UserError
from weft.flow import Plan
from weft.flow.backends import INLINE, AttemptSpec
from weft.flow.record import Parts
from weft.project.folder import ProjectFolder


def is_seen_by(folder: ProjectFolder, backend: str) -> bool:
    """Whether the workers of a backend see the project's folder.

    Those of this machine do, and so do others where the store lies in that folder: they could do nothing
    without it.
    """
    if backend in (INLINE, "process"):
        return True
    return folder.store.is_local and Path(folder.store.url).is_relative_to(folder.folder)


def render_plan(
    folder: ProjectFolder, plan: Plan, name: str, settings: Mapping[str, Any]
) -> Iterable[tuple[str, str]]:
    """Yield for each task what a backend would be given; nothing is done.

    What a task makes is known once it has run, so where a key depends on it, the task's name stands instead.

    Raises:
        UserError: ``APP026`` for ``inline``, which is given nothing since it is this process; ``FLOW093``
            when there is no such backend.
    """
    backend = folder.open_backend(name, settings)
    if backend is None:
        raise UserError(
            "APP026", "the backend 'inline' is this process, so nothing is submitted.", "name another one."
        )
    for node in plan.order:
        inputs = {label: f"<{source}>" for label, source in node.inputs.items()}
        parts = Parts(node.program, node.version, node.parameters, inputs, node.digests)
        spec = AttemptSpec.of(
            node,
            parts,
            run="RUN",
            store=folder.store.url,
            resources=node.resources or folder.resources,
            inputs=inputs,
        )
        yield node.name, backend.render(spec)
