"""What a network that ranks items is taught with, and one of its steps."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from weft.core import digest_bytes, digest_table, digest_value
from weft.learn.encoders.column import Array
from weft.learn.networks.ranking_feed import LessonMaker
from weft.learn.networks.ranks import Ranks
from weft.learn.networks.scorer import USERS
from weft.learn.networks.slates import RankingBatch
from weft.learn.networks.stepping import Stepper
from weft.learn.ranking import RankingData, RankingRows
from weft.learn.view import asked

_AHEAD = 2


class RankingCourse:
    """Teaches an order of items.

    Args:
        model: Scores the candidates of val with the network as it is.
        data: Of the task.
        maker: Makes the batches.
        looked: Seeds of val that epochs are compared on.
        batch_size: Seeds of a step.
        ranks: The processes that train together.
    """

    def __init__(
        self,
        model: Any,
        data: RankingData,
        maker: LessonMaker,
        looked: RankingRows,
        batch_size: int,
        ranks: Ranks,
    ) -> None:
        self.model, self.data, self.maker, self.looked = model, data, maker, looked
        self.batch_size, self.ranks = batch_size, ranks
        # A thread that is started when memory has run out may never answer.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="weft-lessons")

    def steps(self, epoch: int) -> list[Array]:
        """Return the seeds of each step of an epoch."""
        return self.maker.lessons.orders(epoch, self.maker.seed, self.batch_size)

    def batches(self, parts: Sequence[Sequence[Array]], epoch: int, first: int) -> Iterator[RankingBatch]:
        """Yield the batches of steps, the next ones being made meanwhile.

        Each part of a step draws negatives of its own, which follow from its number and place.
        """
        num_steps = first + len(parts)
        makers: list[Callable[[], RankingBatch]] = [
            functools.partial(
                self.maker.make, part, epoch, step + num_steps * (half * self.ranks.size + self.ranks.rank)
            )
            for step, own in enumerate(parts, first)
            for half, part in enumerate(own)
        ]
        waiting: list[Future[RankingBatch]] = []
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

    def predict(self, device: torch.device) -> Array:
        """Score the candidates of val, all processes together."""
        self.model.device = device
        own = self.looked
        if self.ranks.size > 1:
            own = own.take(self.ranks.share(np.arange(len(own))))
        return self.ranks.gather(self.model.score_rows(asked(self.data, own)))

    def narrow(self, splits: int) -> None:
        """Score fewer users at one time."""
        self.model.users_at_once = math.ceil(USERS / splits)

    def digest(self) -> str:
        """Name all rows that are read."""
        lessons, looked = self.maker.lessons, self.looked
        arrays = [getattr(lessons, f.name) for f in fields(lessons)]
        arrays += [looked.matrix, looked.seed, looked.is_true, looked.targets.values, looked.targets.num_true]
        if looked.popularity is not None:
            arrays.append(looked.popularity)
        told = [_digests(a) for a in arrays]
        return digest_value(
            [told, digest_table(looked.seeds), digest_table(pa.table({"item": looked.items}))]
        )


class RankingStepper(Stepper):
    """Makes steps that teach an order of items.

    Args:
        given: As for `Stepper`.
        loss: See `weft.learn.networks.ranking_loss`.
    """

    def __init__(self, *given: Any, loss: Any) -> None:
        super().__init__(*given)
        self.loss = loss

    def _loss(self, batch: Any) -> torch.Tensor:
        moved = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            scores, shared = self._scores(moved)
        found: torch.Tensor = self.loss(scores.float(), None if shared is None else shared.float(), moved)
        return found

    def _scores(self, batch: RankingBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Score pairs, and every seed with the negatives that all share."""
        network: Any = self.network
        users = network.users(batch.users)
        if batch.pool is None:
            return network.score(users, batch.own, None), None
        items, num = network.items(batch.pool.items), len(batch.pool.log_chance)
        scores = network.score(users, batch.own, items[batch.own.column.clamp(min=0)])
        return scores, users.vectors @ items[:num].T


def _digests(array: Array) -> list[str]:
    """Name an array by its columns, one copied at a time."""
    return [digest_bytes(column.tobytes()) for column in array.reshape(len(array), -1).T]
