"""Which encoder a column gets: by its meaning and its values in the train period, or as the user says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from weft.core import Stype, UserError, check_integer
from weft.learn.encoders.categories import HashedCategories, IndexedCategories, SeveralCategories
from weft.learn.encoders.column import Array, ColumnEncoder, RawColumn
from weft.learn.encoders.numbers import (
    PiecewiseLinear,
    QuantileBins,
    RobustNumbers,
    StandardNumbers,
    Vectors,
)
from weft.learn.encoders.sentence import SentenceText
from weft.learn.encoders.sentence_model import SentenceModel
from weft.learn.encoders.text import HashedText
from weft.learn.encoders.times import Timestamps

KINDS = (
    "standard",
    "robust",
    "bins",
    "piecewise",
    "index",
    "hash",
    "several",
    "text",
    "sentence",
    "time",
    "vector",
    "drop",
)
TEXTS = ("auto", "hashed", "sentence")
NUMBER_KINDS = ("auto", "standard", "robust", "bins", "piecewise")
_COUNTS = ("most_categories", "num_buckets", "most_several", "text_dimension")
_FEW_NUMBERS = 12


@dataclass(frozen=True)
class Sentences:
    """A sentence model that is at hand.

    Attributes:
        model: The model.
        columns: Names ``table.column`` of the texts that it is worth its cost for, or that the user gives it.
    """

    model: SentenceModel
    columns: frozenset[str]


@dataclass(frozen=True)
class EncoderOptions:
    """How columns are encoded where their meaning leaves a choice.

    Attributes:
        numbers: For numbers with many distinct values: one of ``standard``, ``robust``, ``bins``,
            ``piecewise``; ``auto`` takes ``piecewise`` where a few values are far from the others, else
            ``standard``.
        most_categories: Values with a place of their own; beyond twice as many distinct ones, a hash.
        num_buckets: Places of a hash.
        most_several: Values that are marked in a column of several categories.
        text: How texts are read: ``hashed``, or ``sentence``, by a sentence model; ``auto`` takes that where
            one is at hand and worth its cost.
        text_dimension: Numbers per hashed text.
        by_column: ``table.column`` → one of `KINDS`, the user's word.

    Raises:
        UserError: ``LEARN040`` for a kind that there is not, and for a number below 1.
    """

    numbers: str = "auto"
    most_categories: int = 2_000
    num_buckets: int = 1_024
    most_several: int = 64
    text: str = "auto"
    text_dimension: int = 16
    by_column: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.text not in TEXTS:
            raise UserError(
                "LEARN040", f"texts cannot be read by '{self.text}'.", f"choose among {', '.join(TEXTS)}."
            )
        if self.numbers not in NUMBER_KINDS:
            raise UserError(
                "LEARN040",
                f"numbers cannot be encoded by '{self.numbers}'.",
                f"choose among {', '.join(NUMBER_KINDS)}.",
            )
        for name in _COUNTS:
            check_integer("LEARN040", f"{name} of encoders", getattr(self, name), least=1)
        for column, kind in self.by_column.items():
            if kind not in KINDS:
                raise UserError(
                    "LEARN040", f"'{kind}' is no encoder for {column}.", f"choose among {', '.join(KINDS)}."
                )

    def check_columns(self, known: Iterable[str]) -> None:
        """Refuse the user's word for a column that no network reads.

        Args:
            known: Columns that a graph has, ``table.column``: no keys and ids.

        Raises:
            UserError: ``LEARN040``.
        """
        names = sorted(known)
        for column, kind in self.by_column.items():
            if column not in names:
                near = [name for name in names if name.startswith(f"{column.partition('.')[0]}.")] or names
                raise UserError(
                    "LEARN040",
                    f"networks read no column {column}, which is to be encoded by '{kind}'.",
                    f"choose among {', '.join(near)}; keys and ids are not encoded.",
                )


def choose_encoder(
    name: str,
    stype: Stype,
    raw: RawColumn,
    options: EncoderOptions,
    *,
    separator: str | None = None,
    sentences: Sentences | None = None,
) -> ColumnEncoder | None:
    """Fit the encoder of a column.

    Args:
        name: ``table.column``, for the user's word.
        stype: What the column means.
        raw: Its values in the train period.
        options: What to choose where there is a choice.
        separator: Between the values of a text of several categories.
        sentences: The sentence model that is at hand; ``None`` for none.

    Returns:
        The encoder; ``None`` where the column tells nothing: a single value, or an id.
    """
    kind = choose_kind(name, stype, raw, options, sentences)
    if kind == "drop" or not len(raw.values):
        return None
    if kind == "sentence":
        assert sentences is not None
        return SentenceText(sentences.model.name, sentences.model.digest, sentences.model.dimension)
    return _fits(raw, options, separator or ",")[kind]()


def choose_kind(
    name: str, stype: Stype, raw: RawColumn, options: EncoderOptions, sentences: Sentences | None = None
) -> str:
    """Choose the encoder of a column, one of `KINDS`, without fitting it; see `choose_encoder`."""
    kind = options.by_column.get(name) or _kind(stype, raw, options)
    if kind == "text" and name not in options.by_column:
        kind = _text_kind(name, options, sentences)
    _check_suits(name, kind, raw)
    if kind == "sentence" and sentences is None:
        raise UserError(
            "LEARN049",
            f"{name} is to be read by a sentence model, and none is at hand.",
            "name one by sentence_model in weft.yaml, or take 'text'.",
        )
    return kind


def _text_kind(name: str, options: EncoderOptions, sentences: Sentences | None) -> str:
    if options.text == "auto":
        return "sentence" if sentences is not None and name in sentences.columns else "text"
    return "sentence" if options.text == "sentence" else "text"


def _check_suits(name: str, kind: str, raw: RawColumn) -> None:
    """Refuse a user's word that the stored values cannot follow."""
    able = {"vector"} if raw.values.ndim == 2 else {"index", "hash"}
    if raw.dictionary is not None:
        able |= {"several", "text", "sentence"}
    elif raw.values.ndim == 1:
        able |= {"standard", "robust", "bins", "piecewise"}
        able |= {"time"} if raw.values.dtype == np.int64 else set()
    if kind not in able | {"drop"}:
        raise UserError(
            "LEARN040",
            f"{name} cannot be encoded by '{kind}'.",
            f"choose among {', '.join(sorted(able))} or drop.",
        )


