"""The encoder of text: hashed pieces of words, reduced to a few numbers by a projection fitted on train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from weft.learn.encoders.column import Array, BoundColumn, Encoded, Looked, Plain, RawColumn

_NUM_HASHES = 1 << 12
_MOST_TEXTS = 20_000
_PIECE = 8_192


@dataclass(frozen=True)
class HashedText(Plain):
    """Words and pieces of three to five letters are hashed, weighted by how rare they are, and projected.

    Latent semantic analysis (Deerwester, 1990) over hashed features (Weinberger, 2009): no vocabulary is
    kept, so that texts never seen are read like any other.

    Attributes:
        weights: How rare each hash is among the train texts.
        projection: One row per hash that occurs, flat; ``dimension`` numbers each.
        hashes: Which hashes those are.
        dimension: Numbers per text.
    """

    weights: tuple[float, ...]
    projection: tuple[float, ...]
    hashes: tuple[int, ...]
    dimension: int

    @property
    def width(self) -> int:
        """The numbers, the length of the text, and the mark of a missing one."""
        return self.dimension + 2

    @classmethod
    def fit(cls, raw: RawColumn, dimension: int, seed: int = 0) -> HashedText:
        """Learn the weights and the projection from distinct texts of the train period."""
        from sklearn.decomposition import TruncatedSVD

        texts = [t for t in raw.texts().unique().to_pylist() if t]
        if len(texts) > _MOST_TEXTS:
            chosen = np.random.default_rng(seed).permutation(len(texts))[:_MOST_TEXTS]
            texts = [texts[i] for i in np.sort(chosen)]
        if len(texts) < 2:
            return cls((), (), (), 0)
        counts = _count(texts)
        frequency = np.asarray((counts > 0).sum(axis=0)).ravel()
        hashes = np.flatnonzero(frequency > min(1, len(texts) // 50))
        if len(hashes) < 2:
            return cls((), (), (), 0)
        weights = np.log((1 + len(texts)) / (1 + frequency[hashes])) + 1
        kept = _weighted(counts[:, hashes], weights)
        size = min(dimension, len(hashes) - 1, len(texts) - 1)
        svd = TruncatedSVD(size, random_state=seed).fit(kept)
        spread = svd.transform(kept).std(axis=0)
        projection = svd.components_.T / np.where(spread > 1e-9, spread, 1.0)
        return cls(
            tuple(np.round(weights, 6).tolist()),
            tuple(np.round(projection.ravel(), 6).tolist()),
            tuple(hashes.tolist()),
            size,
        )

    def bind(self, dictionary: pa.Array | None) -> BoundColumn:
        """Encode every text of the dictionary."""
        texts = [] if dictionary is None else dictionary.cast(pa.string()).to_pylist()
        dense = np.zeros((len(texts) + 1, self.width), np.float32)
        dense[-1, -1] = 1.0
        hashes, weights = np.asarray(self.hashes, np.int64), np.asarray(self.weights)
        projection = np.asarray(self.projection).reshape(len(hashes), self.dimension)
        for start in range(0, len(texts), _PIECE):
            piece = texts[start : start + _PIECE]
            rows = slice(start, start + len(piece))
            if self.dimension:
                weighted = _weighted(_count([t or "" for t in piece])[:, hashes], weights)
                dense[rows, : self.dimension] = np.clip(weighted @ projection, -5, 5)
            dense[rows, -2] = [np.log1p(len(t or "")) / 4 for t in piece]
            dense[rows, -1] = [t is None for t in piece]
        return Looked(Encoded.of(len(dense), dense=dense))


def _count(texts: list[str]) -> Any:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    half = _NUM_HASHES // 2
    kept = {"n_features": half, "alternate_sign": False, "norm": None}
    words = HashingVectorizer(ngram_range=(1, 1), token_pattern=r"(?u)\b\w+\b", **kept)
    pieces = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), **kept)
    return hstack([words.transform(texts), pieces.transform(texts)]).tocsr()


def _weighted(counts: Any, weights: Array) -> Any:
    from sklearn.preprocessing import normalize

    weighted = counts.astype(np.float64)
    weighted.data = 1 + np.log(weighted.data)
    return normalize(weighted.multiply(weights).tocsr())
