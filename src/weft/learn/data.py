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
from weft.learn.encoder import FRAME, FRAME_FEATURE, Encoder, check_columns, encode_parts, with_frame
from weft.learn.matrices import Columns, Place, in_memory, take
from weft.learn.metrics import Metric
from weft.learn.scoring import prepare
from weft.learn.targets import Targets, encode_labels, find_classes
from weft.learn.view import GraphView

OWN = "own"
ALL = "all"
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
        matrix: Encoded features, float32 ``(n, features)`` in column order, NaN where a number is missing;
            mapped from a file when the data were loaded, so take what you need (`weft.learn.matrices.take`).
        targets: The labels.
    """

    seeds: pa.Table
    matrix: np.ndarray
    targets: Targets

    def __len__(self) -> int:
        return len(self.matrix)

    def take(self, rows: np.ndarray) -> Rows:
        """Copy the given rows."""
        return Rows(self.seeds.take(pa.array(rows)), take(self.matrix, rows), self.targets.take(rows))

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
    rows by name, such as ``"stale"``: the same labels seen from earlier cutoffs. ``graph`` is there when a
    rung is to be fitted that reads one.
    """

    outline: Outline
    encoder: Encoder
    classes: tuple[str, ...]
    train_by_name: Mapping[str, Rows]
    val: Rows
    test: Rows
    graph: GraphView | None = None

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
        """Return the train rows called ``name``; ``"own+stale"`` puts two together, ``"all"`` everything.

        Raises:
            UserError: ``LEARN012`` when there are none of that name.
        """
        found = [self.train_by_name[part] for part in self.train_parts(name)]
        return found[0] if len(found) == 1 else _concatenate(found)

    def train_parts(self, name: str) -> list[str]:
        """Return which of `train_by_name` a name of `train_rows` stands for.

        Raises:
            UserError: ``LEARN012`` when there are none of that name.
        """
        parts = list(self.train_by_name) if name == ALL else name.split("+")
        for part in parts:
            if part not in self.train_by_name:
                raise UserError(
                    "LEARN012",
                    f"there are no train rows called '{part}'.",
                    f"choose among {', '.join(self.train_by_name)}.",
                )
        return parts

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
        return assemble(
            task=task,
            history=history,
            features=features,
            columns=Columns.of_table(feature_table),
            labels=labels,
            alternatives={name: _in_memory(given) for name, given in (alternatives or {}).items()},
            metric=metric,
            place=in_memory,
        )

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
        """Build from Parquet files, one column at a time; see `build`."""
        return assemble(
            task=task,
            history=history,
            features=features,
            columns=Columns.of_file(feature_path),
            labels=pq.read_table(label_path),
            alternatives={n: (Columns.of_file(p), None) for n, p in (alternative_paths or {}).items()},
            metric=metric,
            place=in_memory,
        )


def assemble(
    *,
    task: Task,
    history: History,
    features: Sequence[Feature],
    columns: Columns,
    labels: pa.Table,
    alternatives: Mapping[str, tuple[Columns, pa.Table | None]],
    metric: str,
    place: Place,
) -> TrainingData:
    """Do what `TrainingData.build` says, with columns from anywhere and matrices kept in ``place``.

    An alternative is a pair (columns, label table); without a label table it has that of the train rows.
    """
    _check_length(columns.num_rows, labels)
    check_splits(labels)
    if task.type is TaskType.FORECASTING and FRAME in labels.column_names:
        features = (*(f for f in features if f.name != FRAME), FRAME_FEATURE)
    columns = with_frame(columns, features, labels)
    check_columns(features, columns.schema)
    rows = {split: find_rows(labels, split) for split in Split}
    classes = find_classes(task.type, labels["label"].take(pa.array(rows[Split.TRAIN])))
    answers = {split: _answers(task, labels, rows[split], classes) for split in Split}
    check_learnable(task, answers[Split.TRAIN][1], classes)
    vocabularies: dict[str, tuple[str, ...]] = {}
    parts = {part_name(split): rows[split] for split in Split}
    encoded = encode_parts(features, columns, parts, place, vocabularies, learn_from=rows[Split.TRAIN])
    own, val, test = (Rows(answers[s][0], encoded[part_name(s)], answers[s][1]) for s in Split)
    train = {OWN: own}
    for name, (given, of) in alternatives.items():
        given, of, chosen = _alternative(given, of, labels, features)
        part = part_name(Split.TRAIN, name)
        matrix = encode_parts(features, given, {part: chosen}, place, vocabularies)[part]
        seeds, targets = _answers(task, of, chosen, classes)
        train[name] = Rows(seeds, matrix, targets)
    outline = Outline(task, history, tuple(n for n in train if n != OWN), metric)
    return TrainingData(outline, Encoder(tuple(features), vocabularies), classes, train, val, test)


