"""Sampling a graph whose rows are with others: each step asks the shards that hold the rows it expands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.core import to_plain
from weft.graph import _native
from weft.graph.drawing import Seeds, Walk
from weft.graph.layout import NO_ROW
from weft.graph.service.message import Message
from weft.graph.service.server import read_drawn
from weft.graph.store import NULLS

if TYPE_CHECKING:
    from weft.graph.service.client import RemoteStore
    from weft.graph.service.shard import ShardClient

Array = np.ndarray[Any, Any]
_NO_TIME = np.iinfo(np.int64).min


class RemoteDrawing:
    """Draws as the local sampler does, from one server or from shards."""

    def __init__(self, store: RemoteStore, walk: Walk) -> None:
        self._store = store
        self._walk = walk
        hops = [list(hop) for hop in walk.hops]
        self._plan = _native.make_plan(
            store.native, hops, list(walk.crossed), list(walk.gathered), walk.is_shared
        )

    def __call__(self, seeds: Seeds) -> Any:
        """Draw the neighborhoods of seeds; see `weft.graph.drawing.Drawable`."""
        if self._store.num_shards == 1:
            return self._next_to_the_data(seeds)
        stamps = self._store.stamps(seeds.table, seeds.rows)
        work = _native.RemoteSampling(
            self._store.native, self._plan, seeds.table, seeds.rows, seeds.anchors_us, seeds.seed, seeds.epoch
        )
        work.plant(stamps["times"], stamps["source_rows"])
        excluded = self._exclusions(seeds, work)
        while (step := work.next()) is not None:
            work.take(*self._answer(step, excluded))
        drawn: Any = work.finish()
        positions, seed_scopes, scope_anchors, bare, edges = drawn
        tables = [self._with_values(i, t) for i, t in enumerate(bare)]
        self._hide(seeds.table, positions[work.hidden() > 0], tables)
        return positions, seed_scopes, scope_anchors, tables, edges

    def _next_to_the_data(self, seeds: Seeds) -> Any:
        walk = self._walk
        arrays = {"rows": seeds.rows, "anchors": seeds.anchors_us, "excluded_links": seeds.excluded_links}
        arrays |= {"excluded_rows": seeds.excluded_rows, "excluded_seeds": seeds.excluded_seeds}

        def ask(shard: ShardClient) -> Message:
            keys = {"table": seeds.table, "seed": seeds.seed, "epoch": seeds.epoch}
            return shard.ask("sample", arrays, walk=to_plain(walk), **keys)

        (answer,) = self._store.call([ask])
        assert answer is not None
        return read_drawn(answer)

    def _answer(self, step: Any, excluded: Mapping[int, _Excluded]) -> tuple[Array, Array, Array]:
        link, toward_parent, choice, fanout, span_us, rows, anchors, keys, scopes = step
        own = excluded.get(link)
        if toward_parent:
            return self._parents(link, rows, anchors, scopes, own)
        layout = self._store.layout
        table = self._store.index(layout.links[link].parent)
        places = self._store.places(table, rows)

        def asking(mine: Array) -> Any:
            def ask(shard: ShardClient) -> Message:
                arrays = {"rows": rows[mine], "anchors": anchors[mine], "keys": keys[mine]}
                arrays |= (own or _NONE_EXCLUDED).for_asks(rows[mine], scopes[mine])
                return shard.ask("children", arrays, link=link, choice=choice, fanout=fanout, span_us=span_us)

            return ask if len(mine) else None

        answers = self._store.call([asking(mine) for mine in places])
        return _merged(len(rows), places, answers)

    def _parents(
        self, link: int, rows: Array, anchors: Array, scopes: Array, own: _Excluded | None
    ) -> tuple[Array, Array, Array]:
        """Find parents with those who hold the rows, and their times with those who hold the parents."""
        layout = self._store.layout.links[link]
        out = {"rows": np.empty(len(rows), np.uint32)}
        parents = self._store.by_owner(self._store.index(layout.child), rows, out, "parents", link=link)[
            "rows"
        ]
        kept = parents != NO_ROW
        if own is not None:
            kept &= ~own.covers(rows, scopes)
        found = np.flatnonzero(kept)
        times = self._store.stamps(self._store.index(layout.parent), parents[found])["times"]
        is_visible = times <= anchors[found]
        found, times = found[is_visible], times[is_visible]
        counts = np.zeros(len(rows), np.uint32)
        counts[found] = 1
        return counts, np.ascontiguousarray(parents[found]), np.ascontiguousarray(times)

    def _exclusions(self, seeds: Seeds, work: Any) -> dict[int, _Excluded]:
        out = {}
        scope_of_seed = work.scopes_of_seeds()
        for link in np.unique(seeds.excluded_links).tolist():
            chosen = seeds.excluded_links == link
            rows, of_seeds = seeds.excluded_rows[chosen], seeds.excluded_seeds[chosen]
            child = self._store.index(self._store.layout.links[link].child)
            empty = {"rows": np.empty(len(rows), np.uint32)}
            parents = self._store.by_owner(child, rows, empty, "parents", link=link)["rows"]
            times = self._store.stamps(child, rows)["times"]
            of_one = of_seeds != _native.ALL
            scopes = np.full(len(rows), _native.ALL, np.uint32)
            scopes[of_one] = scope_of_seed[of_seeds[of_one]]
            out[link] = _Excluded(parents, rows, times, scopes)
        return out

    def _with_values(self, table: int, drawn: Any) -> Any:
        if drawn is None:
            return None
        rows, scopes, ages, per_hop, _ = drawn
        sections = self._store.gather(table, rows) if table in self._walk.gathered else []
        return rows, scopes, ages, per_hop, sections

    def _hide(self, table: int, positions: Array, tables: list[Any]) -> None:
        """Make the values of seeds that are later than their anchors null."""
        if not len(positions) or table not in self._walk.gathered:
            return
        layout = self._store.layout.tables[table]
        for section, raw in zip(layout.sections, tables[table][4], strict=True):
            raw.view(section.storage.value)[positions] = NULLS[section.storage]


@dataclass(frozen=True)
class _Excluded:
    """Edges of one link that must not be walked: parent, child, the child's time, and whose scope."""

    parents: Array
    rows: Array
    times: Array
    scopes: Array

    def covers(self, rows: Array, scopes: Array) -> Array:
        """Say which (child row, scope) are excluded."""
        out = np.zeros(len(rows), bool)
        for row, scope in zip(self.rows.tolist(), self.scopes.tolist(), strict=True):
            out |= (rows == row) & ((scopes == scope) | (scope == _native.ALL))
        return out

    def for_asks(self, rows: Array, scopes: Array) -> dict[str, Array]:
        """Return the exclusions as a shard takes them: by the number of the ask instead of the scope."""
        parts: list[tuple[Array, Array]] = []  # which exclusion, which ask
        for index, (parent, scope) in enumerate(
            zip(self.parents.tolist(), self.scopes.tolist(), strict=True)
        ):
            asks = np.flatnonzero((rows == parent) & ((scopes == scope) | (scope == _native.ALL)))
            parts.append((np.full(len(asks), index, np.int64), asks))
        which = np.concatenate([w for w, _ in parts]) if parts else np.empty(0, np.int64)
        asks = np.concatenate([a for _, a in parts]) if parts else np.empty(0, np.int64)
        return {
            "excluded_parents": self.parents[which],
            "excluded_rows": self.rows[which],
            "excluded_times": self.times[which],
            "excluded_asks": asks.astype(np.uint32),
        }


_EMPTY = np.empty(0, np.uint32)
_NONE_EXCLUDED = _Excluded(_EMPTY, _EMPTY, np.empty(0, np.int64), _EMPTY)


def _merged(num_asks: int, places: list[Array], answers: list[Message | None]) -> tuple[Array, Array, Array]:
    """Put the answers of the shards into the order of the asks."""
    counts = np.zeros(num_asks, np.uint32)
    for mine, answer in zip(places, answers, strict=True):
        if answer is not None:
            counts[mine] = answer.arrays["counts"]
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    rows, times = np.empty(starts[-1], np.uint32), np.empty(starts[-1], np.int64)
    for mine, answer in zip(places, answers, strict=True):
        if answer is None:
            continue
        own = counts[mine].astype(np.int64)
        first = np.repeat(starts[mine], own)
        within = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
        rows[first + within] = answer.arrays["rows"]
        times[first + within] = answer.arrays["times"]
    return counts, rows, times
