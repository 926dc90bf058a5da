"""Query: one question about the future of a graph, before and while it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import weft.pql
from weft.compile import (
    FitSpec,
    compile_fit,
    compile_labels,
    open_tables,
)
from weft.core import History, SplitOptions, Task, digest_value, parse_duration_s, to_plain
from weft.data import Labels, like_input, plan_layout, read_labels, to_arrow
from weft.flow import Plan
from weft.learn import ladder
from weft.project.explanation import QueryExplanation
from weft.project.options import split_options
from weft.project.run import Run

if TYPE_CHECKING:
    from weft.project.graph import Graph

DEFAULT_BUDGET = "60s"


@dataclass(frozen=True)
class Query:
    """A checked query on a graph. `explain` runs nothing of the fit, `labels` and `fit` do."""

    graph: Graph
    checked: weft.pql.Query

    @property
    def text(self) -> str:
        """The query in its canonical form."""
        return self.checked.canonical

    @property
    def task(self) -> Task:
        """The task that the query states."""
        return self.checked.task

    def explain(self, **options: Any) -> QueryExplanation:
        """Say what a fit would do: task, windows, splits, candidates, cost. No model is fitted.

        Args:
            **options: As for `fit`.
        """
        splits = split_options(options)
        history = History(options.get("history", History.SEED_TIME))
        outputs = self.graph.outputs
        with open_tables(outputs["tables"], self.graph.project.resources) as tables:
            layout = plan_layout(tables, self.checked, splits, history)
            rows = {t.name: tables.num_rows(t.name) for t in self.graph.tables}
        return QueryExplanation(
            words=weft.pql.describe(self.checked),
            query=self.text,
            task=self.task,
            history=history,
            layout=layout,
            rows=rows,
            models=tuple(options.get("models") or ladder(self.task)),
            findings=self.graph.findings,
        )

    def labels(self, *, label_table: Any = None, **options: Any) -> Any:
        """Compute the label table: the entity's key under its own name, anchor_time, label, split.

        Args:
            label_table: A frame of the user's own with these columns (``split`` optional), instead of the query's.
            **options: ``history``, ``val_start``, ``test_start``, ``step``, ``eval_anchors`` …

        Returns:
            A frame of the type that went in; Arrow for files and databases.
        """
        labels = self.run_labels(label_table=label_table, **options)
        table = labels.table.drop_columns(["cutoff"])
        names = [self.task.entity_column if n == "entity" else n for n in table.column_names]
        return like_input(table.rename_columns(names), self.graph.example)

    def run_labels(self, **options: Any) -> Labels:
        """Run the Plan up to the labels and return them with layout, counts and findings."""
        spec = self._spec(options)
        nodes = compile_labels(self.graph.nodes, spec, self.graph.project.resources)
        result = self.graph.project.run(Plan(f"labels {self.text}", nodes[:-1]))
        return read_labels(result.outputs["labels"])

    def fit(self, *, budget: str = DEFAULT_BUDGET, seed: int = 0, **options: Any) -> Run:
        """Climb the ladder and return the finished run.

        Interrupting (Ctrl-C) leaves what is finished in the store; calling `fit` again resumes.

        Args:
            budget: Time for the search, such as ``"5m"``.
            seed: For everything random.
            **options: ``models``, ``history``, ``val_start``, ``test_start``, ``step``, ``eval_anchors``,
                ``label_table``, ``audit``.
        """
        spec = self._spec(options, budget_s=parse_duration_s(budget), seed=seed)
        project = self.graph.project
        plan = compile_fit(self.graph.nodes, spec, project.resources)
        record = project.hub.start_run(
            query=self.text,
            task=to_plain(self.task),
            history=spec.history.value,
            plan_digest=digest_value(plan),
            parameters={"seed": seed, "budget_s": spec.budget_s, "models": list(spec.models)},
        )
        try:
            result = project.run(plan)
        except BaseException as error:
            project.hub.fail_run(record.id, error)
            raise
        return Run.finish(self.graph, self.checked, spec, record, result)

    def _spec(self, options: dict[str, Any], *, budget_s: float = 0.0, seed: int = 0) -> FitSpec:
        known = dict(options)
        label_table = known.pop("label_table", None)
        models = known.pop("models", None) or ladder(self.task)
        history = History(known.pop("history", None) or History.SEED_TIME)
        decisions = {**self.graph.project.settings.audit, **(known.pop("audit", None) or {})}
        digest = None
        if label_table is not None:
            digest = self.graph.project.keep_table(to_arrow(label_table))
        return FitSpec(
            query=self.text,
            task=self.task,
            options=split_options(known) if known else SplitOptions(),
            history=history,
            models=tuple(models),
            budget_s=budget_s,
            seed=seed,
            decisions=decisions,
            label_table=digest,
        )

    def __repr__(self) -> str:
        return f"{self.text}\n{weft.pql.describe(self.checked)}"
