"""The options that several commands share, each with its help."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.core import UserError

Folder = Annotated[
    str,
    typer.Argument(
        help="A folder of Parquet or CSV files, a database file or URL, a RelBench folder, or a project "
        "folder with weft.yaml.",
        metavar="FOLDER",
    ),
]
OptionalFolder = Annotated[
    str,
    typer.Argument(help="Folder, file, URL or project folder.", metavar="FOLDER"),
]
QueryText = Annotated[
    str, typer.Option("--query", "-q", help="The predictive query, or its name in weft.yaml.")
]
OptionalQueryText = Annotated[
    str | None,
    typer.Option("--query", "-q", help="The predictive query, or its name in weft.yaml."),
]
HistoryName = Annotated[
    str,
    typer.Option(
        "--history",
        help="What a row may see: seed_time (all up to its own anchor) or frozen (val and test up to their "
        "split's start).",
    ),
]
ValStart = Annotated[
    str | None,
    typer.Option(
        "--val-start",
        help="First val anchor, such as 2005-01-01; goes with --test-start. Default: the newest tenth of the "
        "anchors is test, the tenth before it val.",
    ),
]
TestStart = Annotated[str | None, typer.Option("--test-start", help="First test anchor, such as 2010-01-01.")]
Step = Annotated[
    str | None,
    typer.Option("--step", help="Between anchors, such as '30 days'; default: the target's longest window."),
]
EvalAnchors = Annotated[
    int | None,
    typer.Option(
        "--eval-anchors", help="Most val, and most test, anchors from the given times on; default: 1."
    ),
]
Models = Annotated[
    str | None,
    typer.Option("--models", help="Rungs to try, such as constant,lightgbm; default: all for the task."),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="What models are chosen by, such as rmse or average_precision; default: auroc, mae, accuracy or "
        "map@k, as the task is.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        help="Work for the search, all rungs together, as CPU time on a common machine: 90s, 5m, 2h; "
        "default: 20s, and 40s for networks where they are installed.",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials",
        min=1,
        help="Trials of the search over networks, each of full length, instead of a budget.",
    ),
]
Validation = Annotated[
    str,
    typer.Option(
        "--validation",
        help="What the search over networks scores its trials on: split (val) or rolling (val and earlier "
        "windows, each after train rows of its own).",
    ),
]
Origins = Annotated[
    int | None,
    typer.Option(
        "--origins", min=2, help="With --validation rolling: how many windows, val among them; default: 3."
    ),
]
WarmStart = Annotated[
    str | None,
    typer.Option(
        "--warm-start",
        help="An earlier run of the same query whose networks those of this run go on from: its name, or "
        "'latest'.",
        metavar="RUN",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="For everything random; equal seeds give equal results.")]
Labels = Annotated[
    str | None,
    typer.Option("--labels", help="A Parquet or CSV label table of your own instead of the query's labels."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
ProjectDir = Annotated[
    str | None,
    typer.Option(
        "--project", help="Folder that keeps results in .weft; default: FOLDER with weft.yaml, else here."
    ),
]
MemoryLimit = Annotated[
    str | None, typer.Option("--memory-limit", help="Such as 4GB; default: six tenths of the memory.")
]
BackendName = Annotated[
    str,
    typer.Option(
        "--backend",
        help="Where steps run: inline (this process), process (workers of this machine that outlive it), "
        "kubernetes, ray, or one that a package adds.",
    ),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Number of threads; default: every core.")
]
RunName = Annotated[str, typer.Argument(help="Name of a run, its start, or 'latest'.", metavar="RUN")]
At = Annotated[
    str | None, typer.Option("--at", help="Anchor time, such as 2026-01-01; default: the last fact time.")
]
Newer = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="Where the same tables are with newer rows: a folder, file or URL; default: those of the run.",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        help="Write to a .parquet, .csv, .duckdb or .sqlite file or a postgresql:// URL; default: show the "
        "first rows.",
    ),
]
TargetTable = Annotated[str, typer.Option("--table", help="Table to write in a database.")]
WriteMode = Annotated[
    str, typer.Option("--mode", help="What to do with a table that is there: replace or append.")
]
Entities = Annotated[
    list[str] | None, typer.Option("--entity", "-e", help="Key of an entity, repeatable; default: all.")
]
Report = Annotated[
    str | None,
    typer.Option("--report", help="Where to write the report; default: report-RUN.html in the project."),
]
Here = Annotated[
    str | None, typer.Option("--project", help="The project's folder, with .weft; default: this folder.")
]
Quantiles = Annotated[
    str | None,
    typer.Option(
        "--quantiles",
        help="Such as 0.1,0.9: the columns q10 and q90 beside a predicted number, so that one outcome in ten "
        "is expected below the first and one in ten above the second.",
    ),
]

Top = Annotated[
    int | None,
    typer.Option("--top", min=1, help="Items per entity, for recommendations; default: those of RANK TOP k."),
]
DropSeen = Annotated[
    bool,
    typer.Option("--drop-seen", help="Recommend nothing that the entity chose before; default: keep it."),
]
AllItems = Annotated[
    bool,
    typer.Option(
        "--all-items",
        help="Search all items by the best network of the run; default: rank the collected candidates.",
    ),
]

Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        help="name=value or task.name=value, repeatable; goes before what all files say.",
        metavar="K=V",
    ),
]
FlowName = Annotated[
    str | None, typer.Option("--flow", help="Name of a flow; default: the one that the files choose.")
]
Specification = Annotated[
    str | None, typer.Option("--spec", help="Run specification; default: run.json where there is one.")
]
Deployment = Annotated[
    str | None, typer.Option("--deployment", help="Default: deployment.json where there is one.")
]
Uses = Annotated[
    list[str] | None,
    typer.Option("--use", help="Limited resource that a job holds: licence=1; repeatable.", metavar="R=N"),
]


def levels(given: str | None) -> list[float] | None:
    """Read the numbers of ``--quantiles``.

    Raises:
        UserError: ``LEARN031`` when one is no number.
    """
    if given is None:
        return None
    try:
        return [float(part) for part in given.split(",")]
    except ValueError:
        raise UserError(
            "LEARN031",
            f"'{given}' is no list of quantiles.",
            "write numbers between 0 and 1, such as 0.1,0.9.",
        ) from None