def part_name(split: Split, train: str = OWN) -> str:
    """Name the matrix of a split: ``val``, ``test``, ``train-own``."""
    return f"{split.value}-{train}" if split is Split.TRAIN else split.value


def find_rows(labels: pa.Table, split: Split) -> np.ndarray:
    """Return which rows of a label table belong to a split, ascending."""
    chosen = pc.equal(labels["split"], split.value).to_numpy(zero_copy_only=False)
    return np.flatnonzero(chosen)


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


def check_splits(labels: pa.Table) -> None:
    """Refuse a label table without rows for train or val."""
    for split in (Split.TRAIN, Split.VAL):
        if not pc.any(pc.equal(labels["split"], split.value)).as_py():
            raise UserError(
                "LEARN001",
                f"the split '{split.value}' has no rows among the {labels.num_rows:,} of the label table.",
                "give more history, a shorter window or a smaller step, so that every split gets anchors.",
            )


def _check_length(num_rows: int, labels: pa.Table) -> None:
    if num_rows != labels.num_rows:
        raise UserError(
            "LEARN003",
            f"the feature table has {num_rows:,} rows and the label table {labels.num_rows:,}.",
            "compute one row of features per row of the label table, in the same order.",
        )


def _answers(
    task: Task, labels: pa.Table, rows: np.ndarray, classes: Sequence[str]
) -> tuple[pa.Table, Targets]:
    chosen = labels.take(pa.array(rows))
    seeds = chosen.select([c for c in _SEED_COLUMNS if c in chosen.column_names])
    return seeds, encode_labels(task.type, chosen["label"], classes)


def _in_memory(given: Any) -> tuple[Columns, pa.Table | None]:
    table, of = given if isinstance(given, tuple) else (given, None)
    return Columns.of_table(table), of


def _alternative(
    columns: Columns, of: pa.Table | None, labels: pa.Table, features: Sequence[Feature]
) -> tuple[Columns, pa.Table, np.ndarray]:
    """Return columns and labels that match row by row, and which of the rows are train rows."""
    if of is None:
        train = labels.take(pa.array(find_rows(labels, Split.TRAIN)))
        of = labels if columns.num_rows == labels.num_rows else train
    _check_length(columns.num_rows, of)
    columns = with_frame(columns, features, of)
    check_columns(features, columns.schema)
    chosen = find_rows(of, Split.TRAIN) if "split" in of.column_names else np.arange(of.num_rows)
    return columns, of, chosen


def _concatenate(parts: Sequence[Rows]) -> Rows:
    matrix = np.empty((sum(map(len, parts)), parts[0].matrix.shape[1]), dtype=np.float32, order="F")
    np.concatenate([p.matrix for p in parts], out=matrix)
    return Rows(
        pa.concat_tables([p.seeds for p in parts]),
        matrix,
        Targets(
            np.concatenate([p.targets.values for p in parts]),
            np.concatenate([p.targets.num_true for p in parts]),
        ),
    )
