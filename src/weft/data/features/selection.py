"""Selection on train rows: what tells about the label, without saying the same thing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weft.core import TaskType
from weft.data.features.options import FeatureOptions
from weft.data.features.segments import Floats

_SAME = 0.95
_CONTEXT_FROM = 20
_CLASSES = 10


def select(
    values: Sequence[npt.NDArray[Any]],
    sample: pa.Table,
    task: TaskType,
    options: FeatureOptions,
    context: Container[int] = (),
) -> list[int]:
    """Return positions of the kept columns, the most telling first.

    A column is scored by how far its ranks separate the label's (for any monotone use) and by how much the
    label's mean differs between its bins (for any other). Columns are then taken in order of score unless
    a kept one has nearly the same ranks. Those of the context tell what other columns mean rather than
    what the label is, so they are kept whatever their score, after the most telling ones.
    """
    label = label_matrix(sample["label"], task)
    scores = np.zeros(len(values))
    ranked: list[Floats] = []
    for i, column in enumerate(values):
        ranked.append(ranks(column))
        scores[i] = score(ranked[-1], label)
    matrix = np.column_stack(ranked) if ranked else np.zeros((len(label), 0))
    if len(scores) > _CONTEXT_FROM:
        floor = np.partition(scores, -_CONTEXT_FROM)[-_CONTEXT_FROM]
        scores = np.array([max(s, floor) if s > 0 and i in context else s for i, s in enumerate(scores)])
    return _distinct(matrix, scores, options.max_features)


def ranks(column: npt.NDArray[Any]) -> Floats:
    """Ranks scaled to unit length around 0, ties shared; missing values at the mean."""
    if column.dtype.kind != "f":
        _, column = np.unique(np.array([str(v) for v in column]), return_inverse=True)
        column = column.astype(np.float64)
    known = ~np.isnan(column)
    if known.sum() < 2:
        return np.zeros(len(column))
    distinct, at, counts = np.unique(column[known], return_inverse=True, return_counts=True)
    if len(distinct) < 2 and known.all():
        return np.zeros(len(column))
    middle = np.cumsum(counts) - (counts - 1) / 2
    found = np.zeros(len(column))
    found[known] = middle[at] - middle[at].mean()
    length = np.sqrt(np.square(found).sum())
    if length == 0:
        found, length = np.where(known, 0.0, 1.0), np.sqrt((~known).sum())
    return np.asarray(found / max(length, 1e-300))


def score(ranked: Floats, label: Floats) -> float:
    """Score ranks against the columns of a label: the larger of the monotone and the binned relation."""
    if not ranked.any():
        return 0.0
    monotone = float(np.abs(ranked @ label).max())
    edges = np.unique(np.quantile(ranked, np.linspace(0, 1, 11)[1:-1]))
    bins = np.searchsorted(edges, ranked, "left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    explained = 0.0
    for j in range(label.shape[1]):
        sums = np.bincount(bins, weights=label[:, j], minlength=len(edges) + 1)
        explained = max(explained, float((sums**2 / np.maximum(counts, 1)).sum()))
    return float(max(monotone, np.sqrt(explained)))


def label_matrix(label: pa.ChunkedArray, task: TaskType) -> Floats:
    """One standardized column for a number or truth; else one per frequent class, or item of the lists."""
    if task in (TaskType.BINARY, TaskType.REGRESSION, TaskType.FORECASTING):
        return ranks(label.cast(pa.float64()).to_numpy())[:, None]
    held = [value if isinstance(value, list) else [value] for value in label.to_pylist()]
    counts = Counter(str(item) for items in held for item in items)
    sets = [{str(item) for item in items} for items in held]
    columns = [
        ranks(np.array([float(name in items) for items in sets]))
        for name, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))[:_CLASSES]
    ]
    return np.column_stack(columns) if columns else np.zeros((len(sets), 1))


def _distinct(matrix: Floats, scores: Floats, most: int) -> list[int]:
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > 0]
    kept: list[int] = []
    basis = np.zeros((matrix.shape[0], min(most, len(order))))
    for i in order:
        if len(kept) == most:
            break
        if kept and np.abs(basis[:, : len(kept)].T @ matrix[:, i]).max() > _SAME:
            continue
        basis[:, len(kept)] = matrix[:, i]
        kept.append(i)
    return kept
