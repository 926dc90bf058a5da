"""What a ranking of items is fitted on: candidate items of every seed, divided into train, val and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Feature, History, Split, Task, UserError
from weft.learn.data import OWN, Outline, check_splits, find_rows, number_entities, part_name
from weft.learn.encoder import Encoder, check_columns, encode_parts
from weft.learn.matrices import Columns, Place, in_memory, take
from weft.learn.metrics import Metric, named_of_items, rank_items
from weft.learn.targets import Targets
from weft.learn.view import GraphView, Pairs

POPULARITY = "score.popularity"
_SEED_COLUMNS = ("entity", "anchor_time", "cutoff")
_CANDIDATE_COLUMNS = ("seed", "item", "label")


@dataclass(frozen=True)
class RankingRows:
    """The seeds of one split and their candidate items.

    Predictions are one score per candidate; labels and scores are per seed, and so is the length.

    Attributes:
        seeds: ``entity``, ``anchor_time``, ``cutoff``; one row per list.
        matrix: Encoded features of the candidates, float32 ``(candidates, features)``, seed after seed.
        targets: Per seed: how many items are true, candidates or not.
        seed: int64 ``(candidates,)``, row of ``seeds``, ascending.
        items: The item of each candidate.
        is_true: bool ``(candidates,)``.
        popularity: Orders candidates of equal score; ``None`` leaves them in order of the table.
        truth: The true items of each seed, candidates or not, a list per seed.
    """

    seeds: pa.Table
    matrix: np.ndarray
    targets: Targets
    seed: np.ndarray
    items: pa.ChunkedArray
    is_true: np.ndarray
    popularity: np.ndarray | None
    truth: pa.ChunkedArray

    @property
    def pairs(self) -> Pairs:
        """Which seed and which item each candidate is about."""
        return Pairs(self.seed, self.items)

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: np.ndarray) -> RankingRows:
        """Copy the given seeds, ascending, with their candidates."""
        own = np.flatnonzero(np.isin(self.seed, rows))
        return RankingRows(
            seeds=self.seeds.take(pa.array(rows)),
            matrix=take(self.matrix, own),
            targets=self.targets.take(rows),
            seed=np.searchsorted(rows, self.seed[own]),
            items=self.items.take(pa.array(own)),
            is_true=self.is_true[own],
            popularity=None if self.popularity is None else self.popularity[own],
            truth=self.truth.take(pa.array(rows)),
        )

    def clusters(self) -> np.ndarray:
        """Number the entities: lists of one entity are not independent of one another."""
        return number_entities(self.seeds)

    def form(self, metric: Metric, prediction: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        """Say of each seed's list which of the first ``k`` items are true, bool ``(seeds, k)``."""
        if prediction.dtype == bool:
            return prediction
        places = rank_items(self.seed, prediction, self.popularity)
        length = metric.k or int(places.max(initial=0)) + 1
        return named_of_items(self.seed, places, self.is_true, len(self), length)

    def score(self, metric: Metric, prediction: np.ndarray, threshold: float = 0.5) -> float | None:
        """Score the lists that scores of the candidates make; a seed without candidates has an empty one."""
        return metric.score(self.targets, self.form(metric, prediction))

    def with_prediction(self, prediction: np.ndarray) -> pa.Table:
        """Return ``seed`` (row of the split's seeds), ``item`` and ``prediction``, one row per candidate."""
        return pa.table(
            {"seed": self.seed, "item": self.items, "prediction": pa.array(prediction, pa.float64())}
        )


