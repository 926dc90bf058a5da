"""From the raw values of a column to what a network reads; learned from the train period alone."""

from weft.learn.encoders.categories import HashedCategories, IndexedCategories, SeveralCategories
from weft.learn.encoders.choice import EncoderOptions, choose_encoder, choose_kind
from weft.learn.encoders.column import BoundColumn, ColumnEncoder, Encoded, RawColumn
from weft.learn.encoders.numbers import (
    PiecewiseLinear,
    QuantileBins,
    RobustNumbers,
    StandardNumbers,
    Vectors,
)
from weft.learn.encoders.table import BoundTable, TableEncoder, fit_table
from weft.learn.encoders.text import HashedText
from weft.learn.encoders.times import Timestamps

__all__ = [
    "BoundColumn",
    "BoundTable",
    "ColumnEncoder",
    "Encoded",
    "EncoderOptions",
    "HashedCategories",
    "HashedText",
    "IndexedCategories",
    "PiecewiseLinear",
    "QuantileBins",
    "RawColumn",
    "RobustNumbers",
    "SeveralCategories",
    "StandardNumbers",
    "TableEncoder",
    "Timestamps",
    "Vectors",
    "choose_encoder",
    "choose_kind",
    "fit_table",
]
