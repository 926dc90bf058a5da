"""``weft quickstart``, ``weft fit`` and ``weft demo``: from tables to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_notice, print_result
from weft.cli.place import open_graph
from weft.learn.networks.company import is_helper
from weft.project import Graph, Run, make_demo, propose_queries


@app.command()
def quickstart(
    folder: opt.Folder,
    query: opt.OptionalQueryText = None,
    history: opt.HistoryName = "seed_time",
    val_start: opt.ValStart = None,
    test_start: opt.TestStart = None,
    step: opt.Step = None,
    eval_anchors: opt.EvalAnchors = None,
    models: opt.Models = None,
    metric: opt.Metric = None,
    budget: opt.Budget = None,
    trials: opt.Trials = None,
    seed: opt.Seed = 0,
    as_json: opt.Json = False,
    project: opt.ProjectDir = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
    report: opt.Report = None,
) -> None:
    """From tables to a verdict and a report, in one command.

    Finds keys and links, makes labels, climbs the ladder of models, writes the report. Without a query it
    proposes three and runs the first.

    Example: weft quickstart shop/ --query "PREDICT COUNT(orders.*, 0, 30) = 0 FOR EACH users.user_id"
    """
    graph = open_graph(folder, project, memory_limit, threads)
    text = query or _first_proposal(graph)
    chosen = _said(history=history, val_start=val_start, test_start=test_start, step=step)
    chosen |= _said(eval_anchors=eval_anchors, models=models, metric=metric)
    search = {"budget": budget, "trials": trials, "seed": seed}
    _fit(graph, text, chosen, search, report, as_json)


@app.command()
def fit(
    folder: opt.Folder,
    query: opt.QueryText,
    history: opt.HistoryName = "seed_time",
    val_start: opt.ValStart = None,
    test_start: opt.TestStart = None,
    step: opt.Step = None,
    eval_anchors: opt.EvalAnchors = None,
    models: opt.Models = None,
    metric: opt.Metric = None,
    budget: opt.Budget = None,
    trials: opt.Trials = None,
    seed: opt.Seed = 0,
    warm_start: opt.WarmStart = None,
    validation: opt.Validation = "split",
    origins: opt.Origins = None,
    labels: opt.Labels = None,
    as_json: opt.Json = False,
    project: opt.ProjectDir = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
    backend: opt.BackendName = "inline",
    report: opt.Report = None,
) -> None:
    """Fit the ladder of models for a query.

    The query is written out, or is the name of one in weft.yaml.

    Example: weft fit shop/ --query "PREDICT COUNT(orders.*, 0, 30) = 0 FOR EACH users.user_id" --budget 5m

    Example: weft fit shop/ --query churn --models lightgbm,network --warm-start latest

    Example: weft fit . --query churn --val-start 2025-01-01 --test-start 2025-03-01 --eval-anchors 2
    """
    graph = open_graph(folder, project, memory_limit, threads, backend)
    chosen = _said(history=history, val_start=val_start, test_start=test_start, step=step)
    chosen |= _said(eval_anchors=eval_anchors, models=models, metric=metric, label_table=labels)
    search = {"budget": budget, "trials": trials, "seed": seed}
    search |= {"warm_start": warm_start, "validation": validation, "origins": origins}
    _fit(graph, query, chosen, search, report, as_json)


@app.command()
def demo(
    folder: Annotated[
        str, typer.Argument(help="Where to write the shop and the report.", metavar="FOLDER")
    ] = "demo",
    users: Annotated[int, typer.Option("--users", min=100, help="Number of customers.")] = 2000,
    budget: opt.Budget = None,
    seed: opt.Seed = 0,
    as_json: opt.Json = False,
) -> None:
    """Generate a shop and run the main job on it.

    The best possible score on this shop is known, and printed beside the one that was reached.

    Example: weft demo demo --users 2000
    """
    made = make_demo(Path(folder), num_users=users, budget=budget, seed=seed)
    if as_json:
        print_json(made.run.to_json() | {"best_possible": made.best_possible})
        return
    print_result(made.run.text())
    print_result(f"\nBest possible {made.metric} on this shop: {made.best_possible:.4f}")
    print_result(f"Report: {made.run.report_path}")


def _said(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _first_proposal(graph: Graph) -> str:
    proposals = propose_queries(graph)
    told = f"These {len(proposals)}" if len(proposals) > 1 else "This one"
    print_notice(f"No query was given. {told} can be answered with these tables:")
    for text in proposals:
        print_notice(f"  {text}")
    print_notice("Running the first.")
    return proposals[0]


def _fit(
    graph: Graph,
    text: str,
    chosen: dict[str, Any],
    search: dict[str, Any],
    report: str | None,
    as_json: bool,
) -> None:
    """Fit and show the run; a statement that begins with EXPLAIN is explained."""
    if "models" in chosen:
        chosen["models"] = tuple(m.strip() for m in chosen["models"].split(",") if m.strip())
    query = graph.ask(text, chosen)
    if query.is_explanation:
        told = query.explain()
        print_json(told.to_json()) if as_json else print_result(str(told))
        return
    run = query.fit(**search)
    if not is_helper():
        _show(run, report, as_json)


def _show(run: Run, report: str | None, as_json: bool) -> None:
    for line in run.unused:
        print_notice(line)
    path = run.report(report)
    if as_json:
        print_json(run.to_json())
        return
    print_result(run.text())
    print_result(f"Report: {path}")
