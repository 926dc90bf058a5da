"""Encoders of categories: one per row, or several in one text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.learn.encoders.column import (
    FIRST,
    MISSING,
    UNSEEN,
    Array,
    BoundColumn,
    Encoded,
    Looked,
    Plain,
    RawColumn,
)


@dataclass(frozen=True)
class IndexedCategories(Plain):
    """Each frequent value has a place of its own; values not seen in the train period share one."""

    vocabulary: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Missing, unseen, and the values."""
        return (FIRST + len(self.vocabulary),)

    @classmethod
    def fit(cls, raw: RawColumn, most: int) -> IndexedCategories:
        """Keep the most frequent values."""
        counted = pc.value_counts(raw.texts())
        pairs = [
            (v, c)
            for v, c in zip(*(counted.field(i).to_pylist() for i in (0, 1)), strict=True)
            if v is not None
        ]
        pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        return cls(tuple(value for value, _ in pairs[:most]))

    def bind(self, dictionary: pa.Array | None) -> BoundColumn:
        """Find the place of every value of the dictionary."""
        if dictionary is None:
            return _Numbers(self)
        return _looked(self._places(dictionary.cast(pa.string())))

    def _places(self, texts: pa.Array) -> Array:
        found = pc.index_in(texts, value_set=pa.array(self.vocabulary, pa.string()))
        places = pc.fill_null(found.cast(pa.int64()), UNSEEN - FIRST).to_numpy(zero_copy_only=False) + FIRST
        return np.where(pc.is_null(texts).to_numpy(zero_copy_only=False), MISSING, places)


@dataclass(frozen=True)
class HashedCategories(Plain):
    """Values by a hash, two of which seldom meet: for more values than places, seen or not."""

    num_buckets: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Two hashes, each with a place for missing ones."""
        return (FIRST + self.num_buckets,) * 2

    def bind(self, dictionary: pa.Array | None) -> BoundColumn:
        """Hash every value of the dictionary."""
        return _Numbers(self) if dictionary is None else _looked(self._places(dictionary.cast(pa.string())))

    def _places(self, texts: pa.Array) -> Array:
        out = np.full((len(texts), 2), MISSING, np.int64)
        for i, text in enumerate(texts.to_pylist()):
            if text is not None:
                word = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
                out[i] = (word % self.num_buckets + FIRST, (word >> 32) % self.num_buckets + FIRST)
        return out


@dataclass(frozen=True)
class SeveralCategories(Plain):
    """Several values in one text: which of the frequent ones are there, and how many there are."""

    vocabulary: tuple[str, ...]
    separator: str

    @property
    def width(self) -> int:
        """A mark per value, the number of values, and the mark of a missing text."""
        return len(self.vocabulary) + 2

    @classmethod
    def fit(cls, raw: RawColumn, separator: str, most: int) -> SeveralCategories:
        """Keep the values that most rows have."""
        parts = IndexedCategories.fit(RawColumn(*_numbered(raw.texts(), separator)), most)
        return cls(parts.vocabulary, separator)

    def bind(self, dictionary: pa.Array | None) -> BoundColumn:
        """Mark the values of every text of the dictionary."""
        texts = pa.array([], pa.string()) if dictionary is None else dictionary.cast(pa.string())
        places = {value: i for i, value in enumerate(self.vocabulary)}
        dense = np.zeros((len(texts) + 1, self.width), np.float32)
        dense[-1, -1] = 1.0
        for row, text in enumerate(texts.to_pylist()):
            if text is None:
                dense[row, -1] = 1.0
                continue
            parts = _parts(text, self.separator)
            dense[row, -2] = np.log1p(len(parts))
            for part in parts & places.keys():
                dense[row, places[part]] = 1.0
        return Looked(Encoded.of(len(dense), dense=dense))


@dataclass(frozen=True)
class _Numbers:
    """Categories that are stored as numbers: each distinct one is written as text once."""

    encoder: IndexedCategories | HashedCategories

    def encode(self, values: Array) -> Encoded:
        distinct, place = np.unique(values, return_inverse=True)
        codes = self.encoder._places(RawColumn(distinct).texts())
        return Encoded.of(len(values), codes=codes.reshape(len(distinct), -1)[place.ravel()])


def _looked(places: Array) -> Looked:
    places = places.reshape(len(places), -1)
    missing = np.full((1, places.shape[1]), MISSING, np.int64)
    codes = np.concatenate([places.astype(np.int64), missing])
    return Looked(Encoded.of(len(codes), codes=codes))


def _parts(text: str, separator: str) -> set[str]:
    return {part.strip() for part in text.split(separator)} - {""}


def _numbered(texts: pa.Array, separator: str) -> tuple[Array, pa.Array]:
    """Return the values of all texts as codes of a dictionary."""
    parts = [
        part for text in texts.to_pylist() if text is not None for part in sorted(_parts(text, separator))
    ]
    encoded = pa.array(parts, pa.string()).dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary
