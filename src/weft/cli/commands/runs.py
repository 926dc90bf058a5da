"""``weft runs``, ``predict``, ``embed``, ``explain``, ``report``: what runs made and can do."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.core import UserError
from weft.project import Asking, ProjectFolder, embed_to, open_run, predict_to, runs_view


@app.command()
def runs(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of a run, its start, or 'latest'; default: list all.", metavar="RUN"),
    ] = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """List the runs, newest first, or show one.

    Example: weft runs latest
    """
    folder = ProjectFolder(project or ".")
    if name is not None:
        run = open_run(name, project=folder)
        print_json(run.to_json()) if as_json else print_result(run.text())
        return
    view = runs_view(folder)
    print_json(view.plain) if as_json else print_result(view.text)


@app.command()
def predict(
    run: opt.RunName = "latest",
    at: opt.At = None,
    entity: opt.Entities = None,
    quantiles: opt.Quantiles = None,
    source: opt.Newer = None,
    top: opt.Top = None,
    drop_seen: opt.DropSeen = False,
    all_items: opt.AllItems = False,
    out: opt.Target = None,
    table: opt.TargetTable = "predictions",
    mode: opt.WriteMode = "replace",
    as_json: opt.Json = False,
    project: opt.Here = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Predict with a finished run.

    Predicts for all entities or those named, and shows the result or writes it, all or nothing.

    Example: weft predict latest --at 2026-01-01 --out predictions.parquet

    Example: weft predict latest --quantiles 0.1,0.9

    Example: weft predict latest --source shop/ --out predictions.parquet

    Example: weft predict latest --top 12 --drop-seen --out recommendations.parquet
    """
    folder = ProjectFolder(project or ".", memory_limit=memory_limit, threads=threads)
    levels = opt.levels(quantiles)
    asking = Asking(at, entity, levels, source, top, not drop_seen, all_items)
    view = predict_to(open_run(run, project=folder), asking, out=out, table=table, mode=mode)
    print_json(view.plain) if as_json else print_result(view.text)


@app.command()
def embed(
    run: opt.RunName = "latest",
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="A network on the leaderboard; default: the best on val.", metavar="NAME"
        ),
    ] = None,
    at: opt.At = None,
    entity: opt.Entities = None,
    source: opt.Newer = None,
    out: opt.Target = None,
    table: opt.TargetTable = "embeddings",
    mode: opt.WriteMode = "replace",
    as_json: opt.Json = False,
    project: opt.Here = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Write entities as vectors of a network.

    What a network of the run knows of each: of all, or of those named; at the last fact time or another.

    Example: weft embed latest --out embeddings.parquet
    """
    folder = ProjectFolder(project or ".", memory_limit=memory_limit, threads=threads)
    opened = open_run(run, project=folder)
    view = embed_to(
        opened,
        model=model,
        at=at,
        entities=opened.keys(entity),
        source=source,
        out=out,
        table=table,
        mode=mode,
    )
    print_json(view.plain) if as_json else print_result(view.text)


@app.command()
def explain(
    run: opt.RunName = "latest",
    entity: Annotated[
        str | None, typer.Argument(help="Key of an entity; default: all in general.", metavar="KEY")
    ] = None,
    at: opt.At = None,
    source: opt.Newer = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Column of the entity's table: without a key, tell its values apart."),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="HTML file to write the explanation of a key to.")
    ] = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Say what moved a prediction, and by how much.

    With a key: which tables, links, columns, features and rows moved this prediction. Without one: what moves
    predictions in general, with a check by deletion.

    Example: weft explain latest

    Example: weft explain latest --by users.tier

    Example: weft explain latest 42 --at 2026-01-01 --out why.html
    """
    _check_explained(entity, by, out)
    folder = ProjectFolder(project or ".", memory_limit=memory_limit, threads=threads)
    opened = open_run(run, project=folder)
    if entity is None:
        told: Any = opened.importance(by=by)
    else:
        told = opened.explain(entity, at=at, source=source)
    if out is not None:
        told.page(out)
    print_json(told.to_json()) if as_json else print_result(str(told))


@app.command()
def report(
    run: opt.RunName = "latest",
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="HTML file; default: report-RUN.html in the project.")
    ] = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Write the report of a run, one HTML file.

    Example: weft report latest --out report.html
    """
    path = open_run(run, project=ProjectFolder(project or ".")).report(out)
    print_json({"report": str(path)}) if as_json else print_result(str(path))


def _check_explained(entity: str | None, by: str | None, out: str | None) -> None:
    """Refuse options that mean nothing together.

    Raises:
        UserError: ``LEARN061``.
    """
    if entity is None and out is not None:
        raise UserError(
            "LEARN061",
            "--out writes the explanation of one prediction, and no key was given.",
            "name a key, or write the report of the run: weft report RUN.",
        )
    if entity is not None and by is not None:
        raise UserError(
            "LEARN061",
            f"--by tells cohorts of all predictions apart, and the key {entity} was given.",
            "leave out the key or --by.",
        )
