"""What a rung is fitted on: one label table and its features, divided into train, val and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weft.core import Feature, History, Split, Task, TaskType, UserError
from weft.learn.encoder import FRAME, FRAME_FEATURE, Encoder, check_columns, with_frame
from weft.learn.metrics import Metric
from weft.learn.scoring import prepare
from weft.learn.targets import Targets, encode_labels, find_classes

OWN = "own"
_SEED_COLUMNS = ("entity", "anchor_time", "cutoff", FRAME)


@dataclass(frozen=True)
class Outline:
    """What is known of the data before there is any: enough to lay out a plan.

    Attributes:
        task: What is to be learned.
        history: How much of the past a row may see.
        alternatives: Names of further train matrices that can be fitted on.
        metric: Name of the metric that candidates are chosen by; empty is the task's own.
    """

    task: Task
    history: History
    alternatives: tuple[str, ...] = ()
    metric: str = ""

    @property
    def chosen_metric(self) -> str:
        """The metric that candidates are chosen by."""
        return self.metric or self.task.metric


@dataclass(frozen=True)
class Rows:
    """The rows of one split.

    Attributes:
        seeds: ``entity``, ``anchor_time``, ``cutoff`` and, when forecasting, ``frame``.
        table: The feature table of these rows.
        matrix: The same encoded, float32 ``(n, features)``, NaN where a number is missing.
        targets: The labels.
    """

    seeds: pa.Table
    table: pa.Table
    matrix: np.ndarray
    targets: Targets

    def __len__(self) -> int:
        return len(self.matrix)

    def clusters(self) -> np.ndarray:
        """Number the entities: rows of one entity are not independent of one another."""
        return number_entities(self.seeds)

    def form(self, metric: Metric, prediction: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        """Turn predictions for these rows into what ``metric`` is computed from."""
        return prepare(metric, self.targets, prediction, threshold)

    def score(self, metric: Metric, prediction: np.ndarray, threshold: float = 0.5) -> float | None:
        """Score predictions for these rows; ``None`` where the metric is undefined."""
        return metric.score(self.targets, self.form(metric, prediction, threshold))

    def with_prediction(self, prediction: np.ndarray) -> pa.Table:
        """Return the seeds and a column ``prediction``: a number, or a list with one per class."""
        column = pa.array(prediction.ravel(), pa.float64())
        if prediction.ndim == 2:
            column = pa.FixedSizeListArray.from_arrays(column, prediction.shape[1])
        return self.seeds.append_column("prediction", column)


@dataclass(frozen=True)
class TrainingData:
    """Features and labels of one task, encoded by what train alone taught.

    Make one with `TrainingData.build`. ``train_by_name`` holds, beside ``"own"``, the alternative train
    rows by name, such as ``"stale"``: the same labels seen from earlier cutoffs.
    """

    outline: Outline
    encoder: Encoder
    classes: tuple[str, ...]
    train_by_name: Mapping[str, Rows]
    val: Rows
    test: Rows

    @property
    def task(self) -> Task:
        """What is to be learned."""
        return self.outline.task

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features, in the order of the matrix."""
        return self.encoder.features

    @property
    def train(self) -> Rows:
        """The train rows as the feature table has them."""
        return self.train_by_name[OWN]

    def train_rows(self, name: str) -> Rows:
        """Return the train rows called ``name``; ``"own+stale"`` puts two together.

        Raises:
            UserError: ``LEARN012`` when there are none of that name.
        """
        parts = name.split("+")
        for part in parts:
            if part not in self.train_by_name:
                raise UserError(
                    "LEARN012",
                    f"there are no train rows called '{part}'.",
                    f"choose among {', '.join(self.train_by_name)}.",
                )
        found = [self.train_by_name[part] for part in parts]
        return found[0] if len(found) == 1 else _concatenate(found)

    @staticmethod
    def build(
        *,
        task: Task,
        history: History,
        features: Sequence[Feature],
        feature_table: pa.Table,
        labels: pa.Table,
        alternatives: Mapping[str, Any] | None = None,
        metric: str = "",
    ) -> TrainingData:
        """Divide, encode and check.

        Args:
            task: What is to be learned.
            history: How much of the past a row may see.
            features: The columns of ``feature_table`` that models read.
            feature_table: One row per row of ``labels``, in the same order.
            labels: ``entity``, ``anchor_time``, ``cutoff``, ``label``, ``split`` and, when forecasting,
                ``frame``.
            alternatives: Name → feature table of the train rows (or of all rows) with other cutoffs, or
                a pair (feature table, label table) where the rows differ too.
            metric: What candidates are chosen by; empty is the task's own.

        Raises:
            UserError: ``LEARN001`` a split without rows, ``LEARN002`` a label that is missing,
                ``LEARN003`` tables of different lengths, ``LEARN004`` a single class, ``LEARN005``
                features that the table does not have.
        """
        _check_length(feature_table, labels)
        if task.type is TaskType.FORECASTING and FRAME in labels.column_names:
            features = (*(f for f in features if f.name != FRAME), FRAME_FEATURE)
        feature_table = with_frame(feature_table, features, labels)
        check_columns(features, feature_table)
        feature_table = feature_table.select([f.name for f in features])
        train_labels = labels.filter(pc.equal(labels["split"], Split.TRAIN.value))
        _check_splits(labels)
        encoder = Encoder.fit(features, _of_split(feature_table, labels, Split.TRAIN))
        classes = find_classes(task.type, train_labels["label"])

        def rows(table: pa.Table, of: pa.Table) -> Rows:
            seeds = of.select([c for c in _SEED_COLUMNS if c in of.column_names])
            matrix = encoder.matrix(table, seeds)
            return Rows(seeds, table, matrix, encode_labels(task.type, of["label"], classes))

        def split(which: Split) -> Rows:
            chosen = pc.equal(labels["split"], which.value)
            return rows(feature_table.filter(chosen), labels.filter(chosen))

        train = {OWN: split(Split.TRAIN)}
        check_learnable(task, train[OWN].targets, classes)
        for name, given in (alternatives or {}).items():
            train[name] = rows(*_alternative(given, labels, encoder.features))
        outline = Outline(task, history, tuple(n for n in train if n != OWN), metric)
        return TrainingData(outline, encoder, classes, train, split(Split.VAL), split(Split.TEST))

    @staticmethod
    def read(
        *,
        task: Task,
        history: History,
        features: Sequence[Feature],
        feature_path: Path,
        label_path: Path,
        alternative_paths: Mapping[str, Path] | None = None,
        metric: str = "",
    ) -> TrainingData:
        """Build from Parquet files; see `build`."""
        return TrainingData.build(
            task=task,
            history=history,
            features=features,
            feature_table=pq.read_table(feature_path),
            labels=pq.read_table(label_path),
            alternatives={n: pq.read_table(p) for n, p in (alternative_paths or {}).items()},
            metric=metric,
        )


