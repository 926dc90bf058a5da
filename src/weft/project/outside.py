"""What a project tells other tools about its runs, as events of OpenLineage."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from weft.flow import Plan, RunResult
from weft.hub import Subject, open_sink, telling
from weft.project.settings import resolve_address

if TYPE_CHECKING:
    from weft.project.folder import ProjectFolder


@contextlib.contextmanager
def told_outside(
    folder: ProjectFolder, plan: Plan, targets: tuple[str, ...] | None, name: str | None
) -> Iterator[Callable[[RunResult], None]]:
    """Send events of OpenLineage about a run to where ``lineage`` in ``weft.yaml`` says, if anywhere."""
    address = folder.settings.lineage
    sink = None if address is None else open_sink(resolve_address(address, folder.folder))
    namespace = folder.settings.name or folder.folder.name
    with telling(sink, Subject(plan, namespace, targets, name or "")) as done:
        yield done
