"""Negatives: rows that existed at a seed's anchor and are not among those it is linked to."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.core import MOST_UINT64, UserError, check_integer
from weft.graph import _native
from weft.graph.anchors import checked_anchors
from weft.graph.layout import NO_ROW, Layout, TableLayout
from weft.graph.orders import Ordered
from weft.graph.seeds import checked_rows, checked_threads

Array = np.ndarray[Any, Any]
RowLists = tuple[Sequence[int] | Array, Sequence[int] | Array]
_MOST = 2**32 - 2


class NegativeStrategy(enum.StrEnum):
    """With which chances rows are drawn among those that existed at a seed's anchor.

    ``UNIFORM``: each with the same. ``POPULARITY``: in proportion to the number of rows that were linked to
    it over one link by then; never a row without any. ``IN_BATCH``: in proportion to how often it is a
    positive of the other seeds; never a positive of the seed itself.
    """

    UNIFORM = "uniform"
    POPULARITY = "popularity"
    IN_BATCH = "in_batch"


_CHOICES = {NegativeStrategy.UNIFORM: 0, NegativeStrategy.POPULARITY: 1, NegativeStrategy.IN_BATCH: 2}


class NegativeSampler:
    """Draws negatives for link prediction, none of them later than the anchor of its seed.

    Rows are drawn one after the other without replacement, by position in an order that no layout of the
    graph changes: rows without time, then by time, then by number in the prepared table. The same graph,
    options, epoch, anchor and key of a seed give the same rows for any number of threads, whatever the
    other seeds (but for ``IN_BATCH``, which draws from them), and still do after rows later than the anchor
    were appended.

    The order is made when it is first needed and kept by the store: 8 bytes per row of the table, and 8
    more per child row for ``POPULARITY`` (12 where times do not fit 32 bits, 4 or less for a table without
    times), and 16 to 32 bytes per row while it is made. May be used from several threads at once.

    Lists of rows per seed, `exclude` and `positives`, are pairs: offsets, shape ``(n + 1,)``, and rows, such
    that those of seed ``i`` are ``rows[offsets[i]:offsets[i + 1]]``, in any order. The row number
    ``0xFFFFFFFF`` in them means nothing.

    Args:
        store: The graph: a `Store`, or a `RemoteStore` of the service.
        table: The table whose rows are drawn.
        strategy: With which chances.
        link: ``POPULARITY``: the link whose parent is the table and whose child rows count.
        seed: Of the random draws.

    Raises:
        UserError: ``GRAPH045`` for options that do not fit the graph or each other, ``GRAPH042`` for a table
            that the graph lacks.

    Example:
        >>> sampler = NegativeSampler(store, "items", strategy="uniform")           # doctest: +SKIP
        >>> sampler.sample([anchor_us, anchor_us], 3, keys=[0, 1])                  # doctest: +SKIP
        array([[17,  4, 60],
               [ 2, 31, 17]], dtype=uint32)
    """

    def __init__(
        self,
        store: Ordered,
        table: str,
        *,
        strategy: NegativeStrategy | str,
        link: str | None = None,
        seed: int = 0,
    ) -> None:
        self.store = store
        self.table = table
        self.strategy = _strategy(strategy)
        self.link = link
        self.seed = check_integer("GRAPH045", "the seed", seed, most=MOST_UINT64)
        self._table = store.index(table)
        self._link = _link_index(store.layout, table, self.strategy, link)

    def sample(
        self,
        anchors_us: Sequence[int] | Array,
        num: int,
        *,
        keys: Sequence[int] | Array,
        exclude: RowLists | None = None,
        positives: RowLists | None = None,
        epoch: int = 0,
        threads: int | None = None,
    ) -> Array:
        """Draw negatives for seeds.

        Args:
            anchors_us: Anchor times, shape ``(n,)``, as `Sampler.sample` takes them. A row at exactly its
                anchor may be drawn, and so may any row without a time.
            num: Rows per seed, at least 1.
            keys: Numbers that tell seeds apart, shape ``(n,)``, such as `Store.source_rows` gives, which no
                layout changes. Seeds of one anchor and key get the same negatives.
            exclude: Rows that must not be drawn for each seed.
            positives: ``IN_BATCH``: the rows that each seed is linked to.
            epoch: Other epochs draw other rows.
            threads: All cores by default.

        Returns:
            Distinct rows per seed in the order drawn, shape ``(n, num)``, uint32, filled up with
            ``0xFFFFFFFF`` where fewer rows could be drawn.

        Raises:
            UserError: ``GRAPH042`` for anchors that are no times, ``GRAPH046`` for arrays that do not
                fit each other, ``GRAPH040`` for rows that the table lacks, ``GRAPH004`` for a damaged block.
            UnavailableError: ``GRAPH080``, ``GRAPH081`` when the rows are with shards and one does not
                answer, ``GRAPH010`` when there is no space to keep what they send.
        """
        anchors, seed_keys = _seeds(anchors_us, keys)
        draws = (*self._draws(num, positives, epoch), checked_threads(threads))
        excluded = self._lists(exclude, "exclude", len(anchors))
        others = self._lists(positives, "positives", len(anchors))
        given: tuple[Any, ...] = (*self._source(), anchors, seed_keys, *excluded, *others, *draws)
        return _native.sample_negatives(*given)

    def _lists(self, given: RowLists | None, name: str, num_seeds: int) -> tuple[Array, Array]:
        return _parts(given, self.store.layout.tables[self._table], name, num_seeds)

    def _draws(self, num: int, positives: RowLists | None, epoch: int) -> tuple[int, int, int]:
        num = check_integer("GRAPH046", "the number of negatives per seed", num, least=1, most=_MOST)
        if (positives is not None) != (self.strategy is NegativeStrategy.IN_BATCH):
            what = "no positives" if positives is None else "positives"
            raise UserError(
                "GRAPH046",
                f"the strategy '{self.strategy.value}' was given {what}.",
                "give positives for in_batch, and exclude rows otherwise.",
            )
        return num, self.seed, check_integer("GRAPH046", "the epoch", epoch, most=MOST_UINT64)

    def _source(self) -> tuple[Any, ...]:
        """Return what rows are drawn from, the orders made where this is the first draw."""
        orders = self.store.orders(self.table, self.link)
        is_ordered = self.strategy is not NegativeStrategy.IN_BATCH
        rows = orders.rows(self.table) if is_ordered else None
        parents = orders.parents(self.link) if self.link else None
        return orders.native, _CHOICES[self.strategy], self._table, self._link, rows, parents


def _strategy(given: NegativeStrategy | str) -> NegativeStrategy:
    try:
        return NegativeStrategy(given)
    except ValueError as error:
        names = ", ".join(s.value for s in NegativeStrategy)
        raise UserError("GRAPH045", f"'{given}' is no strategy.", f"choose one of {names}.") from error


def _link_index(layout: Layout, table: str, strategy: NegativeStrategy, link: str | None) -> int:
    fitting = [k.name for k in layout.links if k.parent == table]
    if strategy is not NegativeStrategy.POPULARITY:
        if link is not None:
            raise UserError(
                "GRAPH045",
                f"the strategy '{strategy.value}' takes no link.",
                "leave out link, or draw by popularity.",
            )
        return 0
    if link not in fitting:
        raise UserError(
            "GRAPH045",
            f"popularity of '{table}' was asked for over {'no link' if link is None else repr(link)}.",
            f"name a link that points to it: {', '.join(fitting) or 'it has none'}.",
        )
    return next(i for i, k in enumerate(layout.links) if k.name == link)


def _seeds(anchors_us: Sequence[int] | Array, keys: Sequence[int] | Array) -> tuple[Array, Array]:
    anchors, found = checked_anchors(anchors_us), np.asarray(keys)
    if found.size and found.dtype.kind not in "iu":
        raise UserError(
            "GRAPH046", f"keys of seeds are {found.dtype}.", "give integers, such as row numbers."
        )
    if anchors.shape != found.shape:
        raise _unfit(
            f"there are {len(anchors)} anchor times and keys of the shape {found.shape}",
            "one of each per seed",
        )
    return anchors, np.ascontiguousarray(found).astype(np.uint64, copy=False)


def _parts(given: Any, table: TableLayout, name: str, num_seeds: int) -> tuple[Array, Array]:
    if given is None:
        return np.zeros(num_seeds + 1, np.int64), np.empty(0, np.uint32)
    if not isinstance(given, tuple | list) or len(given) != 2:
        count = (
            f"{len(given)} parts" if isinstance(given, tuple | list) else f"the type {type(given).__name__}"
        )
        raise _unfit(f"'{name}' has {count}", "a pair of offsets and rows")
    offsets, rows = np.asarray(given[0]), checked_rows(given[1], table.name)
    if offsets.shape != (num_seeds + 1,) or offsets.dtype.kind not in "iu":
        raise _unfit(
            f"'{name}' has {offsets.size} offsets of {offsets.dtype} for {num_seeds} seeds",
            "one offset per seed and the end, as integers",
        )
    is_beyond = (rows >= table.num_rows) & (rows != NO_ROW)
    if is_beyond.any():
        at = int(is_beyond.argmax())
        raise UserError(
            "GRAPH040",
            f"table '{table.name}' has no row {rows[at]}, which '{name}' has at position {at}; it has "
            f"{table.num_rows}.",
            "look rows up by their keys in this graph.",
        )
    offsets = np.ascontiguousarray(offsets, np.int64)
    if offsets[0] != 0 or offsets[-1] != len(rows) or np.any(np.diff(offsets) < 0):
        raise _unfit(
            f"the offsets of '{name}' run from {offsets[0]} to {offsets[-1]} over {len(rows)} rows",
            "offsets that rise from 0 to the number of rows",
        )
    return offsets, rows


def _unfit(what: str, wanted: str) -> UserError:
    return UserError("GRAPH046", f"{what}.", f"give {wanted}.")
