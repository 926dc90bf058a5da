"""A fit by the processes of one launch: the first makes the run, the others help and open it."""

from __future__ import annotations

from collections.abc import Callable

from weft.compile.programs.company import as_told, help_out
from weft.learn.networks.company import open_company
from weft.project.finished import open_run
from weft.project.folder import ProjectFolder
from weft.project.run import Run


def fit_together(project: ProjectFolder, fit: Callable[[], Run]) -> Run:
    """Return what ``fit`` makes, which of several processes the first alone calls.

    Args:
        project: Where the run is; the same for all processes.
        fit: Makes the run.

    Raises:
        WeftError: In all processes what ended the first.
    """
    company = open_company()
    if company is None:
        return fit()
    if company.rank:
        return open_run(help_out(company, project.store), project=project)
    try:
        run = fit()
    except BaseException as error:
        if not company.is_broken:
            company.tell({"error": as_told(error)})
        raise
    company.tell({"run": run.name})
    return run
