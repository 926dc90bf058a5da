"""From the raw values of a column to what a network reads; learned from the train period alone."""

from weft.learn.encoders.categories import HashedCategories, IndexedCategories, SeveralCategories
from weft.learn.encoders.choice import (
    NUMBER_KINDS,
    TEXTS,
    EncoderOptions,
    Sentences,
    choose_encoder,
    choose_kind,
)
from weft.learn.encoders.column import BoundColumn, ColumnEncoder, Encoded, RawColumn
from weft.learn.encoders.numbers import (
    PiecewiseLinear,
    QuantileBins,
    RobustNumbers,
    StandardNumbers,
    Vectors,
)
from weft.learn.encoders.sentence import SentenceText, hold_vectors, write_vectors
from weft.learn.encoders.sentence_model import (
    SentenceModel,
    find_sentence_model,
    hold_model,
    installed_model,
    locate_model,
    model_files,
)
from weft.learn.encoders.table import BoundTable, TableEncoder, fit_table
from weft.learn.encoders.text import HashedText
from weft.learn.encoders.times import Timestamps

__all__ = [
    "NUMBER_KINDS",
    "TEXTS",
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
    "SentenceModel",
    "SentenceText",
    "Sentences",
    "SeveralCategories",
    "StandardNumbers",
    "TableEncoder",
    "Timestamps",
    "Vectors",
    "choose_encoder",
    "choose_kind",
    "find_sentence_model",
    "fit_table",
    "hold_model",
    "hold_vectors",
    "installed_model",
    "locate_model",
    "model_files",
    "write_vectors",
]
