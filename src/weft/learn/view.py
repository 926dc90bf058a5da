"""The graph beside the features: what networks read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from weft.core import GraphSource
from weft.learn.encoders import Sentences


@dataclass(frozen=True)
class GraphView:
    """A graph, and what of it may be read.

    Attributes:
        source: The graph.
        excluded: ``(table, column)`` pairs that the audit refuses.
        separators: ``(table, column)`` → what is between the several values of a text.
        sentences: The sentence model that is at hand, and for which columns.
    """

    source: GraphSource
    excluded: frozenset[tuple[str, str]] = frozenset()
    separators: Mapping[tuple[str, str], str] = field(default_factory=dict)
    sentences: Sentences | None = None


@dataclass(frozen=True)
class Pairs:
    """Which seed and which item each candidate row is about.

    Attributes:
        seed: Row of the seeds, int64 ``(n,)``.
        items: Keys of the items, ``n`` of them.
    """

    seed: np.ndarray
    items: pa.Array | pa.ChunkedArray

    def take(self, rows: np.ndarray) -> Pairs:
        """Copy the given rows."""
        return Pairs(self.seed[rows], self.items.take(pa.array(rows)))


@dataclass(frozen=True)
class Asked:
    """Rows to predict for.

    Attributes:
        seeds: ``entity``, ``anchor_time``, ``cutoff`` and, when forecasting, ``frame``.
        matrix: Encoded features, float32 ``(n, features)``.
        graph: The graph, for models that read one.
        pairs: For link prediction, what each row is about; ``seeds`` then has a row per list.
    """

    seeds: pa.Table | None
    matrix: np.ndarray
    graph: GraphView | None = None
    pairs: Pairs | None = None

    def __len__(self) -> int:
        return len(self.matrix)

    def take(self, rows: np.ndarray) -> Asked:
        """Copy the given rows."""
        if self.pairs is not None:
            return Asked(self.seeds, np.asarray(self.matrix[rows]), self.graph, self.pairs.take(rows))
        seeds = self.seeds
        if seeds is not None and seeds.num_rows == len(self.matrix):
            seeds = seeds.take(pa.array(rows))
        return Asked(seeds, np.asarray(self.matrix[rows]), self.graph)

    def first(self, num: int) -> Asked:
        """Copy the first rows."""
        return self.take(np.arange(min(num, len(self.matrix))))

    def split(self, size: int) -> list[Asked]:
        """Return the rows in parts of at most some."""
        return [self.take(np.arange(i, min(i + size, len(self)))) for i in range(0, len(self), size)]

    def with_matrix(self, matrix: np.ndarray) -> Asked:
        """Return the same rows, some times over, with other features."""
        times = len(matrix) // max(1, len(self.matrix))
        if self.pairs is not None:
            repeated = self.pairs.take(np.tile(np.arange(len(self.matrix)), times))
            return Asked(self.seeds, matrix, self.graph, repeated)
        seeds = self.seeds
        if seeds is not None and times > 1 and seeds.num_rows == len(self.matrix):
            seeds = pa.concat_tables([seeds] * times)
        return Asked(seeds, matrix, self.graph)


def asked(data: Any, rows: Any) -> Asked:
    """Return rows of a split of `TrainingData` or `RankingData` as what models are asked."""
    return Asked(rows.seeds, rows.matrix, getattr(data, "graph", None), getattr(rows, "pairs", None))