@dataclass(frozen=True)
class RankingData:
    """Candidates of one link prediction, encoded by what train alone taught.

    Make one with `RankingData.build`. It serves wherever `TrainingData` does; there are no classes and no
    alternative train rows. ``graph`` is for the rungs that read one.
    """

    outline: Outline
    encoder: Encoder
    train: RankingRows
    val: RankingRows
    test: RankingRows
    classes: tuple[str, ...] = ()
    graph: GraphView | None = None

    @property
    def task(self) -> Task:
        """What is to be learned."""
        return self.outline.task

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features, in the order of the matrix."""
        return self.encoder.features

    def train_rows(self, name: str) -> RankingRows:
        """Return the train rows.

        Raises:
            UserError: ``LEARN012`` for any name but ``own``.
        """
        if name != OWN:
            raise UserError(
                "LEARN012",
                f"there are no train rows called '{name}'.",
                "rankings have train rows 'own' only.",
            )
        return self.train

    @staticmethod
    def build(
        *,
        task: Task,
        history: History,
        features: Sequence[Feature],
        candidates: pa.Table,
        labels: pa.Table,
        metric: str = "",
    ) -> RankingData:
        """Divide, encode and check.

        Args:
            task: A link prediction.
            history: How much of the past a row may see.
            features: The columns of ``candidates`` that models read.
            candidates: ``seed`` (int64, row of ``labels``), ``item``, the features, ``label`` (bool).
            labels: ``entity``, ``anchor_time``, ``cutoff``, ``label`` (list of the true items), ``split``.
            metric: What models are chosen by; empty is the task's own.

        Raises:
            UserError: ``LEARN001`` a split without rows, ``LEARN002`` a label that is missing, ``LEARN003``
                a candidate of a row that ``labels`` lacks, ``LEARN004`` no true candidate in train,
                ``LEARN005`` columns that the table does not have.
        """
        columns = Columns.of_table(candidates)
        return assemble_ranking(task, history, features, columns, labels, metric, in_memory)


def assemble_ranking(
    task: Task,
    history: History,
    features: Sequence[Feature],
    columns: Columns,
    labels: pa.Table,
    metric: str,
    place: Place,
) -> RankingData:
    """Do what `RankingData.build` says, with columns from anywhere and matrices kept in ``place``."""
    check_splits(labels)
    _check_candidates(features, columns.schema)
    seed = columns.read("seed").cast(pa.int64()).to_numpy()
    _check_seeds(seed, labels)
    is_true = pc.fill_null(columns.read("label"), False).to_numpy()
    items = columns.read("item")
    num_true = _count_true(labels["label"])
    chosen = {split: find_rows(labels, split) for split in Split}
    parts = {split: _candidates_of(seed, of) for split, of in chosen.items()}
    _check_true(is_true[parts[Split.TRAIN]], len(chosen[Split.TRAIN]))
    named, vocabularies = {part_name(s): r for s, r in parts.items()}, dict[str, tuple[str, ...]]()
    encoded = encode_parts(features, columns, named, place, vocabularies, learn_from=parts[Split.TRAIN])
    encoder = Encoder(tuple(features), vocabularies)

    def rows(split: Split) -> RankingRows:
        of, own = chosen[split], parts[split]
        matrix = encoded[part_name(split)]
        return RankingRows(
            seeds=labels.take(pa.array(of)).select(_SEED_COLUMNS),
            matrix=matrix,
            targets=Targets(num_true[of].astype(np.float64), num_true[of]),
            seed=np.searchsorted(of, seed[own]),
            items=items.take(pa.array(own)),
            is_true=is_true[own],
            popularity=find_popularity(encoder, matrix),
            truth=labels["label"].take(pa.array(of)),
        )

    outline = Outline(task, history, (), metric)
    return RankingData(outline, encoder, rows(Split.TRAIN), rows(Split.VAL), rows(Split.TEST))


def find_popularity(encoder: Encoder, matrix: np.ndarray) -> np.ndarray | None:
    """Return the column that orders candidates of equal score, if the features have it."""
    return matrix[:, encoder.names.index(POPULARITY)] if POPULARITY in encoder.names else None


def _candidates_of(seed: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the rows of some seeds' candidates, seed after seed."""
    rows = np.flatnonzero(np.isin(seed, chosen))
    return rows[np.argsort(seed[rows], kind="stable")]


def _check_candidates(features: Sequence[Feature], schema: pa.Schema) -> None:
    missing = [f"'{name}'" for name in _CANDIDATE_COLUMNS if name not in schema.names]
    if missing:
        raise UserError(
            "LEARN005",
            f"the table of candidates lacks {', '.join(missing)}.",
            "build the candidates with the true items given.",
        )
    check_columns(features, schema)


def _check_seeds(seed: np.ndarray, labels: pa.Table) -> None:
    if len(seed) and (seed.min() < 0 or seed.max() >= labels.num_rows):
        raise UserError(
            "LEARN003",
            f"candidates belong to seeds {seed.min():,} to {seed.max():,} and the label table has "
            f"{labels.num_rows:,} rows.",
            "build the candidates for the rows of this label table.",
        )


def _check_true(is_true: np.ndarray, num_seeds: int) -> None:
    if not is_true.any():
        raise UserError(
            "LEARN004",
            f"none of the {len(is_true):,} candidates of {num_seeds:,} train seeds is true: there is nothing "
            "to learn.",
            "widen the window of the target, or add older anchors.",
        )


def _count_true(labels: pa.ChunkedArray) -> np.ndarray:
    """Count the distinct items of each list."""
    if labels.null_count:
        raise UserError(
            "LEARN002",
            f"{labels.null_count:,} of {len(labels):,} labels are missing.",
            "leave those rows out of the label table.",
        )
    rows = pc.list_parent_indices(labels).to_numpy()
    items: Any = pc.list_flatten(labels).combine_chunks().dictionary_encode().indices
    pairs = np.unique(np.column_stack([rows, pc.fill_null(items, -1).to_numpy()]), axis=0)
    known = pairs[pairs[:, 1] >= 0, 0] if len(pairs) else np.empty(0, dtype=np.int64)
    return np.bincount(known, minlength=len(labels)).astype(np.int64)
