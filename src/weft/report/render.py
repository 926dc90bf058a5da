"""From a document to one self-contained HTML file."""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from weft.core import History, Severity, TaskType
from weft.report import formats, plots
from weft.report.document import BinaryPlots, Example, RegressionPlots, ReportDocument, Rung
from weft.report.neighborhood import NeighborRow, neighborhood_tree
from weft.report.schema_graph import schema_graph
from weft.report.searches import NAMED, has_edge, search_plot, trained
from weft.report.timelines import label_plot, split_plot

if TYPE_CHECKING:
    from jinja2 import Environment

WIDE, NARROW = 860.0, 380.0
MAX_MODELS = 5

TASKS = {
    TaskType.BINARY: "yes or no",
    TaskType.REGRESSION: "a number",
    TaskType.MULTICLASS: "one of several classes",
    TaskType.MULTILABEL: "several classes at once",
    TaskType.MULTILABEL_RANKING: "classes, ranked",
    TaskType.LINK_PREDICTION: "items, ranked",
    TaskType.FORECASTING: "numbers ahead",
}
HISTORIES = {
    History.SEED_TIME: "Every row sees the past up to its own anchor.",
    History.FROZEN: "Rows of val and test see the past up to their split's first anchor only, "
    "rows of train up to their own.",
}


def render_report(document: ReportDocument) -> str:
    """Draw the report as one HTML file that needs nothing from outside.

    Sections whose parts are missing are left out; every text is escaped. Equal documents give equal text.
    """
    document = _winner_first(document)
    context: dict[str, Any] = {
        "doc": document,
        "tiles": _tiles(document),
        "sections": _sections(document),
        "pictures": _pictures(document),
        "style": _resource("style.css"),
        "script": _resource("script.js"),
        **_answer_context(document),
        **_trust_context(document),
    }
    return str(_environment().get_template("report.html").render(context))


def render_explanation(title: str, example: Example) -> str:
    """Draw the explanation of one prediction as one HTML file that needs nothing from outside."""
    context: dict[str, Any] = {
        "title": title,
        "example": example,
        "reach": _reach(example),
        "picture": _tree(example),
        "style": _resource("style.css"),
    }
    return str(_environment().get_template("explanation.html").render(context)).lstrip()


