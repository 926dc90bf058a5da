"""Aggregates over the rows of paths: recipes grouped so that each path is scanned once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.core import ROW, Link
from weft.data.features.aggregates import View, aggregate
from weft.data.features.leaves import compute_leaf
from weft.data.features.recipe import Move, Recipe, Source
from weft.data.features.rows import Block, Scan, links_by_name, read_blocks
from weft.data.features.seeds import Seeds
from weft.data.features.segments import Bools, Ints
from weft.data.features.target import TargetPart
from weft.data.tables import Tables

Values = npt.NDArray[Any]
_VARIANT_ROWS = 4_000_000


@dataclass
class _Group:
    """Recipes that read the same rows, by the moves that lead to their keys."""

    table: str
    ups_to_key: tuple[str, ...]
    everyone: bool
    step: int
    recipes: dict[tuple[Move, ...], list[Recipe]] = field(default_factory=dict)

    def sources(self) -> tuple[Source, ...]:
        found = {r.source: None for recipes in self.recipes.values() for r in recipes}
        return tuple(found)

    def by_source(self) -> Iterator[tuple[tuple[Move, ...], list[Recipe]]]:
        """Yield recipes that share moves, those of one source together."""
        order = {source: i for i, source in enumerate(self.sources())}
        for moves, recipes in self.recipes.items():
            yield moves, sorted(recipes, key=lambda r: order[r.source])


class Scanner:
    """Computes recipes of the families ``rows`` and ``everyone`` for seeds of one table."""

    def __init__(self, tables: Tables, entity_table: str, parts: Sequence[TargetPart]) -> None:
        self._tables = tables
        self._entity_table = entity_table
        self._parts = parts
        self._links = links_by_name(tables.schema)

    def compute(self, seeds: Seeds, recipes: Sequence[Recipe]) -> dict[Recipe, Values]:
        """Return one array per distinct recipe."""
        wanted = dict.fromkeys(recipes)
        results: dict[Recipe, Values] = {}
        keys: dict[tuple[Move, ...], Ints] = {(): seeds.keys}
        depth = max((len(r.moves) for r in wanted), default=0)
        for stage in range(depth + 1):
            steps = [_step(r.moves[: stage + 1]) for r in wanted if len(r.moves) > stage]
            chosen = [r for r in wanted if len(r.moves) == stage]
            for group in self._groups(dict.fromkeys([*chosen, *steps])):
                results |= self._run(group, seeds, keys)
            for recipe in steps:
                found = results[recipe]
                keys[_moved(recipe)] = np.where(np.isnan(found), -1, found).astype(np.int64)
        return {recipe: results[recipe] for recipe in wanted}

    def table_after(self, moves: Sequence[Move]) -> str:
        """Return the table that moves lead to."""
        return self._links[moves[-1].up].parent if moves else self._entity_table

    def _groups(self, recipes: Mapping[Recipe, None]) -> list[_Group]:
        groups: dict[tuple[str, tuple[str, ...], bool, int], _Group] = {}
        for recipe in recipes:
            start = self.table_after(recipe.moves)
            table = self._links[recipe.downs[-1]].table if recipe.downs else start
            everyone = recipe.family == "everyone"
            ups = () if everyone else tuple(reversed(recipe.downs))
            key = (table, ups, everyone, recipe.step)
            group = groups.setdefault(key, _Group(*key))
            group.recipes.setdefault(recipe.moves, []).append(recipe)
        return list(groups.values())

    def _run(
        self, group: _Group, seeds: Seeds, keys: Mapping[tuple[Move, ...], Ints]
    ) -> dict[Recipe, Values]:
        scan = Scan(group.table, group.ups_to_key, group.sources(), group.everyone, group.step)
        passed = _removable(scan, seeds, self._links)
        seeds_of = {
            moves: seeds.at(np.zeros_like(seeds.keys) if group.everyone else keys[moves])
            for moves in group.recipes
        }
        results: dict[Recipe, Values] = {}
        after = np.iinfo(np.int64).min
        only = np.unique(np.concatenate([at.keys for at in seeds_of.values()]))
        blocks = read_blocks(self._tables, scan, self._parts, passed=tuple(passed), only=only)
        for block, is_last in _with_last(blocks):
            until = np.iinfo(np.int64).max if is_last else int(block.keys[-1])
            for moves, recipes in group.by_source():
                at = seeds_of[moves]
                chosen = np.flatnonzero((at.keys > after) & (at.keys <= until))
                for recipe, values in self._evaluate(block, at, chosen, recipes, passed):
                    _store(results, recipe, len(seeds), chosen, values)
            after = until
        return results

    def _evaluate(
        self, block: Block, seeds: Seeds, chosen: Ints, recipes: Sequence[Recipe], passed: Mapping[Any, str]
    ) -> Iterator[tuple[Recipe, Values]]:
        varied = seeds.variants()[chosen] & bool(passed)
        plain = self._evaluate_shared(block, seeds, chosen[~varied], recipes)
        if not varied.any():
            yield from plain
            return
        parts = [dict(plain)]
        for some in _variant_chunks(block, seeds, chosen[varied]):
            own, keyed = vary(block, seeds, some, passed)
            view = View(own, keyed, seeds.cutoffs[some], seeds.anchors[some])
            parts.append({r: self._aggregate(view, r) for r in recipes})
        order = np.argsort(np.concatenate([np.flatnonzero(~varied), np.flatnonzero(varied)]))
        for recipe in recipes:
            yield recipe, np.concatenate([p[recipe] for p in parts])[order]

    def _evaluate_shared(
        self, block: Block, seeds: Seeds, chosen: Ints, recipes: Sequence[Recipe]
    ) -> Iterator[tuple[Recipe, Values]]:
        """Compute each (key, cutoff, anchor) once: many entities share one parent."""
        order, back = _distinct(seeds.keys[chosen], seeds.cutoffs[chosen], seeds.anchors[chosen])
        some = chosen[order]
        view = View(block, seeds.keys[some], seeds.cutoffs[some], seeds.anchors[some])
        for recipe in recipes:
            yield recipe, self._aggregate(view, recipe)[back]

    def _aggregate(self, view: View, recipe: Recipe) -> Values:
        if recipe.aggregate == "leaf":
            return compute_leaf(view, recipe, self._parts)
        return aggregate(view, recipe)


def vary(
    block: Block, seeds: Seeds, chosen: Ints, passed: Mapping[tuple[str, ...], str]
) -> tuple[Block, Ints]:
    """Copy the visible rows of seeds, each under a key of its own, without the rows they leave out."""
    view = View(block, seeds.keys[chosen], seeds.cutoffs[chosen], seeds.anchors[chosen])
    sizes = view.whole.sizes
    owner = np.repeat(np.arange(len(chosen)), sizes)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    positions = view.whole.starts[owner] + offset
    gone = {
        path: _is_removed(seeds, table, chosen[owner], block.passed(f"passed{i}")[positions])
        for i, (path, table) in enumerate(passed.items())
    }
    keep = np.ones(len(owner), bool)
    on_the_way = {block.scan.ups_to_key[:i] for i in range(len(block.scan.ups_to_key) + 1)}
    for path, lost in gone.items():
        if path in on_the_way:
            keep &= ~lost
    own = block.take(positions[keep], owner[keep])
    for i, source in enumerate(block.scan.sources):
        emptied = _source_lost(source, gone, keep)
        if emptied is not None:
            own = own.without(i, emptied)
    return own, np.arange(len(chosen))


def _source_lost(source: Source, gone: Mapping[tuple[str, ...], Bools], keep: Bools) -> Bools | None:
    lost = [g[keep] for path, g in gone.items() if path and source.ups[: len(path)] == path]
    return np.logical_or.reduce(lost) if lost else None


def _step(moves: tuple[Move, ...]) -> Recipe:
    """Make the recipe whose value is the row number that the last of the moves leads to."""
    move = moves[-1]
    downs = () if move.down is None else (move.down,)
    return Recipe("rows", "last", moves[:-1], downs, Source(ROW, (move.up,)))


def _moved(step: Recipe) -> tuple[Move, ...]:
    return (*step.moves, Move(step.source.ups[0], step.downs[0] if step.downs else None))


def _with_last(blocks: Iterator[Block]) -> Iterator[tuple[Block, bool]]:
    held = next(blocks)
    for block in blocks:
        yield held, False
        held = block
    yield held, True


def _store(results: dict[Recipe, Values], recipe: Recipe, size: int, chosen: Ints, values: Values) -> None:
    if recipe not in results:
        empty = np.nan if values.dtype.kind == "f" else None
        results[recipe] = np.full(size, empty, dtype=values.dtype)
    results[recipe][chosen] = values


def _distinct(*columns: Ints) -> tuple[Ints, Ints]:
    """Return the positions of the first of equal rows, in order, and the way back."""
    order = np.lexsort(columns[::-1])
    new = np.ones(len(order), bool)
    new[1:] = np.logical_or.reduce([c[order][1:] != c[order][:-1] for c in columns])
    back = np.empty(len(order), np.int64)
    back[order] = np.cumsum(new) - 1
    return order[new], back


def _removable(scan: Scan, seeds: Seeds, links: Mapping[str, Link]) -> dict[tuple[str, ...], str]:
    """Return the paths of a scan that lead to tables of which seeds leave rows out."""
    if not seeds.removed or scan.everyone:
        return {}
    paths = {scan.ups_to_key[:i] for i in range(len(scan.ups_to_key) + 1)}
    paths |= {s.ups[:i] for s in scan.sources for i in range(1, len(s.ups) + 1)}
    tables = {path: links[path[-1]].parent if path else scan.table for path in sorted(paths)}
    return {path: table for path, table in tables.items() if table in seeds.removed}


def _is_removed(seeds: Seeds, table: str, owner: Ints, rows: Ints) -> Bools:
    assert seeds.removed is not None
    pairs = seeds.removed[table]
    span = int(max(pairs[:, 1].max(initial=0), rows.max(initial=0))) + 2
    return np.isin(owner * span + rows, pairs[:, 0] * span + pairs[:, 1]) & (rows >= 0)


def _variant_chunks(block: Block, seeds: Seeds, chosen: Ints) -> Iterator[Ints]:
    view = View(block, seeds.keys[chosen], seeds.cutoffs[chosen], seeds.anchors[chosen])
    chunk = np.cumsum(view.whole.sizes) // _VARIANT_ROWS
    for number in np.unique(chunk):
        yield chosen[chunk == number]
