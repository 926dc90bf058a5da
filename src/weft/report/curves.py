"""From labels and predictions to the points of a plot: computed exactly on all rows, then thinned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from weft.core import UserError
from weft.report.document import (
    AnchorFacts,
    Bin,
    BinaryPlots,
    Confusion,
    FrameFacts,
    RankingPlots,
    RegressionPlots,
    SplitFacts,
)
from weft.report.trials import Curve

Floats = NDArray[np.float64]

MAX_POINTS = 200
MAX_SAMPLE = 400
MAX_CLASSES = 20


def binary_plots(
    label: ArrayLike, score: ArrayLike, *, model: str, split: str = "test", threshold: float | None = None
) -> BinaryPlots | None:
    """Compute ROC, precision-recall, lift and calibration of probabilities.

    Args:
        label: 0 or 1, shape ``(N,)``; NaN rows, in either array, are left out.
        score: Probability of 1, shape ``(N,)``.
        model: Name that the legend shows.
        split: Name of the rows.
        threshold: When given, the confusion at ``score >= threshold`` is added.

    Returns:
        ``None`` when there are no rows of both classes.
    """
    y, s = _aligned(label, score)
    positives = int(y.sum())
    if positives in (0, len(y)):
        return None
    hits, chosen = _cumulative(y, s)
    recall, false_rate = hits / positives, (chosen - hits) / (len(y) - positives)
    precision = hits / chosen
    roc = (np.append(0.0, false_rate), np.append(0.0, recall))
    precision_curve = (np.append(0.0, recall), np.append(precision[0], precision))
    return BinaryPlots(
        model=model,
        split=split,
        base_rate=positives / len(y),
        auroc=float((np.diff(roc[0]) * (roc[1][1:] + roc[1][:-1])).sum() / 2),
        average_precision=float((np.diff(recall, prepend=0.0) * precision).sum()),
        roc=thin(*roc),
        precision_recall=thin(*precision_curve),
        lift=thin(np.append(0.0, chosen / len(y)), np.append(0.0, recall)),
        calibration=(bins := calibration_bins(y, s)),
        expected_calibration_error=sum(b.count * abs(b.predicted - b.actual) for b in bins) / len(y),
        threshold=threshold,
        confusion=None if threshold is None else _confusion_at(y, s, threshold),
    )


def regression_plots(
    label: ArrayLike, prediction: ArrayLike, *, model: str, split: str = "test", seed: int = 0
) -> RegressionPlots | None:
    """Compute predicted against actual and the residuals; ``None`` without rows.

    Errors are exact; the points are a sample of at most `MAX_SAMPLE` rows, the same for equal ``seed``.
    """
    y, p = _aligned(label, prediction)
    if len(y) == 0:
        return None
    residual = p - y
    spread = float(((y - y.mean()) ** 2).sum())
    low, high = (float(q) for q in np.quantile(residual, [0.005, 0.995]))
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(np.clip(residual, low, high), bins=41, range=(low, high))
    rows = np.random.default_rng(seed).permutation(len(y))[:MAX_SAMPLE]
    return RegressionPlots(
        model=model,
        split=split,
        mae=float(np.abs(residual).mean()),
        rmse=float(np.sqrt((residual**2).mean())),
        r2=float(1 - (residual**2).sum() / spread) if spread else float("nan"),
        points=Curve(_tuple(y[rows]), _tuple(p[rows])),
        bins=calibration_bins(y, p),
        residual_low=low,
        residual_high=high,
        residual_counts=tuple(int(c) for c in counts),
    )


def frame_facts(frame: ArrayLike, label: ArrayLike, prediction: ArrayLike) -> tuple[FrameFacts, ...]:
    """Say for each frame of a forecast how far its predictions are off."""
    number = np.asarray(frame)
    y, p = (np.asarray(a, dtype=np.float64) for a in (label, prediction))
    found = []
    for index in np.unique(number).tolist():
        rows = number == index
        off = float(np.abs(y[rows] - p[rows]).mean())
        found.append(FrameFacts(index, int(rows.sum()), float(y[rows].mean()), float(p[rows].mean()), off))
    return tuple(found)


def confusion_of(label: Sequence[str], prediction: Sequence[str]) -> Confusion:
    """Count actual against predicted classes, the most frequent first, the tail as "other"."""
    if len(label) != len(prediction):
        raise _lengths(len(label), len(prediction))
    names, counts = np.unique(np.array([*label, *prediction], dtype=object).astype(str), return_counts=True)
    kept = [str(name) for name in names[np.argsort(-counts, kind="stable")]]
    if len(kept) > MAX_CLASSES:
        kept = [*kept[: MAX_CLASSES - 1], "other"]
    place = {name: index for index, name in enumerate(kept)}
    matrix = np.zeros((len(kept), len(kept)), np.int64)
    rows = [place.get(str(value), len(kept) - 1) for value in label]
    columns = [place.get(str(value), len(kept) - 1) for value in prediction]
    np.add.at(matrix, (rows, columns), 1)
    return Confusion(tuple(kept), tuple(tuple(int(c) for c in row) for row in matrix))


def ranking_plots(
    label: Sequence[Sequence[object] | None],
    ranked: Sequence[Sequence[object]],
    *,
    model: str,
    split: str = "test",
    ks: Sequence[int] = (1, 3, 5, 10, 20),
) -> RankingPlots | None:
    """Compute MAP and recall at each k over the rows whose label is a set that is not empty.

    An item that is listed twice counts at its first place only.
    """
    if len(label) != len(ranked):
        raise _lengths(len(label), len(ranked))
    given = zip(label, ranked, strict=True)
    pairs = [(set(wanted), list(dict.fromkeys(items))) for wanted, items in given if wanted]
    if not pairs:
        return None
    longest = max(len(items) for _, items in pairs)
    kept = tuple(k for k in ks if k <= longest) or (max(longest, 1),)
    precision, recall = np.zeros(len(kept)), np.zeros(len(kept))
    for wanted, items in pairs:
        hits = np.array([item in wanted for item in items[: kept[-1]]], dtype=np.float64)
        hits = np.pad(hits, (0, kept[-1] - len(hits)))
        gained = hits * np.cumsum(hits) / np.arange(1, kept[-1] + 1)
        for index, k in enumerate(kept):
            precision[index] += gained[:k].sum() / min(k, len(wanted))
            recall[index] += hits[:k].sum() / len(wanted)
    return RankingPlots(model, split, kept, _tuple(precision / len(pairs)), _tuple(recall / len(pairs)))


def calibration_bins(label: Floats, prediction: Floats, num_bins: int = 10) -> tuple[Bin, ...]:
    """Group rows by prediction into bins of equal size; equal predictions share a bin."""
    order = np.argsort(prediction, kind="stable")
    edges = np.unique(np.linspace(0, len(order), num_bins + 1).astype(np.int64))
    ranked = prediction[order]
    starts = np.unique(np.searchsorted(ranked, ranked[edges[:-1]]))
    parts = np.split(order, starts[1:])
    return tuple(Bin(float(prediction[p].mean()), float(label[p].mean()), len(p)) for p in parts if len(p))


def anchor_facts(labels: pa.Table) -> tuple[AnchorFacts, ...]:
    """Summarize a label table by anchor and split; the mean is left out where labels are no numbers."""
    return tuple(
        AnchorFacts(int(time), split, rows, mean)
        for (split, time), rows, mean in _grouped(labels, ["split", "anchor_time"])
    )


def split_facts(labels: pa.Table) -> tuple[SplitFacts, ...]:
    """Summarize a label table by split, in the order train, val, test."""
    import pyarrow.compute as pc

    facts = []
    for (name,), rows, mean in _grouped(labels, ["split"]):
        part = labels.filter(pc.equal(labels["split"], name))
        entities, anchors = (pc.count_distinct(part[c]).as_py() for c in ("entity", "anchor_time"))
        facts.append(SplitFacts(name, rows, entities, anchors, mean))
    rank = {"train": 0, "val": 1, "test": 2}
    return tuple(sorted(facts, key=lambda fact: rank.get(fact.name, 3)))


def thin(x: Floats, y: Floats, max_points: int = MAX_POINTS) -> Curve:
    """Keep the points of a line that matter to the eye.

    The line is cut into ``max_points / 2`` stretches of equal length; of each, the first point and the one
    farthest from the straight line to the next first point stay. First and last always stay.
    """
    if len(x) <= max_points:
        return Curve(_tuple(x), _tuple(y))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    marks = np.searchsorted(length, np.linspace(0, length[-1], max_points // 2))
    firsts = np.unique(np.append(np.minimum(marks, len(x) - 1), [0, len(x) - 1]))
    kept = set(firsts.tolist())
    for a, b in pairwise(firsts.tolist()):
        if b - a > 1:
            inside = np.arange(a + 1, b)
            off = (x[b] - x[a]) * (y[inside] - y[a]) - (y[b] - y[a]) * (x[inside] - x[a])
            kept.add(int(inside[np.argmax(np.abs(off))]))
    rows = np.array(sorted(kept))
    return Curve(_tuple(x[rows]), _tuple(y[rows]))


def _cumulative(y: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return hits and rows among the best, one element for each distinct score, best first."""
    order = np.argsort(-s, kind="stable")
    ranked = s[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return np.cumsum(y[order])[ends], (ends + 1).astype(np.float64)


def _confusion_at(y: Floats, s: Floats, threshold: float) -> Confusion:
    said = s >= threshold
    counts = tuple(
        tuple(int(((y == actual) & (said == bool(predicted))).sum()) for predicted in (0, 1))
        for actual in (0, 1)
    )
    return Confusion(("no", "yes"), counts, f"predicted yes at a probability of {threshold:.3g} or more")


def _aligned(label: ArrayLike, prediction: ArrayLike) -> tuple[Floats, Floats]:
    y, p = (np.asarray(a, dtype=np.float64).ravel() for a in (label, prediction))
    if len(y) != len(p):
        raise _lengths(len(y), len(p))
    valid = np.isfinite(y) & np.isfinite(p)
    return y[valid], p[valid]


def _lengths(labels: int, predictions: int) -> UserError:
    return UserError(
        "DATA104",
        f"there are {labels:,} labels and {predictions:,} predictions.",
        "give one prediction for each label, in the same order.",
    )


def _grouped(labels: pa.Table, keys: list[str]) -> list[tuple[tuple[Any, ...], int, float | None]]:
    """Return for each combination of ``keys``, the last varying slowest: key, rows, mean label."""
    columns = {key: labels[key] for key in keys}
    if "anchor_time" in columns:
        columns["anchor_time"] = labels["anchor_time"].cast(pa.timestamp("us")).cast(pa.int64())
    kind = labels["label"].type
    is_number = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    columns["value"] = (
        labels["label"].cast(pa.float64()) if is_number else pa.nulls(len(labels), pa.float64())
    )
    grouped = pa.table(columns).group_by(keys, use_threads=False)
    result = grouped.aggregate([("value", "mean"), ([], "count_all")])
    rows = result.sort_by([(key, "ascending") for key in reversed(keys)]).to_pylist()
    return [(tuple(row[key] for key in keys), row["count_all"], row["value_mean"]) for row in rows]


def _tuple(values: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
