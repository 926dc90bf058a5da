"""Training data in a folder: encoded once, mapped by every candidate that is fitted on them.

::

    training.json        outline, encoder, classes, names of the parts
    <part>.npy           matrix of a part, float32 in column order
    <part>-seeds.parquet rows of a part
    <part>-truth.npz     labels of a part

A part is ``val``, ``test``, or ``train-<name>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Split, from_json, to_json
from weft.learn.data import OWN, Outline, Rows, TrainingData, assemble, part_name
from weft.learn.encoder import Encoder
from weft.learn.matrices import Columns, in_folder, matrix_path, open_array
from weft.learn.targets import Targets

FILE = "training.json"


@dataclass(frozen=True)
class _Kept:
    outline: Outline
    encoder: Encoder
    classes: tuple[str, ...]
    trains: tuple[str, ...]


def keep_training_data(
    directory: Path,
    *,
    feature_path: Path,
    labels: pa.Table,
    alternatives: Mapping[str, tuple[Path, pa.Table]] | None = None,
    **described: Any,
) -> TrainingData:
    """Encode features from a Parquet file, one column at a time, and keep the result in ``directory``.

    Args:
        directory: Exists and is empty.
        feature_path: One row per row of ``labels``.
        labels: As for `TrainingData.build`.
        alternatives: Name → features and labels of further train rows.
        **described: ``task``, ``history``, ``features`` and ``metric``.
    """
    data = assemble(
        columns=Columns.of_file(feature_path),
        labels=labels,
        alternatives={n: (Columns.of_file(p), of) for n, (p, of) in (alternatives or {}).items()},
        place=in_folder(directory),
        **{"metric": "", **described},
    )
    parts = {part_name(Split.VAL): data.val, part_name(Split.TEST): data.test}
    parts |= {part_name(Split.TRAIN, name): rows for name, rows in data.train_by_name.items()}
    for name, rows in parts.items():
        pq.write_table(rows.seeds, directory / f"{name}-seeds.parquet", compression="zstd")
        np.savez(directory / f"{name}-truth.npz", values=rows.targets.values, num_true=rows.targets.num_true)
    kept = _Kept(data.outline, data.encoder, data.classes, tuple(data.train_by_name))
    (directory / FILE).write_text(to_json(kept), encoding="utf-8")
    return data


def open_training_data(directory: Path) -> TrainingData:
    """Open what `keep_training_data` wrote; matrices are mapped, not read."""
    kept = from_json(_Kept, (directory / FILE).read_bytes())
    train = {name: _rows(directory, part_name(Split.TRAIN, name)) for name in (OWN, *kept.trains)}
    return TrainingData(
        kept.outline,
        kept.encoder,
        kept.classes,
        train,
        _rows(directory, part_name(Split.VAL)),
        _rows(directory, part_name(Split.TEST)),
    )


def _rows(directory: Path, part: str) -> Rows:
    with np.load(directory / f"{part}-truth.npz") as truth:
        targets = Targets(truth["values"], truth["num_true"])
    seeds = pq.read_table(directory / f"{part}-seeds.parquet")
    return Rows(seeds, open_array(matrix_path(directory, part)), targets)
