"""Query: one question about the future of a graph, before and while it is answered."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import weft.pql
from weft.compile import FitSpec, compile_fit, compile_labels, read_labels, reads_graph
from weft.core import History, Resources, Split, Task, UserError, digest_value, to_plain
from weft.data import Labels, export_frame, like_input, plan_layout, to_arrow
from weft.data import connect as connect_source
from weft.flow import Plan
from weft.hub import RunRecord
from weft.learn import check_tracking, get_metric, metrics_for
from weft.project.encoding import fixed_encoders, plan_encoders, refused_columns
from weft.project.finished import open_run
from weft.project.guard import refuse_source
from weft.project.ladder import Ladder, plan_ladder, plan_validation, unheard_settings
from weft.project.opening import open_outputs
from weft.project.options import split_options
from weft.project.query_explanation import QueryExplanation
from weft.project.run import Run
from weft.project.searching import check_search
from weft.project.sentences import plan_sentences
from weft.project.tallies import undefined_text
from weft.project.together import fit_together
from weft.project.view import count_text
from weft.project.views import View
from weft.project.warm import WarmStart, plan_warm_start

if TYPE_CHECKING:
    from weft.project.graph import Graph

_NOT_SPLIT = {"history", "models", "label_table", "audit", "metric"}


@dataclass(frozen=True)
class Query:
    """A checked query on a graph. `explain` runs nothing of the fit, `labels` and `fit` do.

    ``options`` are those of `fit`, given beforehand; what a method is given overrules them.
    """

    graph: Graph
    checked: weft.pql.Query
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The query in its canonical form."""
        return self.checked.canonical

    @property
    def task(self) -> Task:
        """The task that the query states."""
        return self.checked.task

    @property
    def is_explanation(self) -> bool:
        """Whether the statement begins with EXPLAIN: it is to be explained, and nothing run."""
        return self.checked.mode is weft.pql.Mode.EXPLAIN

    def explain(self, **options: Any) -> QueryExplanation:
        """Say what a fit would do: task, windows, splits, candidates, cost. No model is fitted.

        Args:
            **options: As for `fit`.
        """
        spec = self._spec(options)
        with open_outputs(self.graph) as tables:
            layout = plan_layout(tables, self.checked, spec.options, spec.history)
            read = plan_sentences(self.graph, spec)
            encoders = {}
            if reads_graph(spec.models):
                refused = refused_columns(self.checked, spec.decisions)
                encoders = plan_encoders(tables, fixed_encoders(spec), read.sentences, refused)
        plan = compile_fit(self.graph.nodes, spec, self.graph.project.resources)
        return QueryExplanation(
            words=weft.pql.describe(self.checked),
            query=self.text,
            task=self.task,
            layout=layout,
            rows={t.table: t.num_rows for t in self.graph.profile.statistics},
            models=tuple(n.name[10:-1] for n in plan.nodes if n.name.startswith("candidate[")),
            findings=self.graph.findings,
            encoders=encoders,
            sentences=read.notes,
        )

    def labels(self, **options: Any) -> Any:
        """Compute the label table: the entity's key under its own name, anchor_time, label, split.

        Args:
            **options: As for `fit`.

        Returns:
            A frame of the type that went in; Arrow for files and databases.
        """
        return like_input(self.label_table(**options), self.graph.example)

    def label_table(self, **options: Any) -> pa.Table:
        """Compute the label table as Arrow, in the columns of `labels`."""
        table = self.run_labels(**options).table.drop_columns(["cutoff"])
        names = [self.task.entity_column if n == "entity" else n for n in table.column_names]
        return table.rename_columns(names)

    def run_labels(self, **options: Any) -> Labels:
        """Run the Plan up to the labels and return them with layout, counts and findings."""
        spec = self._spec(options)
        nodes = compile_labels(self.graph.nodes, spec, self.graph.project.resources)
        result = self.graph.project.run(Plan(f"labels {self.text}", nodes[:-1]))
        return read_labels(result.outputs["labels"])

    def write_labels(self, out: str | Path, **options: Any) -> View:
        """Write the label table to a Parquet or CSV file; say how many rows each split has."""
        refuse_source(str(out), "labels", [self.graph.place_at], (t.name for t in self.graph.schema.tables))
        labels = self.run_labels(**options)
        export_frame(self.label_table(**options), str(out), table_name="labels", mode="replace")
        kept = (f"{split.value}{what}" for split in Split for what in ("", "_positive"))
        counts = ", ".join(f"{k} {labels.counts[k]:,}" for k in kept if k in labels.counts)
        plain = {"file": str(out), "task": self.task.type.value, "counts": labels.counts}
        findings = "\n".join(f"{f.subject}: {f.sentences}" for f in labels.findings)
        plain["findings"] = to_plain(labels.findings)
        text = f"Wrote {count_text(labels.table.num_rows, 'label')} to {out} ({counts.replace('_', ' ')})."
        return View(
            "\n".join(part for part in (text, undefined_text(labels.counts), findings) if part), plain
        )

    def fit(
        self,
        *,
        budget: str | None = None,
        trials: int | None = None,
        seed: int = 0,
        warm_start: str | Run | None = None,
        validation: str = "split",
        origins: int | None = None,
        **options: Any,
    ) -> Run:
        """Climb the ladder and return the finished run.

        Of several processes that ``torchrun`` started the first does so and the others help it to fit
        networks; all return the same run.

        Interrupting (Ctrl-C) leaves what is finished in the store; calling `fit` again resumes.

        Args:
            budget: CPU time for the search, such as ``"5m"``; ``None``: 20 s, and 40 s for networks.
            trials: Trials of the search over networks, each of full length, instead of a budget.
            seed: For everything random.
            warm_start: An earlier run of the same query, or its name: networks go on from its networks.
            validation: ``"rolling"`` scores each trial of the search over networks on several windows.
            origins: How many windows, val among them, are rolled over; ``None`` for three.
            **options: ``history`` (``"seed_time"`` or ``"frozen"``), ``val_start``, ``test_start``, ``step``,
                ``eval_anchors``, ``models`` (rungs to try), ``metric`` (what models are chosen by, such as
                ``"rmse"``), ``label_table`` (a frame or file of your own instead of the query's labels),
                ``audit`` (``table.column`` → ``"drop"``, ``"keep"`` or ``{"as_of": time}``).

        Raises:
            UserError: ``DATA131`` for an option of no such value, ``DATA132`` for EXPLAIN, ``DATA134`` for a
                warm start that cannot be, ``DATA002`` for a budget that is no duration.
        """
        search = (budget, trials, seed, warm_start, validation, origins)
        return fit_together(self.graph.project, lambda: self._fit(*search, options))

    def _fit(
        self,
        budget: str | None,
        trials: int | None,
        seed: int,
        warm_start: str | Run | None,
        validation: str,
        origins: int | None,
        options: dict[str, Any],
    ) -> Run:
        self._check_fit(seed)
        ladder = plan_ladder(self.task, self._known(options).get("models"), budget, trials)
        warm = self._warm(ladder, warm_start)
        rolled, unused = plan_validation(validation, origins, ladder.models, self.task)
        told = {"not_tried": ladder.not_tried, "warm_start": warm.run, "unused": [*ladder.unused, *unused]}
        spec = self._reading(replace(self._spec(options, ladder, seed), warm=warm.digests, origins=rolled))
        plan = compile_fit(self.graph.nodes, spec, self.graph.project.resources)
        record = self._start_run(spec, plan, self._parameters(spec, options) | told)
        return self._finish(spec, plan, record, warm)

    def _reading(self, spec: FitSpec) -> FitSpec:
        """Add which texts a sentence model reads."""
        return replace(spec, sentences=plan_sentences(self.graph, spec).keep(self.graph.project.store))

    def _warm(self, ladder: Ladder, given: str | Run | None) -> WarmStart:
        project = self.graph.project
        earlier = open_run(given, project=project) if isinstance(given, str) else given
        return plan_warm_start(project, self.text, ladder.models, earlier)

    def _finish(self, spec: FitSpec, plan: Plan, record: RunRecord, warm: WarmStart) -> Run:
        project = self.graph.project
        try:
            result = project.run(plan, name=record.name)
            return Run.finish(self, spec, plan, record, result, warm)
        except BaseException as error:
            project.hub.fail_run(record.id, error)
            raise

    def _start_run(self, spec: FitSpec, plan: Plan, parameters: dict[str, Any]) -> RunRecord:
        project = self.graph.project
        return project.hub.start_run(
            query=self.text,
            task=to_plain(self.task),
            history=spec.history.value,
            project=project.settings.name or project.folder.name,
            plan_digest=digest_value(plan),
            parameters=parameters,
        )

    def _check_fit(self, seed: Any) -> None:
        if self.is_explanation:
            raise UserError(
                "DATA132",
                "the statement begins with EXPLAIN, which runs nothing.",
                "call explain(), or leave EXPLAIN out.",
            )
        if not isinstance(seed, int) or seed < 0:
            raise UserError("DATA131", f"seed is {seed!r}.", "give a whole number from 0 up.")
        check_tracking()

    def _parameters(self, spec: FitSpec, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the run is asked for, so that it can be repeated."""
        return {
            "seed": spec.seed,
            "budget_s": spec.budget_s,
            "trials": spec.trials,
            "origins": spec.origins,
            "models": list(spec.models),
            "options": _printable({**self.options, **options}),
            "stated": self.graph.stated,
            "unheard": unheard_settings(spec.space, spec.models),
        }

    def _known(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.options, **options}

    def _spec(self, options: Mapping[str, Any], ladder: Ladder | None = None, seed: int = 0) -> FitSpec:
        known = self._known(options)
        ladder = ladder or plan_ladder(self.task, known.get("models"), None, None)
        splits = split_options({k: v for k, v in known.items() if k not in _NOT_SPLIT})
        settings = self.graph.project.settings
        check_search(settings.search, self.task, self.graph.schema, ladder.models)
        label_table = known.get("label_table")
        return FitSpec(
            query=self.text,
            task=self.task,
            options=splits,
            history=_history(known.get("history")),
            models=ladder.models,
            budget_s=ladder.budget_s,
            trials=ladder.trials,
            space=settings.search,
            seed=seed,
            decisions={**settings.audit, **(known.get("audit") or {})},
            label_table=None if label_table is None else self._keep_labels(label_table),
            metric=self._metric(known.get("metric")),
        )

    def _metric(self, name: str | None) -> str:
        """Check that a metric can score the task; empty is the task's own."""
        if not name:
            return ""
        if self.task.type not in get_metric(name).tasks:
            fitting = ", ".join(m.name for m in metrics_for(self.task))
            raise UserError(
                "DATA131",
                f"metric is '{name}', which does not score a {self.task.type.value} task.",
                f"choose among {fitting}.",
            )
        return name

    def _keep_labels(self, given: Any) -> str:
        """Put the user's own label table into the store; return its digest."""
        project = self.graph.project
        if isinstance(given, (str, Path)):
            table = _read_file(Path(given), project.resources)
        else:
            table = to_arrow(given)
        return project.keep_table(table)

    def __repr__(self) -> str:
        return f"{self.text}\n{weft.pql.describe(self.checked)}"

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in weft.pql.describe(self.checked).split("\n"))
        return f"<p><code>{html.escape(self.text)}</code></p><p>{lines}</p>"


def _printable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as a run keeps them; a frame of labels is only named."""
    told = {k: v for k, v in options.items() if v is not None and k not in ("history", "models")}
    if "label_table" in told and not isinstance(told["label_table"], (str, Path)):
        told["label_table"] = "a frame"
    return {k: v if isinstance(v, (int, float, dict)) else str(v) for k, v in told.items()}


def _read_file(path: Path, resources: Resources) -> pa.Table:
    """Read one Parquet or text file with the connector of its folder."""
    if not path.is_file():
        raise UserError("DATA124", f"there is no label table '{path}'.", "name a .parquet or .csv file.")
    stem = path.name.split(".")[0]
    source = connect_source(str(path.parent), tables={"labels": stem}, use_manifest=False)
    return pa.Table.from_batches(list(source.batches("labels", resources)))


def _history(given: Any) -> History:
    try:
        return History(given or History.SEED_TIME)
    except ValueError:
        raise UserError(
            "DATA123",
            f"'{given}' is not a history.",
            f"choose {' or '.join(h.value for h in History)}.",
        ) from None
