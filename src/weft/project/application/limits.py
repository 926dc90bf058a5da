"""Limits of a project: how many of its jobs run at one time, how much of a resource they hold together."""

from __future__ import annotations

from collections.abc import Iterable

from weft.core import UserError
from weft.project.application.application import Application
from weft.project.application.durable import open_engine
from weft.project.folder import ProjectFolder
from weft.project.view import text_table
from weft.project.views import View

JOBS = "jobs"


def limits_view(project: ProjectFolder) -> View:
    """Show all limits, what is in use, and how many jobs wait."""
    if project.is_unused:
        return View("There are no limits: weft limits set jobs 2.", {"limits": []})
    name = f"project {_name(project)}"
    with open_engine(project) as engine:
        limits, held = engine.limits(), engine.held()
    plain = [
        {"name": JOBS if what == name else what, "most": most, "in_use": held.get(what, 0)}
        for what, most in sorted(limits.items())
    ]
    rows = [[str(found[column]) for column in ("name", "most", "in_use")] for found in plain]
    text = (
        text_table(["what", "most", "in use"], rows)
        if rows
        else "There are no limits: weft limits set jobs 2."
    )
    return View(text, {"limits": plain})


def set_limit(project: ProjectFolder, name: str, most: int | None) -> View:
    """Set or change a limit; ``None`` takes it away. Jobs that wait for it are looked at anew.

    Args:
        project: The project.
        name: ``jobs`` for the jobs of the project that run at one time, or a resource that jobs name.
        most: Of it.

    Raises:
        UserError: ``FLOW087`` for a number below 0, or a limit to take away that there is not.
    """
    with open_engine(project) as engine:
        what = f"project {_name(project)}" if name == JOBS else name
        if most is None and what not in engine.limits():
            raise UserError("FLOW087", f"there is no limit of {name}.", "see them with weft limits.")
        if name == JOBS:
            engine.set_project_limit(_name(project), most)
        else:
            engine.set_limit(name, most)
    return View(
        f"{name}  " + ("no limit" if most is None else f"at most {most}"), {"name": name, "most": most}
    )


def parse_uses(texts: Iterable[str]) -> dict[str, int]:
    """Read ``resource=amount`` as written after ``--use``.

    Raises:
        UserError: ``FLOW087`` for what is no amount.
    """
    found = {}
    for text in texts:
        name, _, amount = text.partition("=")
        if not name or not amount.isdecimal():
            raise UserError("FLOW087", f"'{text}' is no amount of a resource.", "write it as licence=1.")
        found[name] = int(amount)
    return found


def _name(project: ProjectFolder) -> str:
    """Return the name under which the project's jobs are counted."""
    return Application(project).name
