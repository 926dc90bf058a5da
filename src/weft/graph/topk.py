"""The best items per user over embeddings, exactly: every product is computed, few are looked at.

Tiles of scores are products of a block of users with a block of items, made by the BLAS at hand; the
selection from each tile is `_native.Selection`. The plan of blocks depends on the sizes and the memory
limit alone, so the number of threads changes no byte.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from weft.core import UserError, check_integer, check_word, one_blas_thread
from weft.graph import _native
from weft.graph.embeddings import Seen, check_embeddings, check_filters, check_k
from weft.graph.loader import Loader

Array = np.ndarray[Any, Any]

_USERS_PER_TILE = 1024
_ITEMS_PER_TILE = 512
_LEAST_USERS = 64


class Similarity(enum.StrEnum):
    """How a user and an item are scored. A row of zeros has cosine 0 with everything."""

    INNER_PRODUCT = "inner_product"
    COSINE = "cosine"


@dataclass(frozen=True)
class TopKOptions:
    """How to search; none of it changes which items are best.

    Attributes:
        threads: Number of threads, by default one per core of this process.
        memory_bytes: Most memory beyond embeddings, filters, 4 bytes per allowed item where not all are, and
            the arrays that `top_k` returns. With less of it, fewer users and fewer threads work at a time.
        users_per_tile: Most rows of a tile of scores.
        items_per_tile: Most columns of a tile of scores.
    """

    threads: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    memory_bytes: int = 2**30
    users_per_tile: int = _USERS_PER_TILE
    items_per_tile: int = _ITEMS_PER_TILE

    def __post_init__(self) -> None:
        for name in ("threads", "memory_bytes", "users_per_tile", "items_per_tile"):
            what = f"{name} of a top-K search"
            object.__setattr__(self, name, check_integer("GRAPH070", what, getattr(self, name), least=1))


@dataclass(frozen=True)
class TopKBlock:
    """The best items of successive users.

    Attributes:
        first_user: Row of the first of them.
        items: Item rows, best first, equal scores by item; -1 where a user has fewer than ``k``.
            Shape ``(n, k)``, int64.
        scores: Their scores; -inf beside -1. Shape ``(n, k)``, float32.
    """

    first_user: int
    items: Array
    scores: Array

    @property
    def num_bytes(self) -> int:
        """Return the bytes of both arrays."""
        return self.items.nbytes + self.scores.nbytes


class ItemIndex(Protocol):
    """Items prepared for search, which take the place of their embeddings."""

    def search_blocks(
        self,
        users: Array,
        k: int,
        *,
        similarity: Similarity,
        seen: Seen | None,
        allowed: Array | None,
        options: TopKOptions,
    ) -> Iterator[TopKBlock]:
        """Answer as `top_k_blocks` does; what is best may be missed."""


def top_k(
    users: Array,
    items: Array | ItemIndex,
    k: int,
    *,
    similarity: Similarity = Similarity.INNER_PRODUCT,
    seen: Seen | None = None,
    allowed: Array | None = None,
    options: TopKOptions | None = None,
) -> TopKBlock:
    """Find the ``k`` best items of every user.

    Args:
        users: Embeddings, shape ``(num_users, d)``, float32; these and the items may be memory-mapped.
        items: Embeddings, shape ``(num_items, d)``, float32; or an index of them, see `ApproximateIndex`.
        k: Number of items per user.
        similarity: What is best.
        seen: Items that a user is not given.
        allowed: Which items anyone may be given, shape ``(num_items,)``, bool; all by default.
        options: Threads, memory, tiles.

    Returns:
        One block with all users.

    Raises:
        UserError: GRAPH070 to GRAPH075, for what cannot be searched.

    Example:
        >>> users = np.array([[1, 0], [0, 1]], dtype=np.float32)
        >>> items = np.array([[1, 2], [3, 0], [2, 2]], dtype=np.float32)
        >>> top_k(users, items, 2).items
        array([[1, 2],
               [0, 2]])
    """
    blocks = top_k_blocks(users, items, k, similarity=similarity, seen=seen, allowed=allowed, options=options)
    found = TopKBlock(0, np.empty((len(users), k), np.int64), np.empty((len(users), k), np.float32))
    for block in blocks:
        rows = slice(block.first_user, block.first_user + len(block.items))
        found.items[rows], found.scores[rows] = block.items, block.scores
    return found


def top_k_blocks(
    users: Array,
    items: Array | ItemIndex,
    k: int,
    *,
    similarity: Similarity = Similarity.INNER_PRODUCT,
    seen: Seen | None = None,
    allowed: Array | None = None,
    options: TopKOptions | None = None,
) -> Iterator[TopKBlock]:
    """Find the ``k`` best items of every user, some users at a time, in order.

    Arguments and errors are those of `top_k`; wrong arguments are told here and not at the first block.
    While the iterator is alive, the BLAS of this process works with one thread per caller; close it, or
    exhaust it, to end that.
    """
    similarity = check_word("GRAPH070", "the similarity", similarity, Similarity)
    options = options or TopKOptions()
    if hasattr(items, "search_blocks"):
        return items.search_blocks(
            users, k, similarity=similarity, seen=seen, allowed=allowed, options=options
        )
    return _Search.checked(users, items, k, similarity, seen, allowed, options).blocks()


@dataclass(frozen=True)
class _Search:
    """A checked search and its plan: blocks of ``step`` users, tiles of ``width`` items."""

    users: Array
    items: Array
    k: int
    similarity: Similarity
    seen: Seen | None
    rows: Array | None
    threads: int
    step: int
    width: int

    @staticmethod
    def checked(
        users: Array,
        items: Array,
        k: int,
        similarity: Similarity,
        seen: Seen | None,
        allowed: Array | None,
        options: TopKOptions,
    ) -> _Search:
        check_embeddings(users, items)
        check_k(k)
        check_filters(len(users), len(items), seen, allowed)
        rows = None if allowed is None else np.flatnonzero(allowed).astype(np.uint32)
        kept = min(k, len(items) if rows is None else len(rows))
        step, threads, width = _plan(users, items, k, kept, seen, options)
        return _Search(users, items, k, similarity, seen, rows, threads, step, width)

    @property
    def num_rows(self) -> int:
        """Number of items that anyone may be given."""
        return len(self.items) if self.rows is None else len(self.rows)

    def blocks(self) -> Iterator[TopKBlock]:
        tools: list[_Tools] = []

        def search(number: int) -> TopKBlock:
            mine = tools.pop() if tools else _Tools.made_for(self)
            try:
                with np.errstate(all="ignore"):
                    return self._search_block(number * self.step, mine)
            finally:
                tools.append(mine)

        numbers = range(-(-len(self.users) // self.step))
        with (
            one_blas_thread(),
            Loader(search, numbers, workers=self.threads, ahead=self.threads + 1) as loader,
        ):
            yield from loader

    def _search_block(self, first: int, tools: _Tools) -> TopKBlock:
        count = min(self.step, len(self.users) - first)
        block = np.ascontiguousarray(self.users[first : first + count])
        if self.similarity is Similarity.COSINE:
            _native.normalize_rows(block, block := np.empty_like(block))
        offsets, seen = (None, None) if self.seen is None else self.seen.block(first, count, len(self.items))
        tools.selection.begin(first, count, len(self.items), offsets, seen)
        for start in range(0, self.num_rows, self.width):
            tile, ids = self._tile(start, min(self.width, self.num_rows - start), tools)
            scores = tools.scores[: count * len(tile)].reshape(count, len(tile))
            np.matmul(block, tile.T, out=scores)
            tools.selection.push(scores, start, ids)
        found = TopKBlock(first, np.empty((count, self.k), np.int64), np.empty((count, self.k), np.float32))
        tools.selection.finish(found.items, found.scores)
        return found

    def _tile(self, start: int, count: int, tools: _Tools) -> tuple[Array, Array | None]:
        """Return ``count`` embeddings of items, and their rows where they are not successive."""
        if self.rows is None:
            ids = None
            tile = self.items[start : start + count]
        else:
            ids = self.rows[start : start + count]
            tile = np.take(self.items, ids, axis=0, out=tools.gathered[:count], mode="clip")
        if self.similarity is Similarity.COSINE:
            _native.normalize_rows(np.ascontiguousarray(tile), tools.normal[:count])
            tile = tools.normal[:count]
        return tile, ids


@dataclass(frozen=True)
class _Tools:
    """What one thread works with."""

    selection: _native.Selection
    scores: Array
    gathered: Array
    normal: Array

    @staticmethod
    def made_for(search: _Search) -> _Tools:
        d = search.items.shape[1]
        return _Tools(
            _native.Selection(search.step, max(1, min(search.k, search.num_rows))),
            np.empty(search.step * search.width, np.float32),
            np.empty((0 if search.rows is None else search.width, d), np.float32),
            np.empty((search.width if search.similarity is Similarity.COSINE else 0, d), np.float32),
        )


def _plan(
    users: Array, items: Array, k: int, kept: int, seen: Seen | None, options: TopKOptions
) -> tuple[int, int, int]:
    """Choose users per block, threads, and items per tile.

    Few users make small blocks, so that there is work for several threads; their size must not depend on
    the number of threads, because sums in the BLAS may round otherwise in tiles of another shape.
    """
    shared = -(-len(users) // 16)
    step = min(options.users_per_tile, max(_LEAST_USERS, -(-shared // _LEAST_USERS) * _LEAST_USERS))
    width = min(options.items_per_tile, max(1, len(items)))
    while (
        need := _block_bytes(step, width, users.shape[1], k, kept, seen)
    ) > options.memory_bytes and step > 1:
        step = -(-step // 2)
    if need > options.memory_bytes:
        raise UserError(
            "GRAPH075",
            f"a top-K search needs {need} bytes for a tile of {width} items, the limit is "
            f"{options.memory_bytes}.",
            "raise memory_bytes, or lower items_per_tile.",
        )
    return step, min(options.threads, max(1, options.memory_bytes // need)), width


def _block_bytes(step: int, width: int, d: int, k: int, kept: int, seen: Seen | None) -> int:
    """Bound the bytes of one thread: its tools, copies of its inputs, and two blocks of results."""
    tools = _native.selection_bytes(step, max(1, kept)) + 4 * (step * width + 3 * width * d + 2 * step * d)
    results = 2 * 12 * step * k
    if seen is None:
        return tools + results
    return tools + results + 8 * step + 4 * seen.most(step)
