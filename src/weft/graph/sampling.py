"""Time-correct neighborhoods of seeds, as batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import (
    ALL,
    MOST_UINT64,
    Batch,
    BatchEdges,
    BatchRows,
    Choice,
    SampleOptions,
    Scope,
    Toward,
    UserError,
    check_integer,
)
from weft.graph import _native
from weft.graph.drawing import Drawable, Seeds, Step, Walk
from weft.graph.layout import Layout
from weft.graph.seeds import checked_rows, checked_seeds, checked_threads
from weft.graph.store import blocks_of

Array = np.ndarray[Any, Any]
_NONE_EXCLUDED = (np.empty(0, np.uint32),) * 3
_TOWARD = {True: Toward.PARENT, False: Toward.CHILDREN}
_CHOICES = {Choice.LAST: 0, Choice.UNIFORM: 1, Choice.WINDOW: 2, Choice.RECENT_WEIGHTED: 3}


@dataclass(frozen=True)
class Exclusion:
    """Edges that must not be walked, in neither direction: those that are being predicted.

    Attributes:
        link: Name of the link.
        child_rows: The child rows of the edges, shape ``(n,)``.
        seeds: Index of the seed that must not walk each edge, shape ``(n,)``; ``None``: no seed may.
    """

    link: str
    child_rows: Sequence[int] | Array
    seeds: Sequence[int] | Array | None = None


class Sampler:
    """Draws the neighborhoods of seeds from a store, as its options say.

    The same store, options, seeds and epoch give the same bytes whatever the number of threads. Unless
    seeds share (`Scope.SHARED`) they do not influence each other: the neighborhood of a seed depends on its
    row, its anchor, the options and the epoch. May be used from several threads at once.

    Args:
        store: The graph: a `Store`, or a `RemoteStore` of the service.
        options: Hops, fanouts, strategies.
        threads: For one call of `sample`; all cores by default.

    Raises:
        UserError: ``GRAPH042`` when options name tables or links that the graph lacks.
    """

    def __init__(self, store: Drawable, options: SampleOptions, *, threads: int | None = None) -> None:
        self.store = store
        self.options = options
        self.threads = checked_threads(threads)
        layout = store.layout
        _check_names(layout, options)
        walk = Walk(
            hops=tuple(tuple(_steps(layout, options, hop)) for hop in range(len(options.fanouts))),
            crossed=tuple(store.index(name) for name in options.crossed),
            gathered=tuple(
                i for i, t in enumerate(layout.tables) if options.columns is None or t.name in options.columns
            ),
            is_shared=options.scope is Scope.SHARED,
        )
        self._draw = store.drawing(walk, self.threads)
        gathered = frozenset(walk.gathered)
        self._tables = [(t.name, t if i in gathered else None) for i, t in enumerate(layout.tables)]
        self._index = {t.name: i for i, t in enumerate(layout.tables)}
        self._links = [k.name for k in layout.links]

    def __reduce__(self) -> tuple[Callable[..., Sampler], tuple[Drawable, SampleOptions, int]]:
        return _unpickled, (self.store, self.options, self.threads)

    def sample(
        self,
        table: str,
        rows: Sequence[int] | Array,
        anchors_us: Sequence[int] | Array,
        *,
        epoch: int = 0,
        exclude: Sequence[Exclusion] = (),
    ) -> Batch:
        """Draw the neighborhoods of seeds.

        Args:
            table: Table of the seeds.
            rows: Their row numbers, shape ``(n,)``.
            anchors_us: Their anchor times, shape ``(n,)``: integers are microseconds UTC; timestamps of
                numpy, Arrow and pandas may be of any unit and zone. A row at exactly its anchor is visible;
                a seed that is itself later is in the batch without values, age and neighbors.
            epoch: Other epochs draw other neighbors where chance decides.
            exclude: Edges not to walk.

        Raises:
            UserError: ``GRAPH040`` for rows that the table lacks, ``GRAPH041`` for a sample too large for one
                batch, ``GRAPH042`` for seeds that do not fit, ``GRAPH004`` for a damaged block.
        """
        seeds = self._seeds(table, rows, anchors_us, epoch, exclude)
        return self._batch(table, seeds.anchors_us, self._draw(seeds))

    def _seeds(
        self,
        table: str,
        rows: Sequence[int] | Array,
        anchors_us: Sequence[int] | Array,
        epoch: int,
        exclude: Sequence[Exclusion],
    ) -> Seeds:
        chosen, anchors = checked_seeds(table, rows, anchors_us)
        epoch = check_integer("GRAPH042", "the epoch", epoch, most=MOST_UINT64)
        excluded = _excluded(self.store.layout, exclude, len(chosen))
        index = self._index.get(table)
        if index is None:
            index = self.store.index(table)
        return Seeds(index, chosen, anchors, *excluded, self.options.seed, epoch)

    def _batch(self, table: str, anchors: Array, drawn: Any) -> Batch:
        positions, seed_scopes, scope_anchors, tables, edges = drawn
        links = self._links
        return Batch(
            table,
            positions,
            anchors,
            seed_scopes,
            scope_anchors,
            self.options.scope,
            {
                name: BatchRows(
                    drawn[0],
                    drawn[1],
                    drawn[2],
                    blocks_of(layout, drawn[4]) if layout else {},
                    tuple(drawn[3]),
                )
                for (name, layout), drawn in zip(self._tables, tables, strict=True)
                if drawn is not None
            },
            tuple(
                [
                    BatchEdges(links[link], _TOWARD[toward_parent], source, target, tuple(per_hop))
                    for link, toward_parent, source, target, per_hop in edges
                ]
            ),
        )


def _unpickled(store: Drawable, options: SampleOptions, threads: int) -> Sampler:
    return Sampler(store, options, threads=threads)


def _check_names(layout: Layout, options: SampleOptions) -> None:
    links = [k.name for k in layout.links]
    named: list[Any] = [k for hop in options.fanouts if isinstance(hop, Mapping) for k in hop]
    for key in [*named, *options.strategies]:
        name = key[0] if isinstance(key, tuple) else key
        if name != "*" and name not in links:
            raise UserError("GRAPH042", f"there is no link '{name}'.", f"choose one of {', '.join(links)}.")
    tables = [t.name for t in layout.tables]
    for name in (*options.crossed, *(options.columns or ())):
        if name not in tables:
            raise UserError("GRAPH042", f"there is no table '{name}'.", f"choose one of {', '.join(tables)}.")


def _steps(layout: Layout, options: SampleOptions, hop: int) -> Iterator[Step]:
    """Yield the steps of a hop: toward parents first, links in the order of the layout."""
    for toward in (Toward.PARENT, Toward.CHILDREN):
        for index, link in enumerate(layout.links):
            fanout = options.fanout(hop, link.name, toward)
            if fanout == 0:
                continue
            strategy = options.strategies.get(link.name, options.strategy)
            kept = _native.ALL if fanout == ALL else fanout
            yield index, toward is Toward.PARENT, _CHOICES[strategy.choice], kept, strategy.span_us


def _excluded(layout: Layout, exclude: Sequence[Exclusion], num_seeds: int) -> tuple[Array, Array, Array]:
    if not exclude:
        return _NONE_EXCLUDED
    if isinstance(exclude, Exclusion):
        raise UserError(
            "GRAPH042", "exclude is one Exclusion.", "give a sequence of them, such as (exclusion,)."
        )
    links, rows, seeds = [], [], []
    names = [k.name for k in layout.links]
    for one in exclude:
        if one.link not in names:
            raise UserError(
                "GRAPH042", f"there is no link '{one.link}'.", f"choose one of {', '.join(names)}."
            )
        child_rows = checked_rows(one.child_rows, layout.link(one.link).child)
        links.append(np.full(len(child_rows), names.index(one.link), np.uint32))
        rows.append(child_rows)
        seeds.append(_of_seeds(one, len(child_rows), num_seeds))
    return np.concatenate(links), np.concatenate(rows), np.concatenate(seeds)


def _of_seeds(one: Exclusion, num_rows: int, num_seeds: int) -> Array:
    """Return which seed each edge of an exclusion is of."""
    if one.seeds is None:
        return np.full(num_rows, _native.ALL, np.uint32)
    given = np.asarray(one.seeds)
    problem = ""
    if given.shape != (num_rows,):
        problem = f"names {num_rows} rows and seeds of the shape {given.shape}"
    elif num_rows and given.dtype.kind not in "iu":
        problem = f"names seeds as {given.dtype}, the first is {given[0]!r}"
    elif (is_beyond := (given < 0) | (given >= num_seeds)).any():
        at = int(is_beyond.argmax())
        problem = f"names seed {given[at]} at position {at}, of {num_seeds} seeds"
    if problem:
        raise UserError(
            "GRAPH042",
            f"the exclusion of '{one.link}' {problem}.",
            "give the index of one seed per row, counted from 0, or none at all.",
        )
    return given.astype(np.uint32)
