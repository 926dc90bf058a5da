"""Fill the report's document from a finished run."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import weft.report as report
from weft.compile import read_table
from weft.core import History, TaskType, from_plain
from weft.data import Layout, Profile
from weft.learn import Evaluation, LeaderboardRow, get_metric
from weft.learn.targets import Targets
from weft.project.explanation import deletion_sentence
from weft.project.tallies import decision_on
from weft.version import __version__

if TYPE_CHECKING:
    from weft.project.run import Run

_PACKAGES = ("weft", "duckdb", "ibis-framework", "lightgbm", "scikit-learn", "numpy", "pyarrow")
_KS = (1, 3, 5, 10, 12, 20)
_MOST = 12


def fill_document(run: Run) -> report.ReportDocument:
    """Collect everything that the report of ``run`` shows."""
    made, results = run.evaluation, run.record.results
    layout = from_plain(Layout, results["layout"])
    labels = read_table(run.output("labels"), "labels.parquet")
    profile = run.profile
    ends = [layout.window_end_us(a) - a for a in layout.test[:1]]
    plots = _plots(run, made)
    return report.ReportDocument(
        title=run.record.project,
        run=run.name,
        words=run.words.split("\n")[0],
        query=run.query,
        task=run.task,
        history=History(run.record.history),
        verdict=run.verdict,
        winner=run.winner,
        metric=made.metric,
        higher_is_better=made.higher_is_better,
        weft_version=__version__,
        created_us=run.record.created_us,
        seconds=results["seconds"],
        horizon_us=ends[0] if ends and ends[0] > 0 else None,
        history_start_us=_history_start(profile),
        splits=report.split_facts(labels),
        anchors=report.anchor_facts(labels),
        tables=report.table_facts(profile, run.task, notes=_notes(run)),
        links=report.link_facts(profile),
        audit=_audit(run),
        quality=profile.findings,
        ladder=tuple(_rung(row) for row in made.leaderboard),
        importance=_importance(made),
        examples=_examples(run),
        versions=_versions(run),
        stages=tuple(_stage(s) for s in results["stages"]),
        reproduction=_reproduction(run),
        **plots,
    )


def _history_start(profile: Profile) -> int | None:
    starts = [
        column.minimum
        for table in profile.schema.tables
        if table.time_column
        for column in [profile.table(table.name).column(table.time_column)]
        if column.minimum is not None
    ]
    return int(min(starts)) if starts else None


def _notes(run: Run) -> dict[str, str]:
    audit = run.record.results["audit"]
    notes = {f"{t}.{c}": "left out by the audit" for t, c in audit["excluded"]}
    return notes | {f"{t}.{c}": "used as of a stated time" for t, c, _ in audit["as_of"]}


def _audit(run: Run) -> tuple[report.FindingFacts, ...]:
    return tuple(report.FindingFacts(f, decision_on(run.record.results, f)) for f in run.audit)


def _rung(row: LeaderboardRow) -> report.Rung:
    def score(value: float | None, spread: Any) -> report.Score | None:
        if value is None:
            return None
        return report.Score(value, spread.low if spread else None, spread.high if spread else None)

    return report.Rung(
        model=row.model,
        val=score(row.val, row.val_interval),
        test=score(row.test, row.test_interval),
        fit_s=row.fit_s,
        rows_per_s=row.rows_per_s,
        words=row.words,
        note=row.left_out,
    )


def _plots(run: Run, made: Evaluation) -> dict[str, Any]:
    """Make the plots of the split that was judged: test, or val where test has no rows."""
    table = read_table(run.output("evaluate"), "predictions.parquet")
    split = "test" if "test" in table["split"].unique().to_pylist() else "val"
    table = table.filter(pc.equal(table["split"], split))
    kind = run.task.type
    if kind is TaskType.LINK_PREDICTION:
        return {"ranking": (_ranking(table, made.winner, split),)}
    models = _models(table, made)
    if kind is TaskType.BINARY:
        found = [_binary(table, m, split, made) for m in models[:4]]
        return {"binary": tuple(p for p in found if p is not None)}
    if kind in (TaskType.REGRESSION, TaskType.FORECASTING):
        label = table["label"].to_numpy()
        plots = [
            report.regression_plots(label, table[f"model {m}"].to_numpy(), model=m, split=split)
            for m in models[:2]
        ]
        return {"regression": tuple(p for p in plots if p is not None)}
    if kind is TaskType.MULTICLASS and "predicted" in table.column_names:
        return {"confusion": _confusion(table, made.classes)}
    return {}


def _models(table: pa.Table, made: Evaluation) -> list[str]:
    named = [r.model for r in made.leaderboard if f"model {r.model}" in table.column_names]
    return [made.winner, *(m for m in named if m not in (made.winner, "constant"))]


def _binary(table: pa.Table, model: str, split: str, made: Evaluation) -> Any:
    threshold = made.threshold if model == made.winner else None
    return report.binary_plots(
        table["label"].to_numpy(),
        table[f"model {model}"].to_numpy(),
        model=model,
        split=split,
        threshold=threshold,
    )


def _confusion(table: pa.Table, classes: tuple[str, ...]) -> Any:
    def names(column: str) -> list[str]:
        codes = table[column].to_numpy().astype(np.int64)
        return [classes[c] if 0 <= c < len(classes) else "not in train" for c in codes]

    return report.confusion_of(names("label"), names("predicted"))


def _ranking(table: pa.Table, winner: str, split: str) -> report.RankingPlots:
    hits = np.array(table["hits"].to_pylist(), dtype=bool)
    num_true = table["num_true"].to_numpy()
    targets = Targets(np.zeros(len(num_true)), num_true)
    ks = tuple(k for k in _KS if k <= hits.shape[1])
    scores = {
        name: tuple(get_metric(f"{name}@{k}").score(targets, hits) or 0.0 for k in ks)
        for name in ("map", "recall")
    }
    return report.RankingPlots(winner, split, ks, scores["map"], scores["recall"])


def _importance(made: Evaluation) -> report.Importance | None:
    told = made.importance
    if told is None:
        return None

    def bars(shares: Any) -> tuple[report.Bar, ...]:
        return tuple(report.Bar(s.name, s.words, s.value) for s in shares[:_MOST])

    check = None
    if told.deletion is not None:
        found = told.deletion
        check = report.DeletionCheck(found.removed, found.important, found.random, deletion_sentence(told))
    return report.Importance(
        told.model, bars(told.tables), bars(told.links), bars(told.columns), bars(told.features), check
    )


def _examples(run: Run) -> tuple[report.Example, ...]:
    is_binary = run.task.type is TaskType.BINARY
    return tuple(
        report.Example(
            entity=example.entity,
            anchor_us=example.anchor_us,
            prediction=f"{example.told.prediction:.1%}" if is_binary else f"{example.told.prediction:.4g}",
            actual=str(bool(example.label)).upper() if is_binary else f"{example.label:.4g}",
            unit=example.told.unit,
            contributions=tuple(
                report.Contribution(a.words, a.value, a.amount, a.table) for a in example.told.amounts[:8]
            ),
        )
        for example in run.evaluation.examples
    )


def _versions(run: Run) -> tuple[report.DataVersion, ...]:
    output = run.output("snapshot")
    return tuple(
        report.DataVersion(name, output.files[file], output.value["rows"][name], run.record.results["source"])
        for name, file in sorted(output.value["files"].items())
    )


def _stage(stage: dict[str, Any]) -> report.Stage:
    return report.Stage(
        name=stage["name"],
        state="ran" if stage["state"] == "ran" else "reused",
        seconds=stage["seconds"],
        rows=stage["rows"],
        peak_memory_bytes=stage["peak_bytes"],
        why=stage["why"],
    )


def _reproduction(run: Run) -> report.Reproduction:
    parameters = run.record.parameters
    command = f'weft fit . --query "{run.query}" --history {run.record.history} --seed {parameters["seed"]}'
    command += f" --budget {parameters['budget_s']:g}s" + "".join(
        f" --{name.replace('_', '-')} {value}" for name, value in parameters.get("splits", {}).items()
    )
    versions = [(name, _version(name)) for name in _PACKAGES]
    return report.Reproduction(
        commands=(command, f"weft report {run.name}"),
        seed=parameters["seed"],
        packages=tuple((n, v) for n, v in versions if v),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
