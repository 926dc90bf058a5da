"""Schedules of a project: flows that become jobs at times, or when data change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from weft.core import UserError, format_time
from weft.flow import Plan
from weft.flow.engine import Engine, Firing, Missed, RunOptions, Schedule
from weft.project.application.application import Application
from weft.project.application.durable import name_backend, open_engine
from weft.project.application.launch import controller_lock, ensure_controller
from weft.project.application.submission import describe_submitted
from weft.project.application.watching import data_digest
from weft.project.folder import ProjectFolder
from weft.project.view import text_table
from weft.project.views import View

_MAKER = "weft.project.application.scheduling:make_plan"
_WATCH = "weft.project.application.watching:watch_data"


@dataclass(frozen=True)
class When:
    """When a flow runs: at times of ``cron``, or when ``data`` change.

    Attributes:
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        zone: Time zone of them, and of ``{date}`` in parameters.
        data: A folder or file, the address of one, or ``dataset:name``.
        every_s: Seconds between two looks at ``data``.
        missed: What becomes of times at which no controller was there: latest, skip or all.
    """

    cron: str = ""
    zone: str = "UTC"
    data: str = ""
    every_s: float = 60.0
    missed: str = "latest"


@dataclass(frozen=True)
class What:
    """What is run then; see `Application.submit`. Files are read when the time comes.

    In texts among the parameters ``{date}`` and ``{time}`` stand for the time that is due.
    """

    flow: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None
    deployment: str | None = None
    backend: str = "process"
    uses: Mapping[str, int] = field(default_factory=dict)
    is_repeated: bool = False


def add_schedule(project: ProjectFolder, name: str, when: When, what: What) -> View:
    """Keep a schedule, in the place of one of the same name, and see that a controller is there.

    Raises:
        UserError: ``FLOW086`` for one that is not possible; and what `Application.submit` raises.
    """
    if bool(when.cron) == bool(when.data):
        raise UserError(
            "FLOW086",
            f"schedule '{name}' is not possible: it needs a time or data to look at, and not both.",
            'give --cron "0 3 * * *" or --when-changed FOLDER.',
        )
    schedule, kept = _schedule(project, name, when, what)
    with open_engine(project) as engine:
        engine.schedule(schedule)
        if kept:
            project.store.set_ref(f"schedules/{name}", kept)
        plain = _plain(engine, schedule, engine.schedules()[name][1])
    ensure_controller(project)
    return View(f"{name}  {plain['when']}  next {plain['next']}", plain)


def _schedule(project: ProjectFolder, name: str, when: When, what: What) -> tuple[Schedule, str]:
    """Return a schedule, and the digest of its backend's settings; what a job would be refused for is."""
    application = Application(project, run=what.run, deployment=what.deployment)
    given = _filled(what.parameters, time.time_ns() // 1000, "UTC")
    compiled, _ = application.prepare(flow=what.flow, parameters=given, backend=what.backend)
    settings = dict(application.backend_settings(what.backend))
    project.open_backend(what.backend, settings)
    backend, kept = name_backend(project, what.backend, settings)
    repeat = tuple(sorted(n.name for n in compiled.plan.nodes)) if what.is_repeated else ()
    told: dict[str, Any] = {
        "folder": str(project.folder),
        "schedule": name,
        "data": when.data,
        "zone": when.zone,
    }
    told |= {"settings": settings, "repeat": list(repeat)}
    told |= {n: getattr(what, n) for n in ("flow", "run", "deployment", "backend")}
    told |= {n: dict(getattr(what, n)) for n in ("parameters", "uses")}
    schedule = Schedule(
        name,
        maker=_MAKER,
        cron=when.cron,
        zone=when.zone,
        watch=_WATCH if when.data else "",
        every_s=when.every_s,
        digest=data_digest(project, when.data) if when.data else "",
        parameters=told,
        missed=_missed(name, when.missed),
        options=RunOptions(backend=backend, project=application.name, uses=dict(what.uses), repeat=repeat),
    )
    return schedule, kept


def schedules_view(project: ProjectFolder) -> View:
    """Show all schedules: when, what came of the last time, when next."""
    if project.is_unused:
        return View("There is no schedule yet. Add one: weft schedule add.", {"schedules": []})
    with open_engine(project) as engine:
        found = [_plain(engine, schedule, next_us) for schedule, next_us in engine.schedules().values()]
    served = _is_served(project)
    plain = {"schedules": found, "is_served": served}
    if not found:
        return View("There is no schedule yet. Add one: weft schedule add.", plain)
    rows = [[s["name"], s["when"], s["flow"] or "–", s["next"], s["last"] or "–"] for s in found]
    text = text_table(["schedule", "when", "flow", "next", "last"], rows)
    lines = [] if served else ["", "No controller is there to heed them: weft job serve."]
    return View("\n".join([text, *lines]), plain)


def schedule_view(project: ProjectFolder, name: str) -> View:
    """Show what became of the times of a schedule, the newest first.

    Raises:
        UserError: ``FLOW086`` when there is no such schedule.
    """
    with open_engine(project) as engine:
        schedule, next_us = _found(engine, name)
        firings = engine.firings(name)
        plain = _plain(engine, schedule, next_us)
    plain["firings"] = [{**f.__dict__, "at": format_time(f.at_us)} for f in firings]
    rows = [[format_time(f.at_us), f.outcome, f.run or "–", f.reason] for f in firings]
    head = f"{name}  {plain['when']}  next {plain['next']}"
    table = text_table(["time", "outcome", "job", "why"], rows) if rows else "None of its times has come yet."
    return View(f"{head}\n\n{table}", plain)


def change_schedule(project: ProjectFolder, name: str, what: str) -> View:
    """Pause, resume or remove a schedule; jobs that it began go on.

    Raises:
        UserError: ``FLOW086`` when there is no such schedule.
    """
    with open_engine(project) as engine:
        acts = {
            "pause": (engine.pause_schedule, "paused"),
            "resume": (engine.resume_schedule, "goes on"),
            "remove": (engine.unschedule, "removed"),
        }
        act, done = acts[what]
        act(name)
    if what == "remove":
        project.store.delete_ref(f"schedules/{name}")
    if what == "resume":
        ensure_controller(project)
    return View(f"{name}  {done}", {"schedule": name, "state": done})


def make_plan(parameters: Mapping[str, Any], firing: Firing) -> Plan:
    """Make the plan of a job that is due, and keep what the job was asked to do under its name."""
    project = ProjectFolder(parameters["folder"])
    application = Application(project, run=parameters["run"], deployment=parameters["deployment"])
    given = _filled(parameters["parameters"], firing.at_us, parameters["zone"])
    backend, settings = parameters["backend"], parameters["settings"]
    compiled, order = application.prepare(flow=parameters["flow"], parameters=given, backend=backend)
    about = describe_submitted(compiled, order, backend, settings, parameters["repeat"])
    about |= {"schedule": parameters["schedule"], "uses": parameters["uses"]}
    plan = project.store.put_bytes(compiled.plan.to_json().encode())
    order.keep(project.store, firing.run, plan, about=about)
    return compiled.plan


def _filled(parameters: Mapping[str, Any], at_us: int, zone: str) -> dict[str, Any]:
    at = datetime.fromtimestamp(at_us / 1e6, ZoneInfo(zone))
    words = {"{date}": at.date().isoformat(), "{time}": at.isoformat(timespec="seconds")}

    def fill(value: Any) -> Any:
        for word, said in words.items() if isinstance(value, str) else ():
            value = value.replace(word, said)
        return value

    return {name: fill(value) for name, value in parameters.items()}


def _missed(name: str, word: str) -> Missed:
    try:
        return Missed(word)
    except ValueError:
        raise UserError(
            "FLOW086",
            f"schedule '{name}' is not possible: '{word}' says nothing about times that were missed.",
            f"write {', '.join(m.value for m in Missed)}.",
        ) from None


def _found(engine: Engine, name: str) -> tuple[Schedule, int]:
    known = engine.schedules()
    if name not in known:
        raise UserError("FLOW086", f"there is no schedule '{name}'.", "see them with weft schedule list.")
    return known[name]


def _plain(engine: Engine, schedule: Schedule, next_us: int) -> dict[str, Any]:
    last = next(iter(engine.firings(schedule.name)), None)
    told = schedule.parameters
    when = f"{schedule.cron} {schedule.zone}" if schedule.cron else f"when {told['data']} changes"
    return {
        "name": schedule.name,
        "when": when,
        "flow": told["flow"],
        "parameters": told["parameters"],
        "backend": told["backend"],
        "is_paused": schedule.is_paused,
        "next": "paused" if schedule.is_paused else format_time(next_us - next_us % 1_000_000),
        "last": f"{last.outcome}: {last.run or last.reason}" if last else "",
    }


def _is_served(project: ProjectFolder) -> bool:
    lock = controller_lock(project)
    if not lock.try_acquire():
        return True
    lock.release()
    return False
