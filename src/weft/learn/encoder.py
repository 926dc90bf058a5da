"""From a feature table to the matrix that models read, by what was learned from train alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Feature, FeatureKind, UserError

FRAME = "frame"
FRAME_FEATURE = Feature(
    name=FRAME,
    kind=FeatureKind.NUMERICAL,
    table="",
    columns=(),
    links=(),
    aggregate="frame",
    window_us=None,
    words="the number of the coming time frame",
)
MISSING_CODE = 0
UNKNOWN_CODE = 1
FIRST_CODE = 2
MAX_VOCABULARY = 250
# Far below the largest float32, so that sums of two stay finite.
_LARGEST = 1e38


@dataclass(frozen=True)
class Encoder:
    """How each feature becomes a column of numbers.

    Numerical features keep their value, NaN where missing. Categorical ones become a code: 0 missing,
    1 not in the vocabulary, 2 … the values of the vocabulary, the most frequent first. A vocabulary
    holds at most `MAX_VOCABULARY` values of the train rows; rarer ones share the code of the unknown.
    """

    features: tuple[Feature, ...]
    vocabularies: dict[str, tuple[str, ...]]

    @staticmethod
    def fit(features: Sequence[Feature], train: pa.Table) -> Encoder:
        """Learn the vocabularies from the feature table of the train rows."""
        check_columns(features, train)
        vocabularies = {
            f.name: _vocabulary(train.column(f.name)) for f in features if f.kind is FeatureKind.CATEGORICAL
        }
        return Encoder(tuple(features), vocabularies)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the categorical features."""
        return tuple(i for i, f in enumerate(self.features) if f.kind is FeatureKind.CATEGORICAL)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(f.name for f in self.features)

    def matrix(self, table: pa.Table, seeds: pa.Table | None = None) -> np.ndarray:
        """Encode a feature table as float32 of shape ``(rows, features)``.

        Args:
            table: Has a column for every feature; columns beyond those are ignored.
            seeds: Rows that ``table`` is about; gives the frame where the task forecasts.

        Raises:
            UserError: ``LEARN005`` when the table does not fit, with how it differs.
        """
        table = with_frame(table, self.features, seeds)
        check_columns(self.features, table)
        matrix = np.empty((table.num_rows, len(self.features)), dtype=np.float32)
        for position, feature in enumerate(self.features):
            column = table.column(feature.name)
            if feature.kind is FeatureKind.CATEGORICAL:
                matrix[:, position] = _codes(column, self.vocabularies[feature.name])
            else:
                matrix[:, position] = _numbers(column)
        return matrix


def with_frame(table: pa.Table, features: Sequence[Feature], seeds: pa.Table | None) -> pa.Table:
    """Add the column ``frame`` of the seeds where the features ask for it and the table lacks it."""
    wanted = any(f.name == FRAME and f.aggregate == FRAME for f in features)
    if not wanted or FRAME in table.column_names:
        return table
    if seeds is None or FRAME not in seeds.column_names:
        raise UserError(
            "LEARN018",
            "this model forecasts frame by frame, and the rows to predict have no column 'frame'.",
            "give one row per entity and frame (see weft.learn.expand_frames).",
        )
    return table.append_column(FRAME, seeds.column(FRAME).cast(pa.float64()))


def check_columns(features: Sequence[Feature], table: pa.Table) -> None:
    """Refuse a table that lacks a feature or has it in another type."""
    present: Mapping[str, pa.DataType] = {f.name: f.type for f in table.schema}
    missing = [f.name for f in features if f.name not in present]
    wrong = [
        f"'{f.name}' is {present[f.name]} instead of {f.kind.value}"
        for f in features
        if f.name in present and not _fits(f.kind, present[f.name])
    ]
    if missing or wrong:
        parts = [f"it lacks {_listed([repr(m) for m in missing])}"] if missing else []
        parts += [_listed(wrong)] if wrong else []
        raise UserError(
            "LEARN005",
            f"the feature table does not fit the {len(features)} features of the model: {'; '.join(parts)}.",
            "compute the features that the model was fitted with, from tables of the same schema.",
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _fits(kind: FeatureKind, dtype: pa.DataType) -> bool:
    if pa.types.is_null(dtype):
        return True
    if kind is FeatureKind.CATEGORICAL:
        value = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
        return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
    return bool(pa.types.is_floating(dtype) or pa.types.is_integer(dtype) or pa.types.is_boolean(dtype))


def _vocabulary(column: pa.ChunkedArray) -> tuple[str, ...]:
    counted = pc.value_counts(column.cast(pa.string()))
    pairs = [(v, c) for v, c in zip(*(counted.field(i).to_pylist() for i in (0, 1)), strict=True)]
    ordered = sorted((p for p in pairs if p[0] is not None), key=lambda p: (-p[1], p[0]))
    return tuple(value for value, _ in ordered[:MAX_VOCABULARY])


def _codes(column: pa.ChunkedArray, vocabulary: tuple[str, ...]) -> np.ndarray:
    values = column.cast(pa.string())
    found = pc.index_in(values, value_set=pa.array(vocabulary, pa.string()))
    codes = pc.fill_null(found.cast(pa.int32()), UNKNOWN_CODE - FIRST_CODE).to_numpy() + FIRST_CODE
    return np.asarray(np.where(pc.is_null(values).to_numpy(), MISSING_CODE, codes))


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    values = column.cast(pa.float64()).to_numpy()
    return np.asarray(np.clip(values, -_LARGEST, _LARGEST))
