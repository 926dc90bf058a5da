"""``weft store``: look after what is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.core import parse_duration_s
from weft.project import ProjectFolder, collect_garbage, verify_store

store_app = typer.Typer(help="Look after what is kept in .weft.", no_args_is_help=True)
app.add_typer(store_app, name="store")


@store_app.command("gc")
def gc(
    runs_older_than: Annotated[
        str | None,
        typer.Option(
            "--runs-older-than",
            help="First forget runs that ended so long ago (90d), with results and logs; default: none.",
            metavar="TIME",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Remove what no run and no model needs.

    Safe while other processes run; what was written or used in the last hour stays. Runs stay that are not
    over, or that something was registered from.

    Example: weft store gc --dry-run

    Example: weft store gc --runs-older-than 90d
    """
    older_s = parse_duration_s(runs_older_than) if runs_older_than is not None else None
    view = collect_garbage(ProjectFolder(project or "."), runs_older_than_s=older_s, dry_run=dry_run)
    print_json(view.plain) if as_json else print_result(view.text)


@store_app.command("verify")
def verify(as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Compare everything in .weft with its checksums.

    Names what is damaged or missing, who needs it and what to do; exits with 1 when there is any.

    Example: weft store verify
    """
    view = verify_store(ProjectFolder(project or "."))
    print_json(view.plain) if as_json else print_result(view.text)
    if not view.plain["is_sound"]:
        raise typer.Exit(1)
