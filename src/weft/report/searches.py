"""The picture of how networks were trained: their score on val at each look."""

from __future__ import annotations

from markupsafe import Markup

from weft.report.formats import metric_text, number_text, score_text, short_text
from weft.report.svg import Frame, axes, drawing, element, padded, polyline, text, ticks
from weft.report.trials import Search, Trial

NAMED = 4
HEIGHT = 320.0
# The share of scores, from the worst, that may lie at the edge so that the others can be told apart.
_AT_EDGE = 0.05
_MOST_LETTERS = 22


def trained(search: Search) -> tuple[Trial, ...]:
    """Return the trials that have a curve, in their order."""
    return tuple(trial for trial in search.trials if trial.curve.y)


def search_plot(search: Search, width: float) -> Markup:
    """Draw a line per trial and a dot at the look whose weights were kept; the first few have a color."""
    shown = trained(search)
    most = max(trial.looks for trial in shown)
    span = (0.5, 1.5) if most == 1 else (1.0, float(most))
    frame = Frame(width, HEIGHT, span, _domain(search), left=56)
    parts = [_trial(frame, trial, index) for index, trial in reversed(list(enumerate(shown)))]
    whole = [look for look in ticks(1, most, 5 if width < 500 else 10) if float(look).is_integer()]
    metric = _short(metric_text(search.metric))
    labels = axes(frame, "look at val", f"{metric} on val", y_text=_tick, x_ticks=whole)
    best = shown[0]
    words = (
        f"{metric} on val at each look, for {len(shown)} trials. "
        f"Best: {best.model} with {score_text(best.kept)} at look {best.best}"
    )
    return drawing(width, HEIGHT, words, labels, *parts, _name(frame, best, is_above=search.higher_is_better))


def has_edge(search: Search) -> bool:
    """Say whether some scores are worse than what the picture has room for."""
    low, high = _domain(search)
    return any(not low <= v <= high for trial in trained(search) for v in trial.curve.y)


def _domain(search: Search) -> tuple[float, float]:
    """Return the range of scores, without the worst few."""
    shown = trained(search)
    scores = sorted((v for trial in shown for v in trial.curve.y), reverse=search.higher_is_better)
    count = max(1, len(scores) - int(_AT_EDGE * len(scores)))
    return padded([*scores[:count], *(t.kept for t in shown if t.kept is not None)], 0.12)


def _short(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"


def _tick(value: float) -> str:
    return number_text(value) if abs(value) < 1e4 else short_text(value)


def _trial(frame: Frame, trial: Trial, index: int) -> Markup:
    style = f"s{index}" if index < NAMED else "other"
    line = polyline(frame.points(trial.curve.x, trial.curve.y), f"line {style}")
    if trial.kept is None:
        return line
    title = f"{trial.model}: {score_text(trial.kept)} at look {trial.best} of {trial.looks}"
    if trial.loss is not None:
        title += f", loss {number_text(trial.loss)}"
    dot = element(
        "circle",
        element("title", title),
        cx=frame.x(trial.best),
        cy=frame.y(trial.kept),
        r=(6.0, 4.0)[min(1, index)] if index < NAMED else 2.5,
        class_=f"dot {style}",
    )
    return Markup("").join([line, dot])


def _name(frame: Frame, best: Trial, *, is_above: bool) -> Markup:
    """Write the best trial's name and score beside its dot."""
    if best.kept is None:
        return Markup("")
    x, y = frame.x(best.best), frame.y(best.kept)
    anchor = "end" if x > frame.width * 0.7 else "start" if x < frame.width * 0.3 else "middle"
    words = f"{_short(best.model)} {score_text(best.kept)}"
    return text(x, y - 11 if is_above else y + 20, words, "name s0 halo", anchor)
