"""Run: a finished fit, with everything that can be asked of it."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import weft.pql
from weft.compile import Answer, FitSpec, compile_answer, read_value
from weft.core import (
    Finding,
    Task,
    TaskType,
    UserError,
    from_json,
    from_plain,
    parse_time,
    to_json,
    to_micros,
    to_plain,
)
from weft.data import like_input
from weft.flow import Output, Plan, RunResult
from weft.hub import RunRecord
from weft.learn import Evaluation, cannot_tell, get_rung
from weft.project.cohorts import CohortExplanation, explain_cohorts
from weft.project.coldstart import cold_facts, cold_lines
from weft.project.embedding import embeddings
from weft.project.explanation import Explanation, GlobalExplanation
from weft.project.folder import ProjectFolder
from weft.project.keys import convert_keys
from weft.project.lineage import NEWER_SNAPSHOT, SNAPSHOT, keep_lineage
from weft.project.models import register_winner
from weft.project.newer import read_newer
from weft.project.pages import write_page
from weft.project.prediction import Asking, predictions
from weft.project.tallies import (
    alarm_lines,
    decision_on,
    not_tried_lines,
    split_sizes,
    stage_facts,
    unread_values,
    unused_lines,
)
from weft.project.view import Findings, Leaderboard
from weft.project.warm import WarmStart, warm_facts, warm_lines

if TYPE_CHECKING:
    from weft.project.query import Query

Source = str | Path | Mapping[str, Any]


class Run:
    """A finished run: leaderboard, verdict, report, predictions, explanations.

    It is reopened by its name in any process (`open_run`); nothing that is asked twice is computed twice.
    """

    def __init__(self, project: ProjectFolder, record: RunRecord, example: Any = None) -> None:
        self.project = project
        self.record = record
        self.example = example
        store = project.store
        results = record.results
        self.plan: Plan = from_json(Plan, store.get_bytes(results["plan"]))
        self.evaluation: Evaluation = from_json(Evaluation, store.get_bytes(results["evaluation"]))
        self.task: Task = from_plain(Task, record.task)

    @classmethod
    def finish(
        cls, query: Query, spec: FitSpec, plan: Plan, record: RunRecord, result: RunResult, warm: WarmStart
    ) -> Run:
        """Register what a plan made as a finished run."""
        project, evaluation = query.graph.project, result.outputs["evaluate"].value
        store = project.store
        kept = {"plan": plan, "evaluation": evaluation}
        digests = {name: store.put_bytes(to_json(value).encode()) for name, value in kept.items()}
        named = {"sentence-model": spec.sentences.tree} if spec.sentences else {}
        for name, digest in (digests | named).items():
            store.set_ref(f"results/{record.name}/{name}", digest)
        warm.keep(store, record.name)
        made = from_plain(Evaluation, evaluation)
        best = made.chosen
        results = {
            **digests,
            "winner": {"model": made.winner, "metric": made.metric, "val": best.val, "test": best.test},
            "verdict": made.verdict.sentence,
            "split_sizes": split_sizes(result.outputs["labels"].value["counts"]),
            "audit": result.outputs["audit"].value,
            "unread": unread_values(result.outputs["tables"].value["findings"]),
            "layout": result.outputs["labels"].value["layout"],
            "counts": result.outputs["labels"].value["counts"],
            "models": list(spec.models),
            "warm_start": warm_facts(warm, result),
            "stages": [stage_facts(e) for e in result.events],
            "seconds": result.seconds,
            "source": query.graph.place,
            "source_at": query.graph.place_at,
        }
        project.hub.finish_run(record.id, results=results)
        keep_lineage(project, record.id, plan, result.outputs, {SNAPSHOT: query.graph.place_at})
        register_winner(project, record, query.task, made, result.outputs)
        return cls(project, project.hub.get_run(record.id), query.graph.example)

    @property
    def name(self) -> str:
        """The run's name, by which it is reopened."""
        return self.record.name

    @property
    def query(self) -> str:
        """The question in PQL."""
        return self.record.query

    @property
    def winner(self) -> str:
        """The model that is best on val."""
        return self.evaluation.winner

    @property
    def verdict(self) -> str:
        """In one sentence: what won, by how much, and whether something simpler would do."""
        return self.evaluation.verdict.sentence

    @property
    def audit(self) -> Findings:
        """What the audit found: a tuple of findings, shown as a table."""
        return Findings(from_plain(Finding, f) for f in self.record.results["audit"]["findings"])

    @property
    def leaderboard(self) -> Any:
        """One row per model, best on val first, in the caller's frame type (a list of dicts for Arrow)."""
        rows = self._rows()
        if self.example is None:
            return rows
        return like_input(pa.Table.from_pylist([{**r, "ci": str(r["ci"])} for r in rows]), self.example)

    def predict(
        self,
        *,
        at: str | dt.datetime | None = None,
        entities: Sequence[Any] | None = None,
        quantiles: Sequence[float] | None = None,
        source: Source | None = None,
        top: int | None = None,
        keep_seen: bool = True,
        all_items: bool = False,
    ) -> Any:
        """Predict with the winner.

        Args:
            at: Anchor time; the last fact time when left out.
            entities: Keys; all that exist and meet WHERE when left out.
            quantiles: Such as ``[0.1, 0.9]`` for the columns ``q10`` and ``q90``; regression and forecasting.
            source: Where the same tables are, with newer rows: a folder, file, URL, or frames by name.
            top: Items per entity, for recommendations; as many as the query ranks when left out.
            keep_seen: Whether items that the entity chose before are recommended, too.
            all_items: Whether the network that is best on val searches all items, not the collected
                candidates alone.

        Raises:
            UserError: ``DATA133`` when the source lacks a table of the run; ``LEARN062`` for options of
                recommendations where none are made; ``LEARN063`` when no network can search.

        Returns:
            A frame of the type that went in (Arrow for files and databases); columns as in
            ``docs/reference/pql.md``.
        """
        asking = Asking(at, entities, quantiles, source, top, keep_seen, all_items)
        return like_input(predictions(self, asking), self.example)

    def embed(
        self,
        *,
        model: str | None = None,
        at: str | dt.datetime | None = None,
        entities: Sequence[Any] | None = None,
        source: Source | None = None,
    ) -> Any:
        """Return what a network knows of each entity: a frame of key, anchor_time and ``embedding``.

        Args:
            model: Name of a network on the leaderboard; the best on val when left out.
            at: As for `predict`; so are ``entities`` and ``source``.

        Raises:
            UserError: ``LEARN047`` when the run has no network.
        """
        return like_input(embeddings(self, model, at, self.keys(entities), source), self.example)

    def explain(
        self, entity: Any, *, at: str | dt.datetime | None = None, source: Source | None = None
    ) -> Explanation:
        """Say what moved one prediction: features, tables, links, columns and rows, with amounts.

        Args:
            entity: Key of the entity.
            at: Anchor time; the last fact time when left out.
            source: As for `predict`.
        """
        key = self.keys([entity])
        output, _ = self.answer(Answer.EXPLAIN, at, key, source=source)
        return Explanation.of(self, key[0] if key else entity, output.value)

    def importance(self, *, by: str | None = None) -> GlobalExplanation | CohortExplanation:
        """Say what moves predictions in general, by table, link, column and feature, with the check.

        Args:
            by: A column of the entity's table, such as ``users.city``: says it for each of its values apart.

        Raises:
            UserError: ``LEARN064`` when the winner is a network that cannot tell.
        """
        if by is not None:
            return explain_cohorts(self, by)
        is_ranking = self.task.type is TaskType.LINK_PREDICTION
        if self.evaluation.importance is None and is_ranking and self._reads_graph():
            raise cannot_tell(self.winner)
        return GlobalExplanation(self.evaluation.importance, self.winner)

    def _reads_graph(self) -> bool:
        return bool(getattr(get_rung(self.evaluation.chosen.rung), "reads_graph", False))

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report: one self-contained HTML file.

        Args:
            path: Where to; ``report-<run>.html`` in the project folder when left out.
        """
        from weft.project.document import fill_document
        from weft.report import render_report

        target = Path(path) if path is not None else self.project.folder / f"report-{self.name}.html"
        self.report_path = write_page(target, render_report(fill_document(self)))
        return target

    def to_json(self) -> dict[str, Any]:
        """Return the run as the plain data of ``--json``."""
        path = getattr(self, "report_path", None)
        results = self.record.results
        return {
            "run": self.name,
            "query": self.query,
            "task": self.task.type.value,
            "history": self.record.history,
            "metric": self.evaluation.metric,
            "split_sizes": results["split_sizes"],
            "audit": [
                {**to_plain(f), "subject": f.subject, "decision": decision_on(self.record.results, f)}
                for f in self.audit
            ],
            "leaderboard": self._rows(),
            "winner": results["winner"],
            "comparisons": {
                c.model: {"difference": c.difference, "low": c.low, "high": c.high}
                for c in self.evaluation.comparisons
            },
            "scores": self.evaluation.scores,
            "cold_start": cold_facts(self.evaluation),
            "verdict": self.verdict,
            "warm_start": results.get("warm_start", {}),
            "stages": results["stages"],
            "seconds": results["seconds"],
            "report": str(path) if path else None,
        }

    def text(self) -> str:
        """Return question, audit, leaderboard and verdict as text for a terminal."""
        parts = [f"Run {self.name}", f"  {self.query}", ""]
        alarms = [f for f in self.audit if f.severity.value == "alarm"]
        parts += alarm_lines(self.record.results, alarms)
        sizes = ", ".join(f"{k} {v:,}" for k, v in self.record.results["split_sizes"].items())
        parts += [
            "" if alarms else "Audit: no alarms.",
            f"Rows: {sizes}. History: {self.record.history}.",
            "",
        ]
        told = not_tried_lines(self.record.parameters)
        told += warm_lines(self.record.results.get("warm_start", {}))
        parts += [repr(self._rows()), *told, *cold_lines(self.evaluation), "", f"Verdict: {self.verdict}"]
        return "\n".join(parts)

    @property
    def unused(self) -> list[str]:
        """Lines about options and settings that did nothing for this kind of task."""
        return unused_lines(self.record.parameters)

    def output(self, node: str) -> Output:
        """Return what a node of the run made; runs it again if the store has lost it."""
        return self.project.run(self.plan, targets=(node,)).outputs[node]

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        head = f"<p><b>{html.escape(self.name)}</b> <code>{html.escape(self.query)}</code></p>"
        return f"{head}<p>{html.escape(self.verdict)}</p>{self._rows()._repr_html_()}"

    def _rows(self) -> Leaderboard:
        rows = Leaderboard()
        for row in self.evaluation.leaderboard:
            spread = row.test_interval or row.val_interval
            rows.append(
                {
                    "model": row.model,
                    "metric": row.metric,
                    "val": row.val,
                    "test": row.test,
                    "ci": [spread.low, spread.high] if spread else None,
                    "fit_s": round(row.fit_s, 3),
                    "rows_per_s": round(row.rows_per_s, 1),
                    "words": row.words,
                    "left_out": row.left_out,
                }
            )
        return rows

    def answer(
        self,
        kind: Answer,
        at: Any,
        entities: Sequence[Any] | None,
        *,
        model: str | None = None,
        quantiles: tuple[float, ...] = (),
        wanted: Mapping[str, Any] | None = None,
        source: Source | None = None,
    ) -> tuple[Output, float]:
        """Run the Plan of an answer, with the winner where no model is named.

        Returns:
            The answer, and the seconds that its own nodes took when they were run, be it now or earlier.
        """
        if not isinstance(at, (str, dt.datetime, type(None))):
            raise UserError("DATA131", f"at is {at!r}.", "give a time such as '2026-01-31', or a datetime.")
        at_us = None if at is None else (parse_time(at) if isinstance(at, str) else to_micros(at))
        plan = compile_answer(
            self.plan,
            self.query,
            model or self.winner,
            at_us=at_us,
            entities=None if entities is None else tuple(entities),
            kind=kind,
            quantiles=quantiles,
            wanted=wanted,
            source=None if source is None else read_newer(self, source),
            resources=self.project.resources,
        )
        result = self.project.run(plan, targets=("answer",))
        places = {SNAPSHOT: self.record.results.get("source_at", self.record.results["source"])}
        places |= {} if source is None else {NEWER_SNAPSHOT: source}
        keep_lineage(self.project, self.record.id, plan, result.outputs, places)
        fitted = {node.name for node in self.plan.nodes}
        return result.outputs["answer"], sum(e.seconds for e in result.events if e.node not in fitted)

    def keys(self, given: Sequence[Any] | None) -> list[Any] | None:
        """Turn keys that came as text into the type of the entity's key."""
        return None if given is None else convert_keys(self.schema, self.task, given)

    @property
    def schema(self) -> Any:
        """The schema that the run worked on."""
        from weft.core import Schema

        return from_plain(Schema, self.output("tables").value["schema"])

    @property
    def profile(self) -> Any:
        """The profile of the tables that the run worked on."""
        from weft.data import Profile

        return read_value(self.output("profile"), Profile, "profile.json")

    @property
    def words(self) -> str:
        """The question in words."""
        return weft.pql.describe(weft.pql.compile_query(self.query, self.schema))
