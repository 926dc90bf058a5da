"""``weft tables`` and ``weft links``: what was found, with evidence."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.cli.place import open_graph
from weft.project import links_view, tables_view


@app.command()
def tables(
    folder: opt.OptionalFolder = ".",
    table: Annotated[str | None, typer.Option("--table", help="Show the columns of this table.")] = None,
    as_json: opt.Json = False,
    project: opt.ProjectDir = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Show tables, keys, times, and what is wrong with the data.

    With --table: the columns of one table, what each means and why, its range and values.

    Example: weft tables shop/ --table orders
    """
    view = tables_view(open_graph(folder, project, memory_limit, threads), table)
    print_json(view.plain) if as_json else print_result(view.text)


@app.command()
def links(
    folder: opt.OptionalFolder = ".",
    as_json: opt.Json = False,
    project: opt.ProjectDir = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Show how the tables are linked, and why.

    Example: weft links shop/
    """
    view = links_view(open_graph(folder, project, memory_limit, threads))
    print_json(view.plain) if as_json else print_result(view.text)
