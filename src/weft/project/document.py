"""Fill the report's document from a finished run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import weft.report as report
from weft.compile import read_table
from weft.core import History, TaskType, format_time, from_plain
from weft.data import Layout, Profile
from weft.learn import Evaluation, ExampleRow, LeaderboardRow, get_metric
from weft.learn.targets import Targets
from weft.project.coldstart import cold_part
from weft.project.explanation import UNITS, deletion_sentence, short_unit
from weft.project.neighbors import neighbor_rows, seen_sentence
from weft.project.reproduction import describe_reproduction
from weft.project.tallies import decision_on, unread_findings
from weft.project.trials import search_facts
from weft.version import __version__

if TYPE_CHECKING:
    from weft.project.run import Run

_KS = (1, 3, 5, 10, 12, 20)
_MOST = 12
_MOST_ROWS = 10


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
        splits=_splits(labels, results["counts"]),
        anchors=report.anchor_facts(labels),
        tables=report.table_facts(profile, run.task, notes=_notes(run)),
        links=report.link_facts(profile),
        audit=_audit(run),
        quality=(*profile.findings, *unread_findings(results)),
        ladder=tuple(_rung(row) for row in made.leaderboard),
        search=search_facts(run),
        cold_start=cold_part(made),
        importance=_importance(made),
        examples=_examples(run),
        versions=_versions(run),
        stages=tuple(_stage(s) for s in results["stages"]),
        reproduction=describe_reproduction(run),
        **plots,
    )


def _splits(labels: pa.Table, counts: dict[str, int]) -> tuple[report.SplitFacts, ...]:
    return tuple(
        replace(facts, undefined=counts.get(f"{facts.name}_undefined", 0))
        for facts in report.split_facts(labels)
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
        fit_s=None if row.left_out else row.fit_s,
        rows_per_s=None if row.left_out else row.rows_per_s,
        words="" if row.left_out else row.words,
        note=row.left_out,
    )


def _plots(run: Run, made: Evaluation) -> dict[str, Any]:
    """Make the plots of the split that was judged: test, or val where test has no rows."""
    table = read_table(run.output("evaluate"), "predictions.parquet")
    split = "test" if "test" in table["split"].unique().to_pylist() else "val"
    table = table.filter(pc.equal(table["split"], split))
    kind = run.task.type
    if kind in (TaskType.BINARY, TaskType.REGRESSION, TaskType.FORECASTING):
        return _number_plots(table, made, split, kind)
    plots: dict[str, Any] = {"ranking": _rankings(table, made, split)}
    if "truth" in table.column_names:
        truth, said = (pc.list_flatten(table[name]).to_numpy() for name in ("truth", "probability"))
        found = report.binary_plots(truth.astype(np.float64), said, model=made.winner, split=split)
        plots["binary"] = () if found is None else (found,)
    if "predicted" in table.column_names:
        plots["confusion"] = _confusion(table, made.classes)
    return plots


def _number_plots(table: pa.Table, made: Evaluation, split: str, kind: TaskType) -> dict[str, Any]:
    models = _models(table, made)
    if kind is TaskType.BINARY:
        found = [_binary(table, m, split, made) for m in models[:4]]
        return {"binary": tuple(p for p in found if p is not None)}
    label = table["label"].to_numpy()
    plots = [
        report.regression_plots(label, table[f"model {m}"].to_numpy(), model=m, split=split)
        for m in models[:2]
    ]
    drawn: dict[str, Any] = {"regression": tuple(p for p in plots if p is not None)}
    if "frame" in table.column_names:
        predicted = table[f"model {made.winner}"].to_numpy()
        drawn["frames"] = report.frame_facts(table["frame"].to_numpy(), label, predicted)
    return drawn


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


def _rankings(table: pa.Table, made: Evaluation, split: str) -> tuple[report.RankingPlots, ...]:
    """Score the lists of every model at several lengths; nothing for tasks without lists."""
    names = [r.model for r in made.leaderboard if f"hits {r.model}" in table.column_names]
    if not names:
        return ()
    num_true = table["num_true"].to_numpy()
    targets = Targets(np.zeros(len(num_true)), num_true)
    return tuple(
        _ranking(np.array(table[f"hits {m}"].to_pylist(), dtype=bool), targets, m, split) for m in names
    )


def _ranking(hits: np.ndarray, targets: Targets, model: str, split: str) -> report.RankingPlots:
    ks = tuple(k for k in _KS if k <= hits.shape[1])
    scores = {
        name: tuple(get_metric(f"{name}@{k}").score(targets, hits) or 0.0 for k in ks)
        for name in ("map", "recall")
    }
    return report.RankingPlots(model, split, ks, scores["map"], scores["recall"])


def _importance(made: Evaluation) -> report.Importance | None:
    told = made.importance
    if told is None:
        return None

    def bars(shares: Any) -> tuple[report.Bar, ...]:
        return tuple(report.Bar(s.name, s.words, s.value, s.mean) for s in shares[:_MOST])

    check = None
    if told.deletion is not None:
        found = told.deletion
        check = report.DeletionCheck(found.removed, found.important, found.random, deletion_sentence(told))
    return report.Importance(
        model=told.model,
        tables=bars(told.tables),
        links=bars(told.links),
        columns=bars(told.columns),
        features=bars(told.features),
        deletion=check,
        num_rows=told.num_rows,
        hops=bars(told.hops),
        unit=short_unit(told.unit),
    )


def _examples(run: Run) -> tuple[report.Example, ...]:
    return tuple(
        report.Example(
            entity=f"{run.task.entity_table} {example.entity}",
            anchor_us=example.anchor_us,
            prediction=_predicted(run.task.type, example),
            actual=_actual(run.task.type, example),
            words=_usual(run.task.type, example),
            unit=UNITS.get(example.told.unit, example.told.unit),
            contributions=tuple(
                report.Contribution(a.words, a.value, a.amount, a.table) for a in example.told.amounts[:8]
            ),
            neighborhood=neighbor_rows(example.told.neighborhood, _MOST_ROWS),
            seen=seen_sentence(example.told.neighborhood),
            command=shlex.join(
                ["weft", "explain", run.name, example.entity, "--at", format_time(example.anchor_us)]
            ),
        )
        for example in run.evaluation.examples
    )


_SURE = (TaskType.BINARY, TaskType.MULTICLASS, TaskType.MULTILABEL, TaskType.MULTILABEL_RANKING)


def _predicted(kind: TaskType, example: ExampleRow) -> str:
    told = example.told
    if kind is TaskType.LINK_PREDICTION:
        return f"{told.about} first"
    number = report.percent_text(told.prediction) if kind in _SURE else report.number_text(told.prediction)
    return f"{told.about}: {number}" if told.about else number


def _actual(kind: TaskType, example: ExampleRow) -> str:
    if example.actual:
        return example.actual
    if kind is TaskType.BINARY:
        return "yes" if example.label else "no"
    return report.number_text(example.label)


def _usual(kind: TaskType, example: ExampleRow) -> str:
    usual = example.told.usual
    if usual is None or not example.told.amounts:
        return ""
    told = report.percent_text(usual) if kind in _SURE else report.number_text(usual)
    return f"Knowing nothing of it, {told} would be predicted."


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
