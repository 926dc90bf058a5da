"""The best items per user without looking at all: an inverted file, behind the interface of `top_k`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from weft.core import UserError, check_integer, check_word, missing_extra, one_blas_thread
from weft.graph import _native
from weft.graph.embeddings import Seen, check_embeddings, check_filters, check_k
from weft.graph.loader import Loader
from weft.graph.topk import Similarity, TopKBlock, TopKOptions, top_k

Array = np.ndarray[Any, Any]

_ROWS_AT_ONCE = 1 << 16
_TRAINED_PER_LIST = 40
_LEAST_PER_LIST = 40
_SHARE_PROBED = 64
_LEAST_PROBED = 16


@dataclass(frozen=True)
class IndexOptions:
    """How an index is made and searched.

    Attributes:
        lists: Groups of items, by default four times the root of their number.
        probes: Groups that are looked at per user, by default one of 64 and at least 16. More find
            more and take longer; from about one in 20 on, an exact search takes less time.
        seed: Of the grouping.
        threads: For making the index.
    """

    lists: int | None = None
    probes: int | None = None
    seed: int = 0
    threads: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))

    def __post_init__(self) -> None:
        for name in ("lists", "probes", "threads"):
            value = getattr(self, name)
            if value is not None:
                check_integer("GRAPH070", f"{name} of an index", value, least=1)


class ApproximateIndex:
    """Items in groups, of which a search looks at the most promising; give it to `top_k` as the items.

    Scores are exact, lists are complete, filters are kept; what may be missed are items of groups that are
    not looked at. A user for whom these groups hold fewer items than there are is searched for exactly. The
    same items, options and seed give the same index and the same answers for any number of threads.

    Making it costs as much as an exact search for tens of thousands of users: it pays where it is used
    often. Embeddings that form no groups are found badly; measure before you trust it.

    Holds a copy of the items in memory, and the items themselves, which may be memory-mapped.

    Method: k-means on a sample, an inverted file over it (Sivic and Zisserman, 2003; Jégou et al., 2011)
    as Faiss has it.

    Args:
        items: Embeddings, shape ``(num_items, d)``, float32, finite.
        similarity: What is best; searches must ask for the same.
        options: Groups, seed, threads.

    Raises:
        UserError: EXT001 without Faiss, GRAPH071 for what is no matrix of items, GRAPH077 for an item that is
            not finite; from a search also GRAPH076 for another similarity, and what `top_k` raises.
    """

    def __init__(
        self,
        items: Array,
        *,
        similarity: Similarity = Similarity.INNER_PRODUCT,
        options: IndexOptions | None = None,
    ) -> None:
        faiss = _import_faiss()
        check_embeddings(items[:0], items)
        if len(items) == 0:
            raise UserError("GRAPH071", "there are 0 items to index.", "index one item or more.")
        options = options or IndexOptions()
        self.items = items
        self.similarity = check_word("GRAPH070", "the similarity", similarity, Similarity)
        self._lists = _choose_lists(len(items), options)
        self._probes = min(self._lists, options.probes or max(_LEAST_PROBED, self._lists // _SHARE_PROBED))
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(options.threads)
        try:
            with one_blas_thread():
                self._index = self._build(faiss, options.seed)
        finally:
            faiss.omp_set_num_threads(before)

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
        """Find items of users, some at a time; called by `top_k_blocks`."""
        check_embeddings(users, self.items)
        check_k(k)
        check_filters(len(users), len(self.items), seen, allowed)
        if similarity is not self.similarity:
            raise UserError(
                "GRAPH076",
                f"the index was made for {self.similarity}, the search is by {similarity}.",
                "make an index per similarity.",
            )
        return self._blocks(_Request(users, k, seen, allowed, options))

    def _build(self, faiss: Any, seed: int) -> Any:
        d = self.items.shape[1]
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, self._lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = seed
        # Fewer items per group than k-means likes are no reason to write to the terminal.
        index.cp.min_points_per_centroid = 1
        count = min(len(self.items), _TRAINED_PER_LIST * self._lists)
        sample = np.linspace(0, len(self.items) - 1, count).astype(np.int64)
        index.train(self._prepared(np.take(self.items, sample, axis=0), "item", sample))
        for first in range(0, len(self.items), _ROWS_AT_ONCE):
            part = self.items[first : first + _ROWS_AT_ONCE]
            index.add(self._prepared(part, "item", range(first, first + len(part))))
        return index

    def _prepared(self, rows: Array, side: str, numbers: Any) -> Array:
        """Return rows as they are compared."""
        rows = np.ascontiguousarray(rows)
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            raise UserError(
                "GRAPH077",
                f"the embedding of {side} row {numbers[int(finite.argmin())]} is not finite.",
                "take NaN and infinite values out, or search without an index.",
            )
        if self.similarity is Similarity.COSINE:
            _native.normalize_rows(rows, rows := np.empty_like(rows))
        return rows

    def _blocks(self, request: _Request) -> Iterator[TopKBlock]:
        faiss = _import_faiss()
        step, threads = request.plan()
        numbers = range(-(-len(request.users) // step))

        def search(number: int) -> TopKBlock:
            # This is a setting of the calling thread; the threads here are ours.
            faiss.omp_set_num_threads(1)
            first = number * step
            return self._search_block(request, first, min(step, len(request.users) - first))

        with one_blas_thread(), Loader(search, numbers, workers=threads, ahead=threads + 1) as loader:
            yield from loader

    def _search_block(self, request: _Request, first: int, count: int) -> TopKBlock:
        faiss = _import_faiss()
        users = self._prepared(request.users[first : first + count], "user", range(first, first + count))
        owners, pairs = self._seen_pairs(request, first, count)
        found = TopKBlock(
            first,
            np.full((count, request.k), -1, np.int64),
            np.full((count, request.k), -np.inf, np.float32),
        )
        params = faiss.SearchParametersIVF(nprobe=self._probes)
        if request.allowed is not None:
            bits = np.packbits(request.allowed, bitorder="little")
            params.sel = selector = faiss.IDSelectorBitmap(bits)
            params.referenced_objects = [selector, bits]
        more = _rounded_up(np.bincount(owners, minlength=count))
        for extra in np.unique(more):
            rows = np.flatnonzero(more == extra)
            wanted = min(request.k + int(extra), len(self.items))
            scores, items = self._index.search(users[rows], wanted, params=params)
            self._leave_out(items, scores, rows, pairs)
            width = min(wanted, request.k)
            found.items[rows, :width], found.scores[rows, :width] = items[:, :width], scores[:, :width]
        self._complete(request, found, owners, pairs)
        return found

    def _seen_pairs(self, request: _Request, first: int, count: int) -> tuple[Array, Array]:
        """Return seen items as distinct ``user * num_items + item``, ascending, and the user of each."""
        if request.seen is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        offsets, items = request.seen.block(first, count, len(self.items))
        # The selection checks what it is given; it is not used otherwise.
        _native.Selection(count, 1).begin(first, count, len(self.items), offsets, items)
        users = np.repeat(np.arange(count), np.diff(offsets))
        pairs = np.unique(users * len(self.items) + items)
        return pairs // len(self.items), pairs

    def _leave_out(self, items: Array, scores: Array, rows: Array, pairs: Array) -> None:
        """Sort in place, best first, equal scores by item; what was seen or not found goes to the end."""
        missing = (items < 0) | np.isin(rows[:, None] * len(self.items) + items, pairs)
        items[missing] = len(self.items)
        scores[missing] = -np.inf
        order = np.argsort(items, axis=1)
        order = np.take_along_axis(
            order, np.argsort(-np.take_along_axis(scores, order, 1), 1, kind="stable"), 1
        )
        items[:] = np.take_along_axis(items, order, 1)
        scores[:] = np.take_along_axis(scores, order, 1)
        items[items == len(self.items)] = -1

    def _complete(self, request: _Request, found: TopKBlock, owners: Array, pairs: Array) -> None:
        """Search exactly for the users who got fewer items than there are for them."""
        count = len(found.items)
        counted = np.ones(len(pairs)) if request.allowed is None else request.allowed[pairs % len(self.items)]
        allowed = len(self.items) if request.allowed is None else np.count_nonzero(request.allowed)
        there = allowed - np.bincount(owners, counted, minlength=count)
        short = np.flatnonzero((found.items >= 0).sum(axis=1) < np.minimum(request.k, there))
        if len(short) == 0:
            return
        mine = np.isin(owners, short)
        offsets = np.append(0, np.cumsum(np.bincount(owners[mine], minlength=count)[short]))
        exact = top_k(
            request.users[found.first_user + short],
            self.items,
            request.k,
            similarity=self.similarity,
            seen=Seen(offsets, (pairs[mine] % len(self.items)).astype(np.uint32)),
            allowed=request.allowed,
            options=TopKOptions(threads=1, memory_bytes=request.options.memory_bytes),
        )
        found.items[short], found.scores[short] = exact.items, exact.scores


@dataclass(frozen=True)
class _Request:
    """A checked search."""

    users: Array
    k: int
    seen: Seen | None
    allowed: Array | None
    options: TopKOptions

    def plan(self) -> tuple[int, int]:
        """Choose users per block, and threads, within the memory limit."""
        most_seen = 0 if self.seen is None else self.seen.most(1)
        per_user = 64 * (self.k + 2 * most_seen) + 8 * self.users.shape[1] + 24 * self.k
        step = max(1, min(self.options.users_per_tile, self.options.memory_bytes // per_user))
        return step, max(1, min(self.options.threads, self.options.memory_bytes // (step * per_user)))


def _choose_lists(num_items: int, options: IndexOptions) -> int:
    if options.lists is not None:
        return min(options.lists, num_items)
    return max(1, min(4 * math.isqrt(num_items), num_items // _LEAST_PER_LIST))


def _rounded_up(counts: Array) -> Array:
    """Round each up to a power of two, so that few sizes of searches remain; 0 stays."""
    return np.where(counts > 0, 2 ** np.ceil(np.log2(np.maximum(counts, 1))), 0).astype(np.int64)


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise missing_extra("An approximate index", "faiss-cpu", "ann") from None
    return faiss
