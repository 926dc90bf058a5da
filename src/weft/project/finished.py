"""Finished runs, found again."""

from __future__ import annotations

from pathlib import Path

from weft.core import UserError
from weft.hub import RunRecord
from weft.project.folder import ProjectFolder
from weft.project.run import Run


def open_run(name: str = "latest", *, project: str | Path | ProjectFolder = ".") -> Run:
    """Reopen a finished run by its name, its start, or ``latest``.

    Raises:
        UserError: ``FLOW053`` when there is none, ``DATA127`` when it did not finish.
    """
    folder = project if isinstance(project, ProjectFolder) else ProjectFolder(project)
    record = _newest(folder) if name == "latest" or folder.is_unused else folder.hub.get_run(name)
    if "evaluation" not in record.results:
        raise UserError(
            "DATA127",
            f"the run {record.name} is {record.state.value} and has no result.",
            "repeat the query: what is finished is not computed again.",
        )
    return Run(folder, record)


def _newest(folder: ProjectFolder) -> RunRecord:
    """Return the newest run that finished, else the newest of all."""
    hub = None if folder.is_unused else folder.hub
    fits = [r for r in hub.list_runs() if "job" not in r.parameters] if hub else []
    done = [r for r in fits if r.state == "succeeded"] or fits
    if not done:
        raise UserError(
            "FLOW053",
            f"there is no run in {folder.folder} yet.",
            "run a query first, or name the project's folder with --project.",
        )
    return done[0]