def _kind(stype: Stype, raw: RawColumn, options: EncoderOptions) -> str:
    if stype is Stype.ID or _is_constant(raw):
        return "drop"
    if raw.values.ndim == 2:
        return "vector"
    if stype is Stype.TIMESTAMP:
        return "time"
    if raw.dictionary is None and stype is not Stype.CATEGORICAL:
        return _numbers_kind(raw, options)
    if stype is Stype.MULTICATEGORICAL:
        return "several"
    if stype is Stype.TEXT:
        return "text"
    return "hash" if _num_distinct(raw.values) > 2 * options.most_categories else "index"


def _numbers_kind(raw: RawColumn, options: EncoderOptions) -> str:
    if options.numbers != "auto":
        return options.numbers
    numbers = raw.numbers()
    known = numbers[~np.isnan(numbers)]
    if len(known) < 2 or _num_distinct(known) <= _FEW_NUMBERS:
        return "standard"
    spread = known.std()
    low, high = np.quantile(known, (0.05, 0.95))
    # A normal distribution has 3.3 standard deviations between these quantiles.
    return "piecewise" if high - low < 2.5 * spread else "standard"


def _fits(raw: RawColumn, options: EncoderOptions, separator: str) -> dict[str, Callable[[], ColumnEncoder]]:
    return {
        "standard": lambda: StandardNumbers.fit(raw),
        "robust": lambda: RobustNumbers.fit(raw),
        "bins": lambda: QuantileBins.fit(raw, 16),
        "piecewise": lambda: PiecewiseLinear.fit(raw),
        "index": lambda: IndexedCategories.fit(raw, options.most_categories),
        "hash": lambda: HashedCategories(options.num_buckets),
        "several": lambda: SeveralCategories.fit(raw, separator, options.most_several),
        "text": lambda: HashedText.fit(raw, options.text_dimension),
        "time": Timestamps,
        "vector": lambda: Vectors.fit(raw),
    }


def _is_constant(raw: RawColumn) -> bool:
    missing = raw.is_missing
    known = raw.values[~missing]
    if not len(known):
        return True
    return not missing.any() and bool((known == known[0]).all())


def _num_distinct(values: Array) -> int:
    return len(np.unique(values))
