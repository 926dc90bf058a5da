"""Sampling in plain Python: one seed at a time, lists and dictionaries, no indexes.

Draws the same random numbers as the engine, by the definition in its headers, so that results are compared
exactly and not only in distribution.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from toy_graph import Toy

from weft.core import ALL, Choice, SampleOptions, Scope, Strategy, Toward

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(x: int) -> int:
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def join(key: int, word: int) -> int:
    return mix((key + GOLDEN + mix((word + GOLDEN) & MASK)) & MASK)


def uniform(count: int, fanout: int, key: int) -> list[int]:
    """Floyd's algorithm, positions descending."""
    if fanout >= count:
        return list(range(count - 1, -1, -1))
    chosen: set[int] = set()
    state = key
    for top in range(count - fanout, count):
        state = (state + GOLDEN) & MASK
        drawn = mix(state) * (top + 1) >> 64
        chosen.add(top if drawn in chosen else drawn)
    return sorted(chosen, reverse=True)


@dataclass
class Scoped:
    """What one scope reached: rows as (table, prepared row) in order, with hop; edges with hop."""

    anchor: int
    key: int
    hop: dict[tuple[int, int], int] = field(default_factory=dict)
    hidden: set[tuple[int, int]] = field(default_factory=set)
    edges: list[tuple[int, Toward, int, int, int]] = field(default_factory=list)


class Oracle:
    """Samples a toy as options say."""

    def __init__(
        self, toy: Toy, options: SampleOptions, excluded: set[tuple[int, int, int | None]] = frozenset()
    ) -> None:
        self.toy, self.options, self.excluded = toy, options, excluded
        self.crossed = {i for i, t in enumerate(toy.tables) if t.name in options.crossed}

    def sample(self, table: int, seeds: list[tuple[int, int]], epoch: int = 0) -> list[Scoped]:
        """Return the scopes of seeds, (prepared row, anchor) each, in order of first use."""
        scopes: dict[object, Scoped] = {}
        members: dict[object, list[int]] = {}
        base = join(mix(self.options.seed), epoch)
        is_shared = self.options.scope is Scope.SHARED
        for i, (row, anchor) in enumerate(seeds):
            name = anchor if is_shared else i
            key = join(base, anchor & MASK)
            scope = scopes.setdefault(name, Scoped(anchor, key if is_shared else join(key, row)))
            members.setdefault(name, []).append(i)
            scope.hop.setdefault((table, row), 0)
            time = self.toy.tables[table].times[row]
            if time is not None and time > anchor:
                scope.hidden.add((table, row))
        for name, scope in scopes.items():
            self._grow(scope, len(self.options.fanouts), {None, *members[name]})
        return list(scopes.values())

    def _grow(self, scope: Scoped, hops: int, members: set) -> None:
        for hop in range(1, hops + 1):
            reached_last = [node for node, reached in scope.hop.items() if reached == hop - 1]
            frontier = [node for node in reached_last if node not in scope.hidden]
            for toward in (Toward.PARENT, Toward.CHILDREN):
                for k in range(len(self.toy.links)):
                    self._step(scope, k, toward, hop, frontier, members)

    def _step(self, scope, k, toward, hop, frontier, members) -> None:
        link, options = self.toy.links[k], self.options
        fanout = options.fanout(hop - 1, self.toy.name(k), toward)
        start, end = (link.child, link.parent) if toward is Toward.PARENT else (link.parent, link.child)
        if fanout == 0 or (toward is Toward.PARENT and start in self.crossed and hop > 1):
            return
        before = list(scope.hop)
        for table, row in [n for n in frontier if n[0] == start]:
            if toward is Toward.PARENT:
                reached = self._parent(scope, k, row, members)
            else:
                strategy = options.strategies.get(self.toy.name(k), options.strategy)
                reached = self._children(scope, k, row, fanout, strategy, (table, row), members)
            self._reach(scope, k, toward, hop, row, end, reached)
        if end in self.crossed:
            new = [n for n in list(scope.hop)[len(before) :] if n[0] == end]
            for other in range(len(self.toy.links)):
                if self.toy.links[other].child == end:
                    for _, row in new:
                        reached = self._parent(scope, other, row, members)
                        self._reach(
                            scope, other, Toward.PARENT, hop, row, self.toy.links[other].parent, reached
                        )

    def _reach(self, scope, k, toward, hop, target, table, reached) -> None:
        for row in reached:
            scope.hop.setdefault((table, row), hop)
            scope.edges.append((k, toward, row, target, hop))

    def _is_visible(self, table: int, row: int, anchor: int) -> bool:
        time = self.toy.tables[table].times[row]
        return time is None or time <= anchor

    def _is_excluded(self, k: int, child: int, members: set) -> bool:
        return any((k, child, seed) in self.excluded for seed in members)

    def _parent(self, scope, k, row, members) -> list[int]:
        link = self.toy.links[k]
        parent = link.to[row]
        if parent is None or not self._is_visible(link.parent, parent, scope.anchor):
            return []
        return [] if self._is_excluded(k, row, members) else [parent]

    def _children(self, scope, k, row, fanout, strategy: Strategy, node, members) -> list[int]:
        link = self.toy.links[k]
        times = self.toy.tables[link.child].times
        children = [
            c
            for c in range(len(link.to))
            if link.to[c] == row
            and self._is_visible(link.child, c, scope.anchor)
            and not self._is_excluded(k, c, members)
        ]
        children.sort(key=lambda c: (times[c] is not None, times[c] or 0, c))
        if strategy.choice is Choice.WINDOW:
            children = [
                c for c in children if times[c] is None or times[c] > scope.anchor - strategy.window_us
            ]
        wanted = len(children) if fanout == ALL else fanout
        if strategy.choice is Choice.UNIFORM:
            slot = list(scope.hop).index(node)
            return [children[i] for i in uniform(len(children), wanted, join(scope.key, slot << 32 | k))]
        return children[::-1][:wanted]
