"""Batches for a network, made by threads ahead of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from weft.core import Neighborhoods
from weft.learn.encoders.column import Array
from weft.learn.networks.batch import BatchMaker, NetworkBatch

_AHEAD = 3


@dataclass(frozen=True)
class SeedRows:
    """Seeds with what is known and asked of them.

    Attributes:
        rows: Rows of the entity's table, uint32 ``(n,)``.
        cutoffs_us: Up to when each may see, int64 ``(n,)``.
        terms: Features of the seeds, float32 ``(n, terms)``.
        targets: What the loss takes, ``(n, …)``; ``None`` when predicting.
    """

    rows: Array
    cutoffs_us: Array
    terms: Array
    targets: Array | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Array) -> SeedRows:
        """Copy the given seeds."""
        targets = None if self.targets is None else self.targets[rows]
        return SeedRows(self.rows[rows], self.cutoffs_us[rows], self.terms[rows], targets)


class Feeder:
    """Draws neighborhoods of seeds and makes tensors of them.

    Args:
        neighborhoods: Draws them.
        maker: Makes the tensors.
        table: Table of the seeds.
        batch_size: Seeds per batch.
        workers: Threads that make batches; at most a few batches are held.
    """

    def __init__(
        self, neighborhoods: Neighborhoods, maker: BatchMaker, table: str, *, batch_size: int, workers: int
    ) -> None:
        self.neighborhoods, self.maker, self.table = neighborhoods, maker, table
        self.batch_size = batch_size
        # Its threads last: a thread that is started when memory has run out may never answer.
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="weft-feeder")

    def batches(self, seeds: SeedRows, order: Array, epoch: int = 0) -> Iterator[NetworkBatch]:
        """Yield batches of the seeds in an order, the next ones being made meanwhile."""
        parts = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        yield from self.batches_of(seeds, parts, epoch)

    def batches_of(self, seeds: SeedRows, parts: Sequence[Array], epoch: int) -> Iterator[NetworkBatch]:
        """Yield a batch of each part of the seeds, the next ones being made meanwhile."""
        makers: list[Callable[[], NetworkBatch]] = [
            lambda part=part: self.make(seeds, part, epoch)  # type: ignore[misc]
            for part in parts
        ]
        waiting: list[Future[NetworkBatch]] = []
        try:
            for make in makers:
                waiting.append(self._pool.submit(make))
                if len(waiting) > _AHEAD:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()

    def make(self, seeds: SeedRows, part: Array, epoch: int) -> NetworkBatch:
        """Make one batch of some of the seeds."""
        rows, cutoffs = seeds.rows[part], seeds.cutoffs_us[part]
        sampled = self.neighborhoods.sample(self.table, rows, cutoffs, epoch=epoch)
        targets = None if seeds.targets is None else np.ascontiguousarray(seeds.targets[part])
        return self.maker.make(sampled, np.ascontiguousarray(seeds.terms[part]), targets)