def number_entities(seeds: pa.Table) -> np.ndarray:
    """Give each distinct entity of ``seeds`` a number, int64 ``(n,)``."""
    encoded = seeds.column("entity").combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False)).astype(np.int64)


def expand_frames(table: pa.Table, num_frames: int) -> pa.Table:
    """Repeat each row once per frame; a table of seeds gets the column ``frame``, 0 … n-1.

    Rows of one seed stay together, so seeds and features expanded alike still match.
    """
    repeated = table.take(pa.array(np.repeat(np.arange(table.num_rows), num_frames)))
    if "anchor_time" not in table.column_names:
        return repeated
    frames = np.tile(np.arange(num_frames, dtype=np.int64), table.num_rows)
    return repeated.append_column(FRAME, pa.array(frames))


def check_learnable(task: Task, targets: Targets, classes: Sequence[str]) -> None:
    """Refuse train labels of a single class."""
    if task.type is TaskType.BINARY and len(np.unique(targets.values)) < 2:
        _refuse_one_class(str(bool(targets.values[0])).upper(), len(targets))
    if task.type is TaskType.MULTICLASS and len(classes) < 2:
        _refuse_one_class(f"'{classes[0]}'", len(targets))
    if not len(classes) and targets.values.ndim == 2:
        raise UserError(
            "LEARN004",
            f"none of the {len(targets):,} train rows has a label: there is nothing to learn.",
            "widen the window of the target.",
        )


def _refuse_one_class(label: str, num: int) -> None:
    raise UserError(
        "LEARN004",
        f"all {num:,} train labels are {label}: there is nothing to tell apart.",
        "change the condition or the window of the target, or add older anchors.",
    )


def _check_length(feature_table: pa.Table, labels: pa.Table) -> None:
    if feature_table.num_rows != labels.num_rows:
        raise UserError(
            "LEARN003",
            f"the feature table has {feature_table.num_rows:,} rows and the label table {labels.num_rows:,}.",
            "compute one row of features per row of the label table, in the same order.",
        )


def _check_splits(labels: pa.Table) -> None:
    for split in (Split.TRAIN, Split.VAL):
        if not pc.any(pc.equal(labels["split"], split.value)).as_py():
            raise UserError(
                "LEARN001",
                f"the split '{split.value}' has no rows among the {labels.num_rows:,} of the label table.",
                "give more history, a shorter window or a smaller step, so that every split gets anchors.",
            )


def _of_split(table: pa.Table, labels: pa.Table, split: Split) -> pa.Table:
    return table.filter(pc.equal(labels["split"], split.value))


def _alternative(given: Any, labels: pa.Table, features: Sequence[Feature]) -> tuple[pa.Table, pa.Table]:
    if isinstance(given, tuple):
        table, of = given
        if "split" in of.column_names:
            table, of = _of_split(table, of, Split.TRAIN), _of_split(of, of, Split.TRAIN)
    else:
        of = _of_split(labels, labels, Split.TRAIN)
        table = _of_split(given, labels, Split.TRAIN) if given.num_rows == labels.num_rows else given
    _check_length(table, of)
    table = with_frame(table, features, of)
    check_columns(features, table)
    return table.select([f.name for f in features]), of


def _concatenate(parts: Sequence[Rows]) -> Rows:
    return Rows(
        pa.concat_tables([p.seeds for p in parts]),
        pa.concat_tables([p.table for p in parts]),
        np.concatenate([p.matrix for p in parts]),
        Targets(
            np.concatenate([p.targets.values for p in parts]),
            np.concatenate([p.targets.num_true for p in parts]),
        ),
    )
