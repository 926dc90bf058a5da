"""Labels as arrays, by the kind of task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import TaskType, UserError

MAX_CLASSES = 500
NUMERIC = frozenset({TaskType.BINARY, TaskType.REGRESSION, TaskType.FORECASTING})
MULTILABEL = frozenset({TaskType.MULTILABEL, TaskType.MULTILABEL_RANKING})


@dataclass(frozen=True)
class Targets:
    """The true answers of some rows.

    Attributes:
        values: Binary, regression, forecasting: float64 ``(n,)``. Multiclass: int64 ``(n,)``, the
            position of the class, -1 for one that train does not have. Multilabel: uint8
            ``(n, classes)``.
        num_true: int64 ``(n,)``: how many classes or items are true, also those that the model cannot
            name. Ones for tasks with a single answer.
    """

    values: np.ndarray
    num_true: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> Targets:
        """Return the given rows."""
        return Targets(self.values[rows], self.num_true[rows])


def find_classes(task_type: TaskType, labels: pa.ChunkedArray) -> tuple[str, ...]:
    """List the classes of the train labels; empty for tasks that predict a number.

    Multilabel tasks keep the `MAX_CLASSES` most frequent ones; a true label beyond those counts as one
    that was missed.
    """
    if task_type in NUMERIC or task_type is TaskType.LINK_PREDICTION:
        return ()
    values = pc.list_flatten(labels) if task_type in MULTILABEL else labels
    counted = pc.value_counts(values.cast(pa.string()))
    pairs = list(zip(*(counted.field(i).to_pylist() for i in (0, 1)), strict=True))
    named = sorted((p for p in pairs if p[0] is not None), key=lambda p: (-p[1], p[0]))
    return tuple(sorted(value for value, _ in named[:MAX_CLASSES]))


def encode_labels(task_type: TaskType, labels: pa.ChunkedArray, classes: Sequence[str]) -> Targets:
    """Turn the label column into arrays.

    Raises:
        UserError: ``LEARN002`` when a label is missing or not finite.
    """
    if task_type in MULTILABEL:
        return _encode_lists(labels, classes)
    _refuse_missing(labels.null_count, len(labels))
    if task_type is TaskType.MULTICLASS:
        found = pc.index_in(labels.cast(pa.string()), value_set=pa.array(classes, pa.string()))
        values = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    else:
        values = labels.cast(pa.float64()).to_numpy().astype(np.float64)
        _refuse_missing(int((~np.isfinite(values)).sum()), len(values))
    return Targets(values, np.ones(len(values), dtype=np.int64))


def _encode_lists(labels: pa.ChunkedArray, classes: Sequence[str]) -> Targets:
    _refuse_missing(labels.null_count, len(labels))
    flat = pc.list_flatten(labels).cast(pa.string())
    parents = pc.list_parent_indices(labels).to_numpy()
    codes = pc.fill_null(pc.index_in(flat, value_set=pa.array(classes, pa.string())), -1).to_numpy()
    values = np.zeros((len(labels), len(classes)), dtype=np.uint8)
    known = codes >= 0
    values[parents[known], codes[known]] = 1
    return Targets(values, np.bincount(parents, minlength=len(labels)).astype(np.int64))


def _refuse_missing(num_bad: int, num: int) -> None:
    if num_bad:
        raise UserError(
            "LEARN002",
            f"{num_bad:,} of {num:,} labels are missing or not finite.",
            "leave those rows out of the label table.",
        )
