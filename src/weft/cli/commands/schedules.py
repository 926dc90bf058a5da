"""``weft schedule …`` and ``weft limits …``: jobs without anybody asking, and how many go on at one time."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.core import parse_duration_s
from weft.project import ProjectFolder, View
from weft.project.application import (
    What,
    When,
    add_schedule,
    change_schedule,
    limits_view,
    parse_assignments,
    parse_uses,
    schedule_view,
    schedules_view,
    set_limit,
)

schedule_app = typer.Typer(help="Run flows at times, or when data change.", no_args_is_help=True)
limits_app = typer.Typer(help="Limit what runs at one time.", invoke_without_command=True)
app.add_typer(schedule_app, name="schedule")
app.add_typer(limits_app, name="limits")

Name = Annotated[
    str, typer.Argument(help="Of the schedule, one word; its jobs are called after it.", metavar="NAME")
]
Cron = Annotated[
    str, typer.Option("--cron", help="Minute, hour, day of month, month, day of week: '0 3 * * *'.")
]
Zone = Annotated[str, typer.Option("--zone", help="Time zone of --cron and {date}.")]
WhenChanged = Annotated[
    str,
    typer.Option(
        "--when-changed", help="Folder, file, address or dataset:NAME to look at instead.", metavar="DATA"
    ),
]
Every = Annotated[str, typer.Option("--every", help="Between two looks at the data: 30s, 5m.")]
Missed = Annotated[
    str,
    typer.Option(
        "--missed", help="For times at which no controller was there, run: latest, skip (none), all."
    ),
]
Repeat = Annotated[bool, typer.Option("--repeat", help="Run every task, also if nothing has changed.")]
Limited = Annotated[
    str, typer.Argument(help="'jobs' for the project's jobs, or a resource that jobs use.", metavar="WHAT")
]


@schedule_app.command("add")
def add(
    name: Name,
    cron: Cron = "",
    zone: Zone = "UTC",
    when_changed: WhenChanged = "",
    every: Every = "1m",
    missed: Missed = "latest",
    flow: opt.FlowName = None,
    parameter: opt.Parameters = None,
    spec: opt.Specification = None,
    deployment: opt.Deployment = None,
    backend: opt.BackendName = "process",
    use: opt.Uses = None,
    repeat: Repeat = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Run a flow at times, or when data change.

    A job is submitted each time, from the files as they are then; in parameters {date} and {time} stand for
    the time that is due. A controller heeds schedules: one is started where none is, and stays while there
    are any. After the machine has been started anew, start one: weft job serve.

    Example: weft schedule add nightly --cron "0 3 * * *" --zone Europe/Zurich -p day={date}

    Example: weft schedule add fresh --when-changed shop/ --every 5m
    """
    when = When(cron, zone, when_changed, parse_duration_s(every), missed)
    what = What(
        flow, parse_assignments(parameter or ()), spec, deployment, backend, parse_uses(use or ()), repeat
    )
    _show(add_schedule(ProjectFolder(project or "."), name, when, what), as_json)


@schedule_app.command("list")
def list_schedules(as_json: opt.Json = False, project: opt.Here = None) -> None:
    """List the schedules: when, the next time, what came of the last.

    Example: weft schedule list
    """
    _show(schedules_view(ProjectFolder(project or ".")), as_json)


@schedule_app.command("show")
def show(name: Name, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Show what became of the times of a schedule.

    Its jobs, the times that were missed, and failures.

    Example: weft schedule show nightly
    """
    _show(schedule_view(ProjectFolder(project or "."), name), as_json)


@schedule_app.command("pause")
def pause(name: Name, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Let a schedule stand still; its jobs go on.

    Example: weft schedule pause nightly
    """
    _show(change_schedule(ProjectFolder(project or "."), name, "pause"), as_json)


@schedule_app.command("resume")
def resume(name: Name, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Let a schedule go on with its next time.

    Those that passed meanwhile are not made up for.

    Example: weft schedule resume nightly
    """
    _show(change_schedule(ProjectFolder(project or "."), name, "resume"), as_json)


@schedule_app.command("remove")
def remove(name: Name, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Forget a schedule; jobs that it began go on.

    Example: weft schedule remove nightly
    """
    _show(change_schedule(ProjectFolder(project or "."), name, "remove"), as_json)


@limits_app.callback()
def limits(context: typer.Context, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Show the limits of submitted jobs, and what is in use.

    Example: weft limits
    """
    if context.invoked_subcommand is None:
        _show(limits_view(ProjectFolder(project or ".")), as_json)


@limits_app.command("set")
def set_one(
    what: Limited,
    most: Annotated[int, typer.Argument(help="Of it, for all jobs together.", metavar="MOST")],
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Limit jobs at one time, or a resource in use.

    Jobs say what they use: weft job submit --use licence=1. What has no room waits and says for what.

    Example: weft limits set jobs 2
    """
    _show(set_limit(ProjectFolder(project or "."), what, most), as_json)


@limits_app.command("remove")
def remove_one(what: Limited, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Take a limit away.

    Example: weft limits remove jobs
    """
    _show(set_limit(ProjectFolder(project or "."), what, None), as_json)


def _show(view: View, as_json: bool) -> None:
    print_json(view.plain) if as_json else print_result(view.text)
