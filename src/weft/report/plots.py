"""Charts of how good predictions are, one small picture each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from weft.report.document import (
    Bin,
    BinaryPlots,
    DeletionCheck,
    RankingPlots,
    RegressionPlots,
)
from weft.report.formats import count_text, number_text, percent_text
from weft.report.svg import Frame, axes, drawing, element, padded, polyline, text, ticks
from weft.report.trials import Curve

WIDTH, HEIGHT = 400.0, 310.0
UNIT = (0.0, 1.0)


def roc_plot(plots: Sequence[BinaryPlots]) -> Markup:
    """Draw true against false positive rates, one line for each model."""
    frame = Frame(WIDTH, HEIGHT, UNIT, UNIT)
    lines = _lines(frame, [p.roc for p in plots])
    words = "ROC curves. " + "; ".join(f"{p.model}: area {number_text(p.auroc)}" for p in plots)
    diagonal = polyline([(frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))], "reference")
    labels = axes(
        frame, "rows of label no that are flagged", "rows of label yes found", x_text=_share, y_text=_share
    )
    return drawing(WIDTH, HEIGHT, words, labels, diagonal, lines)


def precision_recall_plot(plots: Sequence[BinaryPlots]) -> Markup:
    """Draw precision against recall, with the base rate as reference."""
    frame = Frame(WIDTH, HEIGHT, UNIT, UNIT)
    lines = _lines(frame, [p.precision_recall for p in plots])
    rate = frame.y(plots[0].base_rate)
    words = "Precision and recall. " + "; ".join(
        f"{p.model}: average precision {number_text(p.average_precision)}" for p in plots
    )
    base = polyline([(frame.x(0), rate), (frame.x(1), rate)], "reference")
    labels = axes(frame, "rows of label yes found", "flagged rows that are yes", x_text=_share, y_text=_share)
    return drawing(WIDTH, HEIGHT, words, labels, base, lines)


def lift_plot(plots: Sequence[BinaryPlots]) -> Markup:
    """Draw how many of the positives are among the share of rows with the highest scores."""
    frame = Frame(WIDTH, HEIGHT, UNIT, UNIT)
    lines = _lines(frame, [p.lift for p in plots])
    best = plots[0]
    found = height_at(best.lift, 0.1)
    words = (
        f"Gain. The tenth of rows that {best.model} scores highest holds {percent_text(found)} of all yes."
    )
    diagonal = polyline([(frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))], "reference")
    labels = axes(frame, "rows, highest score first", "rows of label yes found", x_text=_share, y_text=_share)
    return drawing(WIDTH, HEIGHT, words, labels, diagonal, lines)


def calibration_plot(plots: Sequence[BinaryPlots]) -> Markup:
    """Draw the observed rate against the predicted probability; the area of a dot is its rows."""
    frame = Frame(WIDTH, HEIGHT, UNIT, UNIT)
    diagonal = polyline([(frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))], "reference")
    parts = [_bins(frame, p.calibration, index) for index, p in reversed(list(enumerate(plots)))]
    words = "Calibration. " + "; ".join(
        f"{p.model}: mean gap {number_text(p.expected_calibration_error, 2)}" for p in plots
    )
    labels = axes(frame, "predicted probability", "observed rate", x_text=_share, y_text=_share)
    return drawing(WIDTH, HEIGHT, words, labels, diagonal, *parts)


def actual_plot(plots: RegressionPlots) -> Markup:
    """Draw predicted against actual values, with the mean of ten groups of rows."""
    values = sorted([*plots.points.x, *plots.points.y])
    inner = values[: max(2, math.ceil(len(values) * 0.99))]
    domain = padded(inner)
    frame = Frame(WIDTH, HEIGHT, domain, domain)
    dots = [
        element("circle", cx=x, cy=y, r=2, class_="point")
        for x, y in frame.points(plots.points.y, plots.points.x)
    ]
    line = polyline(
        [(frame.x(domain[0]), frame.y(domain[0])), (frame.x(domain[1]), frame.y(domain[1]))], "reference"
    )
    means = _bins(frame, plots.bins, 0)
    words = (
        f"Actual against predicted values of {plots.model}: mean absolute error {number_text(plots.mae)}, "
        f"share of variance explained {number_text(plots.r2, 3)}"
    )
    return drawing(WIDTH, HEIGHT, words, axes(frame, "predicted", "actual"), line, *dots, means)


def residual_plot(plots: RegressionPlots) -> Markup:
    """Draw the histogram of predicted minus actual."""
    counts = plots.residual_counts
    frame = Frame(
        WIDTH, HEIGHT, (plots.residual_low, plots.residual_high), (0.0, max(counts, default=1) * 1.05 or 1.0)
    )
    width = (plots.residual_high - plots.residual_low) / max(len(counts), 1)
    bars = []
    for index, count in enumerate(counts):
        low = plots.residual_low + index * width
        title = element(
            "title", f"{number_text(low, 3)} to {number_text(low + width, 3)}: {count_text(count)} rows"
        )
        left, right, top = frame.x(low), frame.x(low + width), frame.y(count)
        height = frame.y(0) - top
        bars.append(
            element(
                "rect",
                title,
                x=left + 0.5,
                y=top,
                width=max(0.5, right - left - 1),
                height=height,
                class_="bar",
            )
        )
    zero = element("line", x1=frame.x(0), x2=frame.x(0), y1=frame.top, y2=frame.y(0), class_="reference")
    words = (
        f"Residuals of {plots.model}, predicted minus actual: most lie near {number_text(_mode(plots), 3)}"
    )
    return drawing(WIDTH, HEIGHT, words, axes(frame, "predicted minus actual", "rows"), *bars, zero)


def ranking_plot(plots: Sequence[RankingPlots], values: Sequence[tuple[float, ...]], title: str) -> Markup:
    """Draw a measure of lists against their length k, one line for each model."""
    ks = [float(k) for p in plots for k in p.ks]
    highest = max((v for row in values for v in row), default=1.0) * 1.1 or 1.0
    frame = Frame(WIDTH, HEIGHT, padded(ks, 0.04), (0.0, highest))
    curves = [Curve(tuple(float(k) for k in p.ks), row) for p, row in zip(plots, values, strict=True)]
    words = f"{title} by length of the list. " + "; ".join(
        f"{p.model}: {number_text(row[-1], 3)} at {p.ks[-1]}" for p, row in zip(plots, values, strict=True)
    )
    marks = [
        element("circle", cx=x, cy=y, r=3, class_=f"dot s{index}")
        for index, curve in reversed(list(enumerate(curves)))
        for x, y in frame.points(curve.x, curve.y)
    ]
    labels = axes(frame, "k", title, x_ticks=sorted(set(ks)))
    return drawing(WIDTH, HEIGHT, words, labels, _lines(frame, curves), *marks)


def deletion_plot(check: DeletionCheck) -> Markup:
    """Draw how far predictions move when important, and when random, features are removed."""
    removed = tuple(float(n) for n in check.removed)
    highest = max([*check.important, *check.random, 0.0]) * 1.1 or 1.0
    frame = Frame(WIDTH, 250.0, (0.0, max(removed, default=1.0)), (0.0, highest))
    curves = [Curve(removed, check.important), Curve(removed, check.random)]
    labels = axes(frame, "features removed", "mean change of the prediction")
    names = [
        text(frame.x(removed[-1]) - 4, frame.y(curve.y[-1]) - 8, name, f"name s{index}", "end")
        for index, (curve, name) in enumerate(zip(curves, ("the most important", "random ones"), strict=True))
        if removed
    ]
    words = check.words or "How far predictions move when the most important, or random, features are removed"
    return drawing(WIDTH, 250.0, words, labels, _lines(frame, curves), *names)


def sparkline(counts: Sequence[int]) -> Markup:
    """Draw a histogram as small as a word."""
    highest = max(counts, default=0) or 1
    width = 84 / max(len(counts), 1)
    bars = [
        element(
            "rect", x=i * width, y=18 - 17 * c / highest, width=max(width - 0.6, 0.5), height=17 * c / highest
        )
        for i, c in enumerate(counts)
    ]
    return drawing(84, 18, f"histogram of {len(counts)} bins", *bars, class_="spark")


def _lines(frame: Frame, curves: Sequence[Curve]) -> Markup:
    """Draw the first curve on top of the others."""
    drawn = [polyline(frame.points(c.x, c.y), f"line s{index}") for index, c in enumerate(curves)]
    return Markup("").join(reversed(drawn))


def _bins(frame: Frame, bins: Sequence[Bin], index: int) -> Markup:
    points = [(frame.x(b.predicted), frame.y(b.actual)) for b in bins]
    largest = max((b.count for b in bins), default=1)
    dots = [
        element(
            "circle",
            element(
                "title",
                f"predicted {number_text(b.predicted)}, actual {number_text(b.actual)}: "
                f"{count_text(b.count)} rows",
            ),
            cx=x,
            cy=y,
            r=2 + 3 * math.sqrt(b.count / largest),
            class_=f"dot s{index}",
        )
        for b, (x, y) in zip(bins, points, strict=True)
    ]
    return Markup("").join([polyline(points, f"line s{index}"), *dots])


def height_at(curve: Curve, x: float) -> float:
    """Return the height of a line at ``x``."""
    for (x0, y0), (x1, y1) in pairwise(zip(curve.x, curve.y, strict=True)):
        if x0 <= x <= x1:
            return y0 if x1 == x0 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return math.nan


def _mode(plots: RegressionPlots) -> float:
    counts = plots.residual_counts
    width = (plots.residual_high - plots.residual_low) / max(len(counts), 1)
    return plots.residual_low + (counts.index(max(counts)) + 0.5) * width if counts else 0.0


def _share(value: float) -> str:
    return percent_text(value).replace(" ", "\u202f")


__all__ = [
    "actual_plot",
    "calibration_plot",
    "deletion_plot",
    "height_at",
    "lift_plot",
    "precision_recall_plot",
    "ranking_plot",
    "residual_plot",
    "roc_plot",
    "sparkline",
    "ticks",
]
