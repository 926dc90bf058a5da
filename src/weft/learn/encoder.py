"""From a feature table to the matrix that models read, by what was learned from train alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Feature, FeatureKind, UserError
from weft.learn.matrices import Columns, Place

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
        check_columns(features, train.schema)
        vocabularies = {
            f.name: learn_vocabulary(train.column(f.name))
            for f in features
            if f.kind is FeatureKind.CATEGORICAL
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

    def without(self, matrix: np.ndarray, names: Collection[str]) -> np.ndarray:
        """Return a copy of encoded features in which some are missing."""
        copy = np.array(matrix)
        for place, feature in enumerate(self.features):
            if feature.name in names:
                copy[:, place] = MISSING_CODE if feature.kind is FeatureKind.CATEGORICAL else np.nan
        return copy

    def matrix(self, table: pa.Table, seeds: pa.Table | None = None) -> np.ndarray:
        """Encode a feature table.

        Args:
            table: One row per row to predict; more columns than the features do no harm.
            seeds: Give the frames where the task forecasts and ``table`` has no column ``frame``.

        Returns:
            float32 ``(n, features)``, in column order.

        Raises:
            UserError: ``LEARN005`` when the table does not fit, with how it differs.
        """
        columns = with_frame(Columns.of_table(table), self.features, seeds)
        check_columns(self.features, columns.schema)
        matrix = np.empty((table.num_rows, len(self.features)), dtype=np.float32, order="F")
        for position, feature in enumerate(self.features):
            matrix[:, position] = encode_column(feature, columns.read(feature.name), self.vocabularies)
        return matrix


def encode_column(
    feature: Feature, column: pa.ChunkedArray, vocabularies: Mapping[str, tuple[str, ...]]
) -> np.ndarray:
    """Turn one feature into numbers, float32 ``(n,)``."""
    if feature.kind is FeatureKind.CATEGORICAL:
        return _codes(column, vocabularies[feature.name])
    return _numbers(column)


def encode_parts(
    features: Sequence[Feature],
    columns: Columns,
    rows_by_part: Mapping[str, np.ndarray],
    place: Place,
    vocabularies: dict[str, tuple[str, ...]],
    *,
    learn_from: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Encode some parts of a table, reading each column once.

    Args:
        features: Become the columns of the matrices.
        columns: The table.
        rows_by_part: Name → rows of the table, int64.
        place: Where the matrices are kept.
        vocabularies: Of the categorical features; added to when ``learn_from`` is given.
        learn_from: Rows that vocabularies are learned from.

    Returns:
        Name → matrix.
    """
    writers = {name: place(name, len(rows), len(features)) for name, rows in rows_by_part.items()}
    chosen = {name: _as_slice(rows) for name, rows in rows_by_part.items()}
    for feature in features:
        column = columns.read(feature.name)
        if learn_from is not None and feature.kind is FeatureKind.CATEGORICAL:
            vocabularies[feature.name] = learn_vocabulary(column.take(pa.array(learn_from)))
        encoded = encode_column(feature, column, vocabularies)
        for name, writer in writers.items():
            writer.put(encoded[chosen[name]])
    return {name: writer.finish() for name, writer in writers.items()}


def _as_slice(rows: np.ndarray) -> np.ndarray | slice:
    if len(rows) and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def with_frame(columns: Columns, features: Sequence[Feature], seeds: pa.Table | None) -> Columns:
    """Add the column ``frame`` of the seeds where the features ask for it and the columns lack it."""
    wanted = any(f.name == FRAME and f.aggregate == FRAME for f in features)
    if not wanted or FRAME in columns.schema.names:
        return columns
    if seeds is None or FRAME not in seeds.column_names:
        raise UserError(
            "LEARN018",
            "this model forecasts frame by frame, and the rows to predict have no column 'frame'.",
            "give one row per entity and frame (see weft.learn.expand_frames).",
        )
    return columns.with_column(FRAME, seeds.column(FRAME).cast(pa.float64()))


def check_columns(features: Sequence[Feature], schema: pa.Schema) -> None:
    """Refuse a table that lacks a feature or has it in another type."""
    present: Mapping[str, pa.DataType] = {f.name: f.type for f in schema}
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


def learn_vocabulary(column: pa.ChunkedArray) -> tuple[str, ...]:
    """List the most frequent values of the train rows."""
    counted = pc.value_counts(column.cast(pa.string()))
    pairs = [(v, c) for v, c in zip(*(counted.field(i).to_pylist() for i in (0, 1)), strict=True)]
    ordered = sorted((p for p in pairs if p[0] is not None), key=lambda p: (-p[1], p[0]))
    return tuple(value for value, _ in ordered[:MAX_VOCABULARY])


def _codes(column: pa.ChunkedArray, vocabulary: tuple[str, ...]) -> np.ndarray:
    values = column.cast(pa.string())
    found = pc.index_in(values, value_set=pa.array(vocabulary, pa.string()))
    codes = pc.fill_null(found.cast(pa.int32()), UNKNOWN_CODE - FIRST_CODE).to_numpy() + FIRST_CODE
    return np.where(pc.is_null(values).to_numpy(), MISSING_CODE, codes).astype(np.float32)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    values = column.cast(pa.float64()).to_numpy()
    return np.asarray(np.clip(values, -_LARGEST, _LARGEST), dtype=np.float32)
