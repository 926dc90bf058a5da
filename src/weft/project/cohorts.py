"""What moves predictions, cohort by cohort, in words and as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft.compile import compile_cohorts
from weft.core import TaskType, UserError, from_plain, to_plain
from weft.learn import Cohort, Cohorts
from weft.project.explanation import share_table, short_unit
from weft.project.view import cell_text, count_text, html_table

if TYPE_CHECKING:
    from weft.project.run import Run

_MOST = 5


@dataclass(frozen=True)
class CohortExplanation:
    """What moves a model's predictions, for each value of a column."""

    told: Cohorts | None
    model: str

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        return {"model": self.model, "cohorts": to_plain(self.told)}

    def __str__(self) -> str:
        if self.told is None:
            return f"Nothing moves the predictions of {self.model}."
        parts = [
            f"What moves the predictions of {self.told.model}, by {self.told.column}, "
            f"measured on {self.told.num_rows:,} val rows. Mean amounts are {short_unit(self.told.unit)}."
        ]
        for cohort in self.told.cohorts:
            parts += ["", _headline(self.told.column, cohort)]
            for title, shares in _sections(cohort):
                if shares:
                    parts += ["", share_table(title, shares[:_MOST])]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        if self.told is None:
            return str(self)
        cells = [
            [
                c.value,
                str(c.num_rows),
                cell_text(c.prediction),
                s.words,
                f"{s.value:.1%}",
            ]
            for c in self.told.cohorts
            for s in c.features[:_MOST]
        ]
        return html_table([self.told.column, "rows", "mean prediction", "feature", "share"], cells)


def explain_cohorts(run: Run, by: str) -> CohortExplanation:
    """Say what moves the winner's predictions on val, for each value of a column.

    Args:
        run: The run.
        by: A column of the entity's table, ``table.column``.

    Raises:
        UserError: ``LEARN060`` for another column, and for lists of items.
    """
    table, _, column = by.rpartition(".")
    entity = run.schema.table(run.task.entity_table)
    known = [c.name for c in entity.columns]
    if run.task.type is TaskType.LINK_PREDICTION:
        raise UserError(
            "LEARN060",
            "lists of items are not told apart by cohorts.",
            "leave the column out: weft explain RUN.",
        )
    if table not in ("", entity.name) or column not in known:
        raise UserError(
            "LEARN060",
            f"'{by}' is no column of '{entity.name}', whose rows predictions are about.",
            f"choose among {', '.join(f'{entity.name}.{c}' for c in known[:12])}.",
        )
    evaluate = next(node for node in run.plan.nodes if node.name == "evaluate")
    plan = compile_cohorts(
        run.plan,
        run.query,
        run.winner,
        column,
        history=evaluate.parameters["history"],
        seed=evaluate.parameters["seed"],
        resources=run.project.resources,
    )
    value = run.project.run(plan, targets=("cohorts",)).outputs["cohorts"].value["cohorts"]
    return CohortExplanation(None if value is None else from_plain(Cohorts, value), run.winner)


def _headline(column: str, cohort: Cohort) -> str:
    mean = "" if cohort.prediction is None else f", {cohort.prediction:.4g} is predicted on average"
    return f"{column} {cohort.value}: {count_text(cohort.num_rows, 'row')}{mean}"


def _sections(cohort: Cohort) -> Any:
    return (
        ("table", cohort.tables),
        ("link", cohort.links),
        ("column", cohort.columns),
        ("distance", cohort.hops),
        ("feature", cohort.features),
    )
