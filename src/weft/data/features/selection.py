"""Selection on train rows: what tells about the label, without saying the same thing twice."""

from __future__ import annotations

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
    label = _label_matrix(sample["label"], task)
    scores = np.zeros(len(values))
    ranked: list[Floats] = []
    for i, column in enumerate(values):
        ranks = _ranks(column)
        ranked.append(ranks)
        scores[i] = _score(ranks, label)
    matrix = np.column_stack(ranked) if ranked else np.zeros((len(label), 0))
    if len(scores) > _CONTEXT_FROM:
        floor = np.partition(scores, -_CONTEXT_FROM)[-_CONTEXT_FROM]
        scores = np.array([max(s, floor) if s > 0 and i in context else s for i, s in enumerate(scores)])
    return _distinct(matrix, scores, options.max_features)


def _ranks(column: npt.NDArray[Any]) -> Floats:
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
    ranks = np.full(len(column), np.nan)
    ranks[known] = middle[at] - middle[at].mean()
    ranks[~known] = 0.0
    length = np.sqrt(np.square(ranks).sum())
    if length == 0:
        ranks, length = np.where(known, 0.0, 1.0), np.sqrt((~known).sum())
    return np.asarray(ranks / max(length, 1e-300))


def _score(ranks: Floats, label: Floats) -> float:
    if not ranks.any():
        return 0.0
    monotone = float(np.abs(ranks @ label).max())
    edges = np.unique(np.quantile(ranks, np.linspace(0, 1, 11)[1:-1]))
    bins = np.searchsorted(edges, ranks, "left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    explained = 0.0
    for j in range(label.shape[1]):
        sums = np.bincount(bins, weights=label[:, j], minlength=len(edges) + 1)
        explained = max(explained, float((sums**2 / np.maximum(counts, 1)).sum()))
    return float(max(monotone, np.sqrt(explained)))


def _label_matrix(label: pa.ChunkedArray, task: TaskType) -> Floats:
    """One standardized column for a number or truth, one per frequent class otherwise."""
    if task in (TaskType.BINARY, TaskType.REGRESSION, TaskType.FORECASTING):
        column = label.cast(pa.float64()).to_numpy()
        columns = [_ranks(column)]
    else:
        texts = np.array([str(v) for v in label.to_pylist()])
        names, counts = np.unique(texts, return_counts=True)
        frequent = names[np.argsort(-counts, kind="stable")][:10]
        columns = [_ranks((texts == name).astype(np.float64)) for name in frequent]
    return np.column_stack(columns)


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
