"""``weft workspace``: a Jupyter server for a person, beside the project's data."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_notice, print_result
from weft.core import Resources, parse_duration_s, parse_size
from weft.project import ProjectFolder, Workspace, open_workspaces

workspace_app = typer.Typer(
    help="Jupyter servers for people, beside the project's data.", no_args_is_help=True
)
app.add_typer(workspace_app, name="workspace")

Name = Annotated[str, typer.Argument(help="Name of the workspace.", metavar="NAME")]


@workspace_app.command("start")
def start(
    name: Name = "workspace",
    memory: Annotated[
        str, typer.Option("--memory", help="For each of its processes.", metavar="SIZE")
    ] = "2GB",
    cores: Annotated[int, typer.Option("--cores", min=1, help="Processor cores.")] = 1,
    gpus: Annotated[int, typer.Option("--gpus", min=0, help="GPUs.")] = 0,
    idle: Annotated[
        str,
        typer.Option(
            "--idle", help="Ends after this long without use: 30m, 8h; 0 for never.", metavar="TIME"
        ),
    ] = "1h",
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Start a Jupyter server and print the link that opens it.

    It runs on until it is stopped or unused for as long as --idle says; notebooks see the project folder, and
    weft is there to import. A workspace of this name that runs is shown again.

    Example: weft workspace start notes --memory 4GB --idle 2h
    """
    limits = Resources(parse_size(memory), cores, gpus)
    waits: set[str] = set()

    def tell(now: Workspace) -> None:
        if now.reason and now.reason not in waits:
            waits.add(now.reason)
            print_notice(f"{name}: {now.reason}")

    idle_s = 0.0 if idle == "0" else parse_duration_s(idle)
    made = open_workspaces(ProjectFolder(project or ".")).start(
        name, resources=limits, idle_s=idle_s, wait=tell
    )
    print_json(made.to_json()) if as_json else print_result(str(made))


@workspace_app.command("list")
def list_workspaces(as_json: opt.Json = False, project: opt.Here = None) -> None:
    """List the workspaces of a project with their states and links.

    Example: weft workspace list
    """
    found = open_workspaces(ProjectFolder(project or ".")).list()
    if as_json:
        print_json([w.to_json() for w in found])
    else:
        print_result("\n".join(str(w) for w in found) or "No workspace was started here.")


@workspace_app.command("logs")
def logs(name: Name = "workspace", as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Print what a workspace's server and kernels wrote.

    Example: weft workspace logs notes
    """
    text = open_workspaces(ProjectFolder(project or ".")).logs(name)
    print_json({"logs": text}) if as_json else print_result(text)


@workspace_app.command("stop")
def stop(
    name: Name = "workspace",
    remove: Annotated[
        bool, typer.Option("--remove", help="Forget it too; the project's files stay.")
    ] = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """End a workspace with all its kernels.

    Example: weft workspace stop notes
    """
    workspaces = open_workspaces(ProjectFolder(project or "."))
    ended = workspaces.stop(name)
    if remove:
        workspaces.remove(name)
    print_json(ended.to_json()) if as_json else print_result(str(ended))
