"""``weft store``: look after what is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.project import ProjectFolder, collect_garbage, verify_store

store_app = typer.Typer(help="Look after what is kept in .weft.", no_args_is_help=True)
app.add_typer(store_app, name="store")


@store_app.command("gc")
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: opt.Json = False,
    project: opt.ProjectDir = None,
) -> None:
    """Remove content that no run, model or name reaches; safe while other processes run.

    Example: weft store gc --dry-run
    """
    view = collect_garbage(ProjectFolder(project or "."), dry_run=dry_run)
    print_json(view.plain) if as_json else print_result(view.text)


@store_app.command("verify")
def verify(as_json: opt.Json = False, project: opt.ProjectDir = None) -> None:
    """Read everything in .weft and compare it with its checksums; exit 1 when something is damaged.

    Example: weft store verify
    """
    view = verify_store(ProjectFolder(project or "."))
    print_json(view.plain) if as_json else print_result(view.text)
    if not view.plain["is_sound"]:
        raise typer.Exit(1)
