"""Explanations: of one prediction and of a model, in words and as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft.core import from_plain, to_plain
from weft.learn import Importance, RowExplanation
from weft.project.view import html_table, text_table

if TYPE_CHECKING:
    from weft.project.run import Run

_MOST = 12


@dataclass(frozen=True)
class Explanation:
    """Why one prediction is what it is.

    Attributes:
        run: Name of the run.
        entity: Key of the entity.
        model: The model that predicted.
        told: Prediction, base and signed amounts per feature.
        rows: Rows whose absence would change the prediction, the largest effect first: ``table, link, effect,
            row``. The effect is the prediction with the row minus without it.
    """

    run: str
    entity: Any
    model: str
    told: RowExplanation
    rows: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, run: Run, entity: Any, value: dict[str, Any]) -> Explanation:
        """Read what the node made."""
        told = from_plain(RowExplanation, value["contributions"])
        return cls(run.name, entity, run.winner, told, tuple(value["rows"]))

    def by_table(self) -> dict[str, float]:
        """Return the sum of the amounts per table."""
        return self._sums(lambda a: (a.table,) if a.table else ())

    def by_link(self) -> dict[str, float]:
        """Return the sum of the amounts per link walked, divided evenly among the links of a path."""
        return self._sums(lambda a: a.links)

    def by_column(self) -> dict[str, float]:
        """Return the sum of the amounts per column."""
        return self._sums(lambda a: tuple(f"{a.table}.{c}" for c in a.columns))

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        plain: dict[str, Any] = to_plain(self.told)
        return {
            "run": self.run,
            "entity": self.entity,
            "model": self.model,
            **{k: v for k, v in plain.items() if k != "$type"},
            "tables": self.by_table(),
            "links": self.by_link(),
            "columns": self.by_column(),
            "rows": list(self.rows),
        }

    def __str__(self) -> str:
        about = f" for {self.told.about}" if self.told.about else ""
        parts = [f"{self.model} predicts {self.told.prediction:.4g}{about} for {self.entity}.", ""]
        parts.append(f"What moved it, in {self.told.unit}:")
        parts.append(text_table(["amount", "value", "what"], self._cells()))
        if self.rows:
            parts += ["", "Rows that matter (prediction with the row minus without it):"]
            parts += [f"  {r['effect']:+.4f}  {r['table']}: {_row_text(r['row'])}" for r in self.rows[:_MOST]]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        return f"<p>{self.model} predicts {self.told.prediction:.4g}</p>" + html_table(
            ["amount", "value", "what"], self._cells()
        )

    def _cells(self) -> list[list[str]]:
        return [[f"{a.amount:+.4f}", a.value, a.words] for a in self.told.amounts[:_MOST]]

    def _sums(self, groups: Any) -> dict[str, float]:
        total: dict[str, float] = {}
        for amount in self.told.amounts:
            names = groups(amount)
            for name in names:
                total[name] = total.get(name, 0.0) + amount.amount / len(names)
        return dict(sorted(total.items(), key=lambda pair: -abs(pair[1])))


@dataclass(frozen=True)
class GlobalExplanation:
    """What moves a model's predictions in general."""

    importance: Importance | None
    model: str

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        return {"model": self.model, "importance": to_plain(self.importance)}

    def __str__(self) -> str:
        told = self.importance
        if told is None:
            return f"{self.model} reads no feature: its predictions are the same for everybody."
        parts = [f"What moves the predictions of {told.model}:"]
        for title, shares in (
            ("table", told.tables),
            ("link", told.links),
            ("column", told.columns),
            ("feature", told.features),
        ):
            rows = [[f"{s.value:.1%}", s.words] for s in shares[:_MOST]]
            if rows:
                parts += ["", text_table(["share", title], rows)]
        if told.deletion is not None:
            parts += ["", deletion_sentence(told)]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        rows = (
            [[f"{s.value:.1%}", s.words] for s in self.importance.features[:_MOST]] if self.importance else []
        )
        return html_table(["share", "feature"], rows)


def deletion_sentence(importance: Importance) -> str:
    """Say whether removing what is called important moves predictions more than removing random parts."""
    check = importance.deletion
    if check is None:
        return ""
    size, important, random = check.removed[-1], check.important[-1], check.random[-1]
    told = "The check agrees" if check.is_faithful else "The check does not agree"
    return (
        f"{told}: without the {size} most important features predictions move by {important:.3g}, "
        f"without {size} random ones by {random:.3g}."
    )


def _row_text(row: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in row.items() if v is not None)[:160]
