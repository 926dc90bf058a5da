"""What a query would do, before anything of it runs."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

from weft.core import Finding, Split, Task, format_time, to_plain
from weft.data import Layout
from weft.project.view import count_text, html_table, text_table


@dataclass(frozen=True)
class QueryExplanation:
    """Task, windows, splits, candidates and size of a query.

    Attributes:
        words: The question in words.
        query: The question in PQL.
        task: What is to be learned.
        layout: Anchors of each split.
        rows: Table → rows.
        models: Candidates, in order of cost.
        findings: What was found in the data.
        encoders: How networks would encode each column, if the audit refuses none of them; empty where no
            network is a candidate.
        sentences: What a sentence model reads for them, and why not the rest.
    """

    words: str
    query: str
    task: Task
    layout: Layout
    rows: dict[str, int]
    models: tuple[str, ...]
    findings: tuple[Finding, ...]
    encoders: dict[str, str] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        return {
            "query": self.query,
            "words": self.words,
            "task": to_plain(self.task),
            "metric": self.task.metric,
            "history": self.layout.history.value,
            "layout": to_plain(self.layout),
            "splits": {s.value: [format_time(a) for a in self.layout.anchors(s)] for s in Split},
            "rows": self.rows,
            "models": list(self.models),
            "findings": to_plain(self.findings),
            "encoders": self.encoders,
            "sentences": list(self.sentences),
        }

    def __str__(self) -> str:
        parts = [
            self.words,
            f"  {self.query}",
            "",
            text_table(["task", self.task.type.value], self._facts()),
            "",
            text_table(["split", "anchors", "first", "last", "labels until"], self._splits()),
            "",
            f"Candidates: {', '.join(self.models)}.",
            f"Reads {count_text(sum(self.rows.values()), 'row')} of {count_text(len(self.rows), 'table')}. "
            "No model was fitted.",
        ]
        if self.encoders:
            parts.append(f"Networks encode, before the audit, {self._encoded()}.")
        parts += [f"Texts: {note}." for note in self.sentences]
        if self.layout.straddling:
            is_one = len(self.layout.straddling) == 1
            parts.append(
                f"{count_text(len(self.layout.straddling), 'anchor')} {'is' if is_one else 'are'} left out: "
                f"{'its window reaches' if is_one else 'their windows reach'} into the next split."
            )
        alarms = [f for f in self.findings if f.severity.value == "alarm"]
        parts += [f"Alarm: {f.subject}: {f.sentences}" for f in alarms]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        words = "<br>".join(html.escape(line) for line in self.words.split("\n"))
        return (
            f"<p>{words}</p>"
            + html_table(["task", self.task.type.value], self._facts())
            + html_table(["split", "anchors", "first", "last", "labels until"], self._splits())
        )

    def _encoded(self) -> str:
        by_kind: dict[str, list[str]] = {}
        for column, kind in self.encoders.items():
            by_kind.setdefault(kind, []).append(column)
        told = (f"by {kind} {', '.join(by_kind[kind])}" for kind in sorted(by_kind) if kind != "drop")
        dropped = by_kind.get("drop")
        return "; ".join([*told, *([f"not {', '.join(dropped)}"] if dropped else [])])

    def _facts(self) -> list[list[str]]:
        return [
            ["entity", f"{self.task.entity_table}.{self.task.entity_column}"],
            ["metric", self.task.metric],
            ["history", self.layout.history.value],
            ["window", str(self.layout.window) if self.layout.window else "none (static)"],
            ["step", str(self.layout.step) if self.layout.step else "–"],
        ]

    def _splits(self) -> list[list[str]]:
        rows = []
        for split in Split:
            anchors = self.layout.anchors(split)
            if anchors:
                until = format_time(self.layout.window_end_us(anchors[-1]))
                rows.append(
                    [split.value, str(len(anchors)), format_time(anchors[0]), format_time(anchors[-1]), until]
                )
        return rows
