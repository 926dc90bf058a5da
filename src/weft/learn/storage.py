"""Training data in a folder: encoded once, read by every candidate.

::

    training.json                outline, encoder, classes, names of the train rows
    <part>.npy                   matrix, float32, in column order; a part is train-own, val, test, …
    <part>.values.npy            labels as numbers
    <part>.num_true.npy          how many answers are true
    <part>.seeds.parquet         entity, anchor_time, cutoff
    <part>.candidates.parquet    seed, item, label: rankings of items
    <part>.truth.parquet         the true items of each seed: rankings of items

Matrices are mapped, not read: candidates that run side by side in one process or in several share the pages,
and a model that reads two columns touches two columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Feature, History, Split, Task, TaskType, UserError, from_json, to_json
from weft.learn.data import OWN, Outline, Rows, TrainingData, assemble, part_name
from weft.learn.encoder import Encoder
from weft.learn.matrices import Columns, in_folder, matrix_path, open_array
from weft.learn.ranking import RankingData, RankingRows, assemble_ranking, find_popularity
from weft.learn.targets import Targets

TRAINING_FILE = "training.json"
FORMAT = 2


@dataclass(frozen=True)
class _Description:
    format: int
    outline: Outline
    encoder: Encoder
    classes: tuple[str, ...]
    train: tuple[str, ...]


def write_training_data(
    directory: Path,
    *,
    task: Task,
    history: History,
    features: tuple[Feature, ...],
    feature_path: Path,
    labels: pa.Table,
    alternatives: Mapping[str, tuple[Path, pa.Table | None]] | None = None,
    metric: str = "",
) -> TrainingData | RankingData:
    """Encode a feature table, or for link prediction candidates, into a folder, one column at a time.

    Args:
        directory: Made when missing.
        task: As for `TrainingData.build`; likewise ``history``, ``features`` and ``metric``.
        feature_path: Parquet file: a row per row of ``labels``, or the candidates of `RankingData.build`.
        labels: The label table.
        alternatives: Name → Parquet file of train rows seen from other cutoffs, with their label table.
    """
    directory.mkdir(parents=True, exist_ok=True)
    place, columns = in_folder(directory), Columns.of_file(feature_path)
    if task.type is TaskType.LINK_PREDICTION:
        ranking = assemble_ranking(task, history, features, columns, labels, metric, place)
        return _described(directory, ranking)
    given = {name: (Columns.of_file(path), of) for name, (path, of) in (alternatives or {}).items()}
    data = assemble(
        task=task,
        history=history,
        features=features,
        columns=columns,
        labels=labels,
        alternatives=given,
        metric=metric,
        place=place,
    )
    return _described(directory, data)


def save_training_data(directory: Path, data: TrainingData | RankingData) -> None:
    """Write data that are in memory into a folder, which is made when missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, rows in _parts(data).items():
        path = matrix_path(directory, name)
        path.unlink(missing_ok=True)
        np.save(path, np.asfortranarray(rows.matrix))
    _described(directory, data)


def load_training_data(directory: Path) -> TrainingData | RankingData:
    """Open what `write_training_data` or `save_training_data` wrote; matrices are mapped.

    Raises:
        UserError: ``LEARN009`` when the folder is damaged, or of a newer version of Weft.
    """
    try:
        found = from_json(_Description, (directory / TRAINING_FILE).read_bytes())
        if found.format > FORMAT:
            raise ValueError(f"it has format {found.format}, this Weft reads up to {FORMAT}")
        if found.outline.task.type is TaskType.LINK_PREDICTION:
            parts = [_read_ranking_rows(directory, part_name(split), found.encoder) for split in Split]
            return RankingData(found.outline, found.encoder, parts[0], parts[1], parts[2])
        train = {name: _read_rows(directory, part_name(Split.TRAIN, name)) for name in found.train}
        val, test = (_read_rows(directory, part_name(split)) for split in (Split.VAL, Split.TEST))
        return TrainingData(found.outline, found.encoder, found.classes, train, val, test)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise UserError(
            "LEARN009",
            f"the training data in '{directory.name}' cannot be read: {type(error).__name__}: {error}.",
            "make them again, or open them with the version of Weft that wrote them.",
        ) from error


def _parts(data: TrainingData | RankingData) -> dict[str, Any]:
    if isinstance(data, RankingData):
        train: dict[str, Any] = {part_name(Split.TRAIN): data.train}
    else:
        train = {part_name(Split.TRAIN, name): rows for name, rows in data.train_by_name.items()}
    return train | {part_name(Split.VAL): data.val, part_name(Split.TEST): data.test}


def _described(directory: Path, data: TrainingData | RankingData) -> TrainingData | RankingData:
    """Write all but the matrices, and return the data."""
    for name, rows in _parts(data).items():
        np.save(directory / f"{name}.values.npy", rows.targets.values)
        np.save(directory / f"{name}.num_true.npy", rows.targets.num_true)
        _write_table(rows.seeds, directory / f"{name}.seeds.parquet")
        if isinstance(rows, RankingRows):
            found = {"seed": rows.seed, "item": rows.items, "label": rows.is_true}
            _write_table(pa.table(found), directory / f"{name}.candidates.parquet")
            _write_table(pa.table({"truth": rows.truth}), directory / f"{name}.truth.parquet")
    train = tuple(data.train_by_name) if isinstance(data, TrainingData) else (OWN,)
    description = _Description(FORMAT, data.outline, data.encoder, tuple(data.classes), train)
    (directory / TRAINING_FILE).write_text(to_json(description), encoding="utf-8")
    return data


def _write_table(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")


def _read_table(path: Path) -> pa.Table:
    # A file handle, since a path in a content-addressed store has no suffix.
    with path.open("rb") as file:
        return pq.read_table(file)


def _read_targets(directory: Path, name: str) -> Targets:
    values, num_true = (open_array(directory / f"{name}.{what}.npy") for what in ("values", "num_true"))
    return Targets(values, num_true)


def _read_rows(directory: Path, name: str) -> Rows:
    seeds = _read_table(directory / f"{name}.seeds.parquet")
    return Rows(seeds, open_array(matrix_path(directory, name)), _read_targets(directory, name))


def _read_ranking_rows(directory: Path, name: str, encoder: Encoder) -> RankingRows:
    matrix = open_array(matrix_path(directory, name))
    candidates = _read_table(directory / f"{name}.candidates.parquet")
    return RankingRows(
        seeds=_read_table(directory / f"{name}.seeds.parquet"),
        matrix=matrix,
        targets=_read_targets(directory, name),
        seed=candidates["seed"].to_numpy(),
        items=candidates["item"],
        is_true=candidates["label"].to_numpy(),
        popularity=find_popularity(encoder, matrix),
        truth=_read_table(directory / f"{name}.truth.parquet")["truth"],
    )