def draw_neighborhood(rows: Sequence[NeighborRow]) -> str:
    """Draw rows that a network read as a picture whose style and that of a notebook do not mix."""
    tree = str(neighborhood_tree(rows, WIDE))
    start = '<svg xmlns="http://www.w3.org/2000/svg" '
    written = tree.replace("<svg ", start, 1).replace(">", f"><style>{_resource('style.css')}</style>", 1)
    content = base64.b64encode(written.encode()).decode()
    return f"<img alt='The rows behind it' src='data:image/svg+xml;base64,{content}'>"


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("weft.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment


_FILTERS: dict[str, Callable[..., Any]] = {
    "count": formats.count_text,
    "metric": formats.metric_text,
    "number": formats.number_text,
    "score": formats.score_text,
    "percent": formats.percent_text,
    "bytes": formats.bytes_text,
    "seconds": formats.seconds_text,
    "time": formats.time_text,
    "date": formats.date_text,
    "span": formats.span_text,
    "signed": formats.signed_text,
    "sparkline": plots.sparkline,
    "sentence": formats.sentence_text,
    "closed": formats.closed_text,
    "reason": formats.reason_text,
}


@functools.cache
def _resource(name: str) -> Any:
    from markupsafe import Markup

    return Markup((resources.files("weft.report") / "templates" / name).read_text(encoding="utf-8"))


def _winner_first(document: ReportDocument) -> ReportDocument:
    def rank(plot: Any) -> bool:
        return bool(plot.model != document.winner)

    return replace(
        document,
        binary=tuple(sorted(document.binary, key=rank)[:MAX_MODELS]),
        regression=tuple(sorted(document.regression, key=rank)),
        ranking=tuple(sorted(document.ranking, key=rank)[:MAX_MODELS]),
    )


def _sections(document: ReportDocument) -> list[dict[str, str]]:
    """Return what there is to show, in reading order."""
    described = any(table.columns for table in document.tables)
    present = {
        "ladder": ("The ladder", document.ladder),
        "search": ("The networks", document.search and trained(document.search)),
        "plots": (
            "How good it is",
            document.binary or document.regression or document.ranking or document.confusion,
        ),
        "coldstart": ("Entities without history", document.cold_start),
        "importance": ("What matters", document.importance),
        "examples": ("Examples", document.examples),
        "audit": ("Audit", document.audit or document.was_audited),
        "labels": ("Labels and splits", document.anchors or document.splits),
        "schema": ("Tables and links", document.tables),
        "statistics": ("Statistics", document.quality or described),
        "run": ("The run", document.stages or document.versions),
        "reproduce": ("How to reproduce", document.reproduction),
    }
    return [{"id": name, "title": title} for name, (title, content) in present.items() if content]


def _tiles(document: ReportDocument) -> list[dict[str, str]]:
    tiles = [
        *_score_tiles(document),
        _tile(
            "task",
            TASKS[document.task.type],
            f"for each {document.task.entity_table}.{document.task.entity_column}",
        ),
    ]
    if document.splits:
        parts = " · ".join(f"{s.name} {formats.count_text(s.rows)}" for s in document.splits)
        tiles.append(_tile("label rows", formats.count_text(sum(s.rows for s in document.splits)), parts))
    frozen = document.history is History.FROZEN
    tiles.append(
        _tile(
            "history",
            document.history.value,
            "val and test see up to their split's start" if frozen else "up to each row's anchor",
        )
    )
    if document.seconds is not None:
        peaks = [s.peak_memory_bytes for s in document.stages if s.peak_memory_bytes is not None]
        note = f"peak memory {formats.bytes_text(max(peaks))}" if peaks else ""
        tiles.append(_tile("time taken", formats.seconds_text(document.seconds), note))
    return tiles


def _score_tiles(document: ReportDocument) -> list[dict[str, str]]:
    chosen = next((rung for rung in document.ladder if rung.model == document.winner), None)
    if chosen is None:
        return []
    score = chosen.test or chosen.val
    if score is None:
        return [_tile("chosen model", chosen.model, shorten(chosen.words, 70, placeholder=" …"))]
    where = "test" if chosen.test else "val"
    has_range = score.low is not None and score.high is not None
    span = f"{formats.score_text(score.low)} to {formats.score_text(score.high)}" if has_range else ""
    tile = _tile(
        f"{formats.metric_text(document.metric) or 'score'} on {where}", formats.score_text(score.value), span
    )
    return [_tile("chosen model", chosen.model, shorten(chosen.words, 70, placeholder=" …")), tile]


def _tile(label: str, value: str, note: str) -> dict[str, str]:
    return {"label": label, "value": value, "note": note}


def _pictures(document: ReportDocument) -> dict[str, Any]:
    """Draw every chart there is something for."""
    drawn: dict[str, Any] = {}
    if binary := document.binary:
        drawn |= {"roc": plots.roc_plot(binary), "precision_recall": plots.precision_recall_plot(binary)}
        drawn |= {"calibration": plots.calibration_plot(binary), "lift": plots.lift_plot(binary)}
    shown = _regression_shown(document)
    drawn["actual"] = [plots.actual_plot(p) for p in shown]
    drawn["residual"] = [plots.residual_plot(p) for p in shown]
    if ranking := document.ranking:
        drawn["map"] = plots.ranking_plot(ranking, [p.map_at_k for p in ranking], "MAP at k")
        drawn["recall"] = plots.ranking_plot(ranking, [p.recall_at_k for p in ranking], "recall at k")
    if document.importance and document.importance.deletion:
        drawn["deletion"] = plots.deletion_plot(document.importance.deletion)
    drawn["neighborhoods"] = [_tree(example) for example in document.examples]
    if (search := document.search) and trained(search):
        drawn["search"] = _both(lambda width: search_plot(search, width))
    return drawn | _data_pictures(document)


def _tree(example: Example) -> dict[str, Any] | None:
    if not example.neighborhood:
        return None
    return _both(lambda width: neighborhood_tree(example.neighborhood, width))


def _reach(example: Example) -> float:
    """Return the largest amount, to which bars are drawn."""
    return max([abs(c.amount) for c in example.contributions], default=0.0) or 1.0


def _data_pictures(document: ReportDocument) -> dict[str, Any]:
    drawn: dict[str, Any] = {"label": None, "splits": None, "schema": None}
    title, is_rate = _label_title(document), document.task.type is TaskType.BINARY
    if any(a.label_mean is not None for a in document.anchors):
        drawn["label"] = _both(lambda width: label_plot(document.anchors, width, title, is_rate=is_rate))
    if document.anchors:
        drawn["splits"] = _both(lambda width: split_plot(document, width))
    if document.tables:
        wide = 4 if len(document.tables) <= 16 else 5
        drawn["schema"] = {
            "wide": schema_graph(document.tables, document.links, wide),
            "narrow": schema_graph(document.tables, document.links, 2),
        }
    return drawn


def _both(draw: Callable[[float], Any]) -> dict[str, Any]:
    return {"wide": draw(WIDE), "narrow": draw(NARROW)}


def _label_title(document: ReportDocument) -> str:
    return "Rate of yes" if document.task.type is TaskType.BINARY else "Mean of the label"


def _regression_shown(document: ReportDocument) -> tuple[RegressionPlots, ...]:
    return document.regression[:2]


def _answer_context(document: ReportDocument) -> dict[str, Any]:
    """What the sections about the answer need beside the document."""
    rows = sum(b.count for b in document.binary[0].calibration) if document.binary else 0
    return {
        "scale": _scale(document.ladder),
        "trained": trained(document.search) if document.search else (),
        "num_named": NAMED,
        "has_edge": document.search is not None and has_edge(document.search),
        "binary": document.binary,
        "binary_rows": formats.count_text(rows),
        "lift_words": _lift_words(document.binary[0]) if document.binary else "",
        "regression": _regression_shown(document),
        "reaches": [_reach(example) for example in document.examples],
    }


def _trust_context(document: ReportDocument) -> dict[str, Any]:
    """What the sections about the data need beside the document."""
    return {
        "alarms": [f for f in document.audit if f.finding.severity is Severity.ALARM],
        "notes": [f for f in document.audit if f.finding.severity is Severity.NOTE],
        "history_words": HISTORIES[document.history],
        "label_title": _label_title(document),
        "is_rate": document.task.type is TaskType.BINARY,
        "has_means": any(split.label_mean is not None for split in document.splits),
        "has_undefined": any(split.undefined for split in document.splits),
        "sources": sorted({version.source for version in document.versions if version.source}),
        "described": [table for table in document.tables if table.columns],
    }


def _lift_words(best: BinaryPlots) -> str:
    found = plots.height_at(best.lift, 0.1)
    return (
        f"The tenth of rows that {best.model} scores highest holds {formats.percent_text(found)} of all yes, "
        f"{formats.number_text(found / 0.1, 2)} times what chance would."
    )


def _scale(ladder: tuple[Rung, ...]) -> Callable[[float | None], float | None]:
    """Return the function that places a number on the common axis of the ladder, in percent."""
    scores = [score for rung in ladder for score in (rung.val, rung.test) if score is not None]
    values = [v for s in scores for v in (s.value, s.low, s.high) if v is not None and math.isfinite(v)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.08 or 1.0

    def place(value: float | None) -> float | None:
        if value is None or not math.isfinite(value):
            return None
        return round(100 * (value - low + margin) / (high - low + 2 * margin), 2)

    return place
