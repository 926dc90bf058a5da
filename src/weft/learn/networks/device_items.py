"""The best items per user by inner product, exactly, on a device of torch.

A tile of scores is a product of a block of users with a tile of items. The k best of a tile lie in the k
groups of neighboring items whose greatest score is best, of equal ones the first: each better group holds an
item that is better than all of a group that is left out. So the tile is read once, and only k groups of it
are looked at item by item. There a score and its item become one integer that orders by score and then by
item, so that no two are equal and the device's own selection decides no tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from weft.core import UserError
from weft.learn.encoders.column import Array

_MEMORY = 2 << 30
_WIDTH = 1 << 16
_EVEN = 64
_MOST_USERS = 4_096
_GROUPS = tuple(2**i for i in range(10))
# Below it neither a product nor a part of its sum overflows float32.
_LARGEST = 3e38
_LAST = 0xFFFFFFFF
_NOTHING = -(2**63)
_SIGN = 0x7FFFFFFF
# Less than every score as `_ordered` writes it; beside finite scores alone, minus infinity does.
_LEAST = -(2**31)
_MINUS_INFINITY = int(np.array(-np.inf, np.float32).view(np.int32)) ^ _SIGN


class DeviceItems:
    """Items that are searched on a device for the ``k`` best of each user, none of them missed.

    What comes out is what `GraphSource.best_items` gives: best first, of equal scores the lower row first, -1
    and minus infinity where there are fewer. Products are float32, whatever autocast says; TF32 is used only
    where the process asks torch for it (``torch.set_float32_matmul_precision``). Sums may be rounded
    otherwise than on the CPU, so items that are equal but for rounding may change places.

    Args:
        vectors: Of the items, float32 ``(m, d)``.
        k: Items per user.
        device: Where.
        allowed: Which items anyone may be given, bool ``(m,)``; all by default.
        memory_bytes: Most memory on the device, items included, which stay there where they take at most half
            of it and are moved a tile at a time where not. Beyond it come 16 bytes per hidden item of at
            most 4,096 users and what the library of products keeps; a single user is always searched whole.
        width: Most items of a tile.
    """

    def __init__(
        self,
        vectors: Array,
        k: int,
        device: torch.device,
        *,
        allowed: Array | None = None,
        memory_bytes: int = _MEMORY,
        width: int = _WIDTH,
    ) -> None:
        self.vectors, self.k, self.device = vectors, k, device
        self.rows = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
        self._places = np.full(len(vectors), -1)
        self._places[self.rows] = np.arange(len(self.rows))
        self.plan = _Plan.of(len(self.rows), vectors.shape[1], k, memory_bytes, width)
        # Of numbers that are not finite nothing is left that is below a limit.
        self._reach = vectors.shape[1] * max(float(vectors.max(initial=0)), -float(vectors.min(initial=0)))
        self._kept = [self._moved(i) for i in range(self.plan.tiles)] if self.plan.keeps else []

    def best(self, users: torch.Tensor, seen: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        """Find the best items of users.

        Args:
            users: ``(n, d)``, on any device.
            seen: Offsets ``(n + 1,)`` and item rows that a user is not given.

        Returns:
            Rows, int64 ``(n, k)``, and their products, float32.

        Raises:
            UserError: ``GRAPH073`` for a product that is NaN.
        """
        rows = np.full((len(users), self.k), -1)
        scores = np.full((len(users), self.k), -np.inf, np.float32)
        if not len(users) or not len(self.rows):
            return rows, scores
        low, high = torch.aminmax(users)
        is_finite = max(float(high), -float(low)) * self._reach < _LARGEST
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            for first in range(0, len(users), self.plan.step):
                block = users[first : first + self.plan.step].to(self.device, torch.float32)
                block_seen = self._seen(seen, first, len(block))
                keys = self._search(block, _Filter(block_seen, first, is_finite)).cpu().numpy()
                places, found, there = _read(keys, is_finite)
                own = slice(first, first + len(block))
                rows[own, : keys.shape[1]] = np.where(there, self.rows[np.where(there, places, 0)], -1)
                scores[own, : keys.shape[1]] = np.where(there, found, -np.inf)
        return rows, scores

    def _search(self, block: torch.Tensor, given: _Filter) -> torch.Tensor:
        """Return the keys of the best items of a block, best first."""
        best = torch.full((len(block), self.plan.kept), _NOTHING, dtype=torch.int64, device=self.device)
        for number in range(self.plan.tiles):
            tile = self._kept[number] if self.plan.keeps else self._moved(number)
            best = self._better(best, self._values(block @ tile.T, number, given), number)
        return best.sort(descending=True).values

    def _values(self, scores: torch.Tensor, number: int, given: _Filter) -> torch.Tensor:
        """Put what no user may get below everything else; integers where scores may be infinite."""
        start = number * self.plan.width
        past = len(self.rows) - start
        users, places = given.seen.of_tile(number)
        columns = places - start
        scores[users, columns] = -torch.inf
        scores[:, past:] = -torch.inf
        if given.is_finite:
            return scores
        wrong = torch.isnan(scores)
        if wrong.any():
            user, column = divmod(int(wrong.byte().argmax()), self.plan.width)
            raise _not_a_number(given.first + user, int(self.rows[start + column]))
        values = _ordered(scores)
        values[users, columns] = _LEAST
        values[:, past:] = _LEAST
        return values

    def _better(self, best: torch.Tensor, values: torch.Tensor, number: int) -> torch.Tensor:
        """Keep the best of what was found before and of a tile."""
        num, size = len(values), self.plan.group
        grouped = values.view(num, -1, size)
        count = grouped.shape[1]
        within = torch.arange(size, device=self.device)
        chosen = torch.arange(count, device=self.device).expand(num, -1)
        if self.plan.kept < count:
            keys = _keys(grouped.amax(2), chosen)
            chosen = _LAST - (torch.topk(keys, self.plan.kept, sorted=False).values & _LAST)
            del keys
            grouped = grouped.gather(1, chosen[:, :, None].expand(-1, -1, size))
        places = (chosen * size + number * self.plan.width)[:, :, None] + within
        keys = _keys(grouped.reshape(num, -1), places.view(num, -1))
        del places
        return torch.topk(torch.cat([best, keys], 1), self.plan.kept, sorted=False).values

    def _moved(self, number: int) -> torch.Tensor:
        """Copy a tile of items to the device; all tiles have one shape, so that equal items score equally."""
        start = number * self.plan.width
        chosen = self.rows[start : start + self.plan.width]
        tile = torch.zeros(self.plan.width, self.vectors.shape[1], device=self.device)
        tile[: len(chosen)].copy_(torch.from_numpy(self.vectors[chosen]))
        return tile

    def _seen(self, seen: tuple[Array, Array] | None, first: int, count: int) -> _Seen:
        """Take the hidden items of a block that anyone may be given, by tile."""
        offsets, items = (np.zeros(first + count + 1, np.int64), _NONE) if seen is None else seen
        offsets = np.asarray(offsets[first : first + count + 1], np.int64)
        places = self._places[items[offsets[0] : offsets[-1]]]
        users = np.repeat(np.arange(count), np.diff(offsets))
        order = np.argsort(places, kind="stable")
        order = order[np.searchsorted(places[order], 0) :]
        starts = np.searchsorted(places[order], np.arange(self.plan.tiles + 1) * self.plan.width)
        moved = [torch.from_numpy(v[order]).to(self.device) for v in (users, places)]
        return _Seen(moved[0], moved[1], starts)


_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class _Plan:
    """What is worked on at a time: ``step`` users, a tile of ``width`` items in groups."""

    tiles: int
    width: int
    group: int
    kept: int
    step: int
    keeps: bool

    @staticmethod
    def of(num: int, d: int, k: int, memory_bytes: int, width: int) -> _Plan:
        fits = memory_bytes // 4 // (4 * max(1, d)) // _EVEN * _EVEN
        width = max(1, min(width, -(-num // _EVEN) * _EVEN, max(_EVEN, fits)))
        tiles, kept = -(-num // width), min(k, num)
        group = min((g for g in _GROUPS if width % g == 0), key=lambda g: _user_bytes(width, g, kept))
        keeps = 4 * tiles * width * d <= memory_bytes // 2
        left = memory_bytes - 4 * width * d * (tiles if keeps else 2)
        step = left // (_user_bytes(width, group, kept) + 4 * d)
        return _Plan(tiles, width, group, kept, min(_MOST_USERS, max(1, step)), keeps)


def _user_bytes(width: int, group: int, kept: int) -> int:
    """Bound what the search of a tile takes per user; it is also what is read and written."""
    groups = width // group
    looked = min(kept, groups) * group
    return 13 * width + 36 * groups + 48 * looked + 64 * kept


@dataclass(frozen=True)
class _Seen:
    """Hidden items of a block, ascending: user, place, and where those of each tile start."""

    users: torch.Tensor
    places: torch.Tensor
    starts: Array

    def of_tile(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        own = slice(int(self.starts[number]), int(self.starts[number + 1]))
        return self.users[own], self.places[own]


@dataclass(frozen=True)
class _Filter:
    """What a block is not given, the row of its first user, and whether all its scores are finite."""

    seen: _Seen
    first: int
    is_finite: bool


def _ordered(scores: torch.Tensor) -> torch.Tensor:
    """Return integers that ascend as scores do; -0 counts as 0."""
    bits = (scores + 0.0).view(torch.int32)
    return bits.bitwise_xor_((bits >> 31).bitwise_and_(_SIGN))


def _keys(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Make one integer of each score and its place: greater is better, of equal scores the lower place."""
    ordered = _ordered(values) if values.is_floating_point() else values
    return ordered.long().bitwise_left_shift_(32).bitwise_or_(_LAST - places)


def _read(keys: Array, is_finite: bool) -> tuple[Array, Array, Array]:
    """Take keys apart: places, scores, and whether there is such an item."""
    ordered = (keys >> 32).astype(np.int32)
    bits = ordered ^ ((ordered >> 31) & np.int32(_SIGN))
    there = ordered > (_MINUS_INFINITY if is_finite else _LEAST)
    return _LAST - (keys & _LAST), bits.view(np.float32), there


def _not_a_number(user: int, item: int) -> UserError:
    return UserError(
        "GRAPH073",
        f"the score of user row {user} and item row {item} is NaN.",
        "take NaN and infinite values out of the two embeddings.",
    )
