"""``weft init`` and ``weft version``."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.project import init_project
from weft.version import __version__


@app.command()
def init(
    folder: Annotated[
        str, typer.Argument(help="The project folder, made when missing.", metavar="FOLDER")
    ] = ".",
    source: Annotated[str, typer.Option("--source", "-s", help="Folder, file or URL of the tables.")] = ".",
    as_json: opt.Json = False,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Write weft.yaml with all that was found.

    It holds the keys, times, links and meanings of columns, and three queries, ready to be corrected.

    Example: weft init myproject --source shop/
    """
    view = init_project(folder, source, memory_limit=memory_limit, threads=threads)
    print_json(view.plain) if as_json else print_result(view.text)


@app.command()
def version(as_json: opt.Json = False) -> None:
    """Print the version of Weft."""
    print_json({"version": __version__}) if as_json else print_result(__version__)
