"""Explanations: of one prediction and of a model, in words and as data."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core import format_time, from_plain, to_plain
from weft.learn import Importance, RowExplanation, Share, hop_of
from weft.project.neighbors import neighbor_lines, neighbor_rows, seen_sentence
from weft.project.pages import write_page
from weft.project.view import count_text, html_table, text_table
from weft.report import AmountGroup, Contribution, Example, draw_neighborhood, render_explanation

if TYPE_CHECKING:
    from weft.project.run import Run

_MOST = 12
_MOST_GROUPS = 6
_MOST_DRAWN, _MOST_ROWS = 24, 16
_NOISE = 1e-12


UNITS = {
    "value": "in units of the label; with the usual prediction they add up to this one",
    "log-odds": "in log-odds: +0.7 about doubles the odds, -0.7 halves them; with those of the usual "
    "prediction they add up to those of this one",
    "log-odds before calibration": "in log-odds of the model's score, before a curve fitted on val turns it "
    "into the probability: they add up for the score, not for the probability",
    "score": "in units of the score that items are ranked by",
    "change of prediction": "by how much the prediction would be lower (+) or higher (-) without it",
    "change of prediction beside the graph": "by how much the prediction would be lower (+) or higher (-) "
    "without it; what a network read of the rows around is not among them",
}


@dataclass(frozen=True)
class Explanation:
    """Why one prediction is what it is.

    Attributes:
        run: Name of the run.
        table: The entity's table.
        entity: Key of the entity.
        anchor_us: Instant of the prediction, microseconds UTC.
        model: The model that predicted.
        told: Prediction, base and signed amounts per feature.
        rows: Rows whose absence would change the prediction, the largest effect first: ``table, link, effect,
            row``. The effect is the prediction with the row minus without it.
    """

    run: str
    table: str
    entity: Any
    anchor_us: int
    model: str
    told: RowExplanation
    rows: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, run: Run, entity: Any, value: dict[str, Any]) -> Explanation:
        """Read what the node made."""
        told = from_plain(RowExplanation, value["contributions"])
        table = run.task.entity_table
        return cls(run.name, table, entity, value["anchor_us"], run.winner, told, tuple(value["rows"]))

    @property
    def words(self) -> str:
        """The explanation in a sentence or two."""
        about = f" for {self.told.about}" if self.told.about else ""
        usual = "" if self.told.usual is None else f", where {self.told.usual:.4g} is usual"
        parts = [
            f"{self.model} predicts {self.told.prediction:.4g}{about} for {self.table} {self.entity} "
            f"at {format_time(self.anchor_us)}{usual}."
        ]
        for verb, sign in (("raises", 1), ("lowers", -1)):
            chosen = next((a for a in self.told.amounts if a.amount * sign > 0), None)
            if chosen is not None:
                parts.append(f"What {verb} it most: {chosen.words} is {chosen.value} ({chosen.amount:+.3g}).")
        return " ".join(parts)

    def by_table(self) -> dict[str, float]:
        """Return the sum of the amounts per table."""
        return self._sums(lambda a: (a.table,) if a.table else ())

    def by_link(self) -> dict[str, float]:
        """Return the sum of the amounts per link walked, divided evenly among the links of a path."""
        return self._sums(lambda a: a.links)

    def by_column(self) -> dict[str, float]:
        """Return the sum of the amounts per column."""
        return self._sums(lambda a: a.columns)

    def by_hop(self) -> dict[str, float]:
        """Return the sum of the amounts by how many links lie between the entity and what was read."""
        return self._sums(hop_of)

    def page(self, path: str | Path) -> Path:
        """Write the explanation as one HTML file, with the rows behind it where a network read them.

        Raises:
            UserError: ``DATA125`` when it cannot be written.
        """
        title = f"Why {self.model} predicts {self.told.prediction:.4g} for {self.table} {self.entity}"
        return write_page(path, render_explanation(title, self._drawn()))

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        plain: dict[str, Any] = to_plain(self.told)
        return {
            "run": self.run,
            "entity": self.entity,
            "anchor_time": format_time(self.anchor_us),
            "model": self.model,
            "words": self.words,
            **{k: v for k, v in plain.items() if k != "$type"},
            "tables": self.by_table(),
            "links": self.by_link(),
            "columns": self.by_column(),
            "hops": self.by_hop(),
            "rows": list(self.rows),
        }

    def __str__(self) -> str:
        parts = [self.words, ""]
        if not self.told.amounts:
            return f"{parts[0]} Nothing that {self.model} looks at moves this prediction."
        parts.append(f"What moved it, {UNITS.get(self.told.unit, self.told.unit)}:")
        for title, sums in (
            ("table", self.by_table()),
            ("link", self.by_link()),
            ("column", self.by_column()),
            ("distance", self.by_hop()),
        ):
            cells = [[f"{amount:+.4f}", name] for name, amount in list(sums.items())[:_MOST_GROUPS]]
            if cells:
                parts += ["", text_table(["amount", title], cells)]
        parts += ["", text_table(["amount", "value", "feature"], self._cells())]
        rest = self.told.amounts[_MOST:]
        if rest:
            total = sum(a.amount for a in rest)
            parts.append(f"… and {count_text(len(rest), 'more feature')}, together {total:+.4f}")
        return "\n".join([*parts, *neighbor_lines(self.told.neighborhood), *self._row_lines()])

    def _drawn(self) -> Example:
        """Return what the page shows."""
        sums = {
            "Tables": self.by_table(),
            "Links": self.by_link(),
            "Columns": self.by_column(),
            "Distance": self.by_hop(),
        }
        return Example(
            entity=f"{self.table} {self.entity}",
            anchor_us=self.anchor_us,
            prediction=f"{self.told.prediction:.4g}" + (f" for {self.told.about}" if self.told.about else ""),
            words=self.words,
            unit=UNITS.get(self.told.unit, self.told.unit),
            contributions=tuple(
                Contribution(a.words, a.value, a.amount, a.table) for a in self.told.amounts[:_MOST_DRAWN]
            ),
            groups=tuple(
                AmountGroup(title, tuple(Contribution(name, "", amount) for name, amount in found.items()))
                for title, found in sums.items()
                if found
            ),
            neighborhood=neighbor_rows(self.told.neighborhood, _MOST_ROWS),
            seen=seen_sentence(self.told.neighborhood),
        )

    def _row_lines(self) -> list[str]:
        """Write the rows whose absence would change the prediction."""
        if not self.rows:
            return []
        moved = [r for r in self.rows if abs(r["effect"]) > _NOISE]
        lines = ["", "Rows that moved it (the prediction with the row minus without it):"]
        if not moved:
            lines = ["", "No single row of those tried moves it."]
        lines += [f"  {_signed(r['effect'])}  {r['table']}: {_row_text(r['row'])}" for r in moved[:_MOST]]
        seen = ", ".join(f"{link} {num:,}" for link, num in sorted(self._rows_by_link().items()))
        return [
            *lines,
            f"{_tried(self.rows)} per link, one at a time; there were {seen}.",
        ]

    def _rows_by_link(self) -> dict[str, int]:
        return {r["link"]: r["num_rows"] for r in self.rows}

    def _repr_html_(self) -> str:
        tables = [[f"{amount:+.4f}", name] for name, amount in self.by_table().items()]
        parts = [f"<p>{html.escape(self.words)}</p>", html_table(["amount", "table"], tables)]
        parts.append(html_table(["amount", "value", "feature"], self._cells()))
        moved = [r for r in self.rows if abs(r["effect"]) > _NOISE]
        rows = [[f"{_signed(r['effect'])}", r["table"], _row_text(r["row"])] for r in moved[:_MOST]]
        if rows:
            parts.append(html_table(["effect", "table", "row"], rows))
        if self.told.neighborhood is not None:
            parts.append(draw_neighborhood(neighbor_rows(self.told.neighborhood, _MOST_ROWS)))
        return "".join(parts)

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
        parts = [f"What moves the predictions of {told.model}, measured on {told.num_rows:,} val rows:"]
        for title, shares in (
            ("table", told.tables),
            ("link", told.links),
            ("column", told.columns),
            ("distance", told.hops),
            ("feature", told.features),
        ):
            if shares:
                parts += ["", share_table(title, shares)]
        if any(s.mean is not None for s in told.features):
            parts += ["", f"Mean amounts are {short_unit(told.unit)}."]
        if told.deletion is not None:
            parts += ["", deletion_sentence(told)]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        rows = (
            [[f"{s.value:.1%}", s.words] for s in self.importance.features[:_MOST]] if self.importance else []
        )
        tables = [[f"{s.value:.1%}", s.words] for s in self.importance.tables] if self.importance else []
        note = deletion_sentence(self.importance) if self.importance else str(self)
        return (
            html_table(["share", "table"], tables) + html_table(["share", "feature"], rows) + f"<p>{note}</p>"
        )


def short_unit(unit: str) -> str:
    """Say what a unit is, without what its amounts add up to."""
    return re.split("[,:;]", UNITS.get(unit, unit))[0]


def share_table(title: str, shares: Sequence[Share]) -> str:
    """Write shares, with the mean signed amounts where there are any."""
    if any(s.mean is None for s in shares):
        return text_table(["share", title], [[f"{s.value:.1%}", s.words] for s in shares[:_MOST]])
    rows = [[f"{s.value:.1%}", s.words, f"{s.mean:+.4f}"] for s in shares[:_MOST]]
    return text_table(["share", title, "mean"], rows)


def deletion_sentence(importance: Importance) -> str:
    """Say whether removing what is called important moves predictions more than removing random parts."""
    check = importance.deletion
    if check is None:
        return ""
    size, important, random = check.removed[-1], check.important[-1], check.random[-1]
    told = "The check agrees" if check.is_faithful else "The check does not agree"
    named = "the most important feature" if size == 1 else f"the {size} most important features"
    others = "a random one" if size == 1 else f"{size} random ones"
    return f"{told}: without {named} predictions move by {important:.3g}, without {others} by {random:.3g}."


def _tried(rows: tuple[dict[str, Any], ...]) -> str:
    """Say how many rows of a link were left out to see what that changes."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["link"]] = counts.get(row["link"], 0) + 1
    most = max(counts.values())
    return "The newest row was left out" if most == 1 else f"Up to {most} newest rows were left out"


def _signed(effect: float) -> str:
    return f"{effect:+.4f}" if abs(effect) >= 0.001 else f"{effect:+.2g}"


def _row_text(row: dict[str, Any]) -> str:
    told = (f"{k} {f'{v:.8g}' if isinstance(v, float) else v}" for k, v in row.items() if v is not None)
    return ", ".join(told)[:160]
