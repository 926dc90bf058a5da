"""``weft query explain`` and ``weft labels``: what a query means and the labels it makes."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.cli.place import open_graph

query_app = typer.Typer(help="Look at a query before it runs.", no_args_is_help=True)
app.add_typer(query_app, name="query")


@query_app.command("explain")
def explain_query(
    folder: opt.Folder,
    query: opt.QueryText,
    history: opt.HistoryName = "seed_time",
    val_start: opt.ValStart = None,
    test_start: opt.TestStart = None,
    step: opt.Step = None,
    eval_anchors: opt.EvalAnchors = None,
    as_json: opt.Json = False,
    project: opt.ProjectDir = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Say what a query means; no model is fitted.

    Prints the task, the windows, the anchors of each split, the candidates and what would be read.

    Example: weft query explain shop/ --query "PREDICT SUM(orders.amount, 0, 30) FOR EACH users.user_id"
    """
    graph = open_graph(folder, project, memory_limit, threads)
    chosen = _given(history, val_start, test_start, step, eval_anchors)
    explanation = graph.ask(query, chosen).explain()
    print_json(explanation.to_json()) if as_json else print_result(str(explanation))


@app.command()
def labels(
    folder: opt.Folder,
    query: opt.QueryText,
    out: Annotated[str, typer.Option("--out", "-o", help="A .parquet or .csv file.")],
    history: opt.HistoryName = "seed_time",
    val_start: opt.ValStart = None,
    test_start: opt.TestStart = None,
    step: opt.Step = None,
    eval_anchors: opt.EvalAnchors = None,
    as_json: opt.Json = False,
    project: opt.ProjectDir = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Write the label table of a query.

    Its columns are the entity's key under its own name, anchor_time, label and split.

    Example: weft labels shop/ --query "PREDICT COUNT(orders.*, 0, 30) = 0 FOR EACH users.user_id"
    --out labels.parquet
    """
    graph = open_graph(folder, project, memory_limit, threads)
    chosen = _given(history, val_start, test_start, step, eval_anchors)
    written = graph.ask(query, chosen).write_labels(out)
    print_json(written.plain) if as_json else print_result(written.text)


def _given(
    history: str, val_start: str | None, test_start: str | None, step: str | None, eval_anchors: int | None
) -> dict[str, object]:
    options = {
        "history": history,
        "val_start": val_start,
        "test_start": test_start,
        "step": step,
        "eval_anchors": eval_anchors,
    }
    return {name: value for name, value in options.items() if value is not None}
