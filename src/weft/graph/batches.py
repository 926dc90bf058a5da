"""The seeds of a training table in batches, epoch by epoch, made ahead of the trainer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import MOST_UINT64, Batch, UserError, check_integer
from weft.graph.cache import BatchCache, batch_key
from weft.graph.loader import Loader
from weft.graph.sampling import Sampler
from weft.graph.seeds import checked_seeds

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SeedBatch:
    """One batch of an epoch.

    Attributes:
        positions: Which seeds it is of, as positions in the arrays that `SeedBatches` was given: what picks
            the labels. Shape ``(num_seeds,)``, int64.
        batch: Their neighborhoods; seed ``i`` is that of ``positions[i]``.
    """

    positions: Array
    batch: Batch

    @property
    def num_bytes(self) -> int:
        """Return the bytes of all arrays."""
        return self.positions.nbytes + self.batch.num_bytes


class SeedBatches:
    """Seeds cut into batches of one size; every epoch has every seed once.

    What is in a batch depends on the seeds, the options of the sampler, ``shuffle_seed``, epoch and number
    alone, so that trainers in several processes that are given the same share batches through a cache.

    Args:
        sampler: Draws the neighborhoods. One thread per call does best beside several workers.
        table: Table of the seeds.
        rows: Row numbers, shape ``(n,)``.
        anchors_us: Anchor times, shape ``(n,)``, as `Sampler.sample` takes them.
        batch_size: Seeds of a batch; the last of an epoch may have fewer.
        shuffle_seed: Seeds are in an order of their own each epoch, drawn from this; ``None`` keeps the order
            given.
        cache: Where batches are kept for other trainers and later epochs.

    Raises:
        UserError: ``GRAPH042`` for arrays of different lengths or a batch size below 1.

    Example:
        >>> batches = SeedBatches(sampler, "users", rows, anchors, shuffle_seed=0)    # doctest: +SKIP
        >>> with batches.epoch(0, workers=2) as loader:                               # doctest: +SKIP
        ...     for one in loader:
        ...         step(one.batch, labels[one.positions])
    """

    def __init__(
        self,
        sampler: Sampler,
        table: str,
        rows: Sequence[int] | Array,
        anchors_us: Sequence[int] | Array,
        *,
        batch_size: int = 512,
        shuffle_seed: int | None = None,
        cache: BatchCache | None = None,
    ) -> None:
        self.sampler = sampler
        self.table = table
        self.rows, self.anchors_us = checked_seeds(table, rows, anchors_us)
        self.batch_size = check_integer("GRAPH042", "the batch size", batch_size, least=1)
        self.shuffle_seed = None
        if shuffle_seed is not None:
            self.shuffle_seed = check_integer("GRAPH042", "the shuffle seed", shuffle_seed, most=MOST_UINT64)
        self.cache = cache
        self._guard = threading.Lock()
        self._order: tuple[int, Array] | None = None

    def __reduce__(self) -> tuple[Callable[..., SeedBatches], tuple[Any, ...]]:
        settings = {
            "batch_size": self.batch_size,
            "shuffle_seed": self.shuffle_seed,
            "cache": self.cache,
        }
        return _unpickled, (self.sampler, self.table, self.rows, self.anchors_us, settings)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def positions(self, epoch: int, number: int) -> Array:
        """Return the positions of the seeds of a batch.

        Raises:
            UserError: ``GRAPH042`` for a batch that an epoch does not have.
        """
        epoch = check_integer("GRAPH042", "the epoch", epoch, most=MOST_UINT64)
        if not len(self):
            raise UserError(
                "GRAPH042", f"there is no batch {number}: there are no seeds.", "give some seeds."
            )
        number = check_integer("GRAPH042", "the number of a batch", number, most=len(self) - 1)
        first = number * self.batch_size
        end = min(first + self.batch_size, len(self.rows))
        if self.shuffle_seed is None:
            return np.arange(first, end)
        return self._order_of(epoch)[first:end]

    def batch(self, epoch: int, number: int) -> SeedBatch:
        """Make a batch, or take it from the cache."""
        positions = self.positions(epoch, number)
        rows, anchors = self.rows[positions], self.anchors_us[positions]

        def make() -> Batch:
            return self.sampler.sample(self.table, rows, anchors, epoch=epoch)

        if self.cache is None:
            return SeedBatch(positions, make())
        key = batch_key(
            graph=self.sampler.store.digest,
            options=[self.table, self.sampler.options],
            seeds=(rows, anchors),
            epoch=epoch,
            number=number,
        )
        return SeedBatch(positions, self.cache.get(key, make))

    def epoch(
        self, epoch: int, *, workers: int = 1, ahead: int = 4, memory_bytes: int | None = None
    ) -> Loader[SeedBatch]:
        """Return the batches of an epoch in order, made ahead by threads; see `Loader` for the limits."""
        return Loader(
            lambda number: self.batch(epoch, number),
            range(len(self)),
            workers=workers,
            ahead=ahead,
            memory_bytes=memory_bytes,
        )

    def _order_of(self, epoch: int) -> Array:
        with self._guard:
            if self._order is None or self._order[0] != epoch:
                rng = np.random.Generator(np.random.Philox([self.shuffle_seed or 0, epoch]))
                self._order = (epoch, rng.permutation(len(self.rows)))
            return self._order[1]


def _unpickled(
    sampler: Sampler, table: str, rows: Array, anchors: Array, settings: dict[str, Any]
) -> SeedBatches:
    return SeedBatches(sampler, table, rows, anchors, **settings)
