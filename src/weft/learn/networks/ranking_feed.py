"""Batches that a network learns to rank from: seeds, their true items, and items that were not chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import torch

from weft.core import GraphSource
from weft.learn.encoders.column import NO_TIME, Array
from weft.learn.networks.inputs import NO_ROW, SeedTerms, cutoffs_us, find_seeds
from weft.learn.networks.slates import Own, Pool, RankingBatch, RankingOptions, Surroundings, places_of
from weft.learn.networks.towers import RankingNetwork
from weft.learn.ranking import RankingRows


@dataclass(frozen=True)
class Lessons:
    """Train seeds with their true items and their candidates, by row of the graph.

    Attributes:
        rows: Rows of the entity's table, uint32 ``(n,)``.
        cutoffs_us: Up to when each may see.
        true_offsets: First true item of each seed, int64 ``(n + 1,)``.
        true_rows: Rows of the table of items, ascending per seed.
        candidate_offsets: First candidate of each seed, int64 ``(n + 1,)``.
        candidate_rows: Rows of the table of items; `NO_ROW` where the graph has none.
        matrix: Encoded features of the candidates.
        rate: Share of seeds for which each item is true, ``(items,)``.
    """

    rows: Array
    cutoffs_us: Array
    true_offsets: Array
    true_rows: Array
    candidate_offsets: Array
    candidate_rows: Array
    matrix: Array
    rate: Array

    def __len__(self) -> int:
        return len(self.rows)

    @staticmethod
    def find(source: GraphSource, entity_table: str, item_table: str, rows: RankingRows) -> Lessons:
        """Look the entities and items of train up in the graph."""
        num_items = next(t.num_rows for t in source.tables if t.name == item_table)
        owner = np.concatenate(
            [pc.list_parent_indices(c).to_numpy() + first for c, first in _chunks(rows.truth)]
        )
        found = source.rows(item_table, pc.list_flatten(rows.truth))
        keys = np.unique(owner[found != NO_ROW] * num_items + found[found != NO_ROW].astype(np.int64))
        of = np.arange(len(rows) + 1)
        return Lessons(
            rows=find_seeds(source, entity_table, rows, threads=1),
            cutoffs_us=cutoffs_us(rows),
            true_offsets=np.searchsorted(keys // num_items, of),
            true_rows=(keys % num_items).astype(np.uint32),
            candidate_offsets=np.searchsorted(rows.seed, of),
            candidate_rows=source.rows(item_table, rows.items),
            matrix=rows.matrix,
            rate=np.bincount(keys % num_items, minlength=num_items) / max(1, len(rows)),
        )

    def orders(self, epoch: int, seed: int, size: int) -> list[Array]:
        """Divide the seeds that have a true item into batches of nearly one anchor, in an order of chance."""
        rng = np.random.Generator(np.random.Philox([seed, epoch]))
        usable = np.flatnonzero(np.diff(self.true_offsets))
        order = rng.permutation(usable)
        order = order[np.argsort(self.cutoffs_us[order], kind="stable")]
        parts = [order[i : i + size] for i in range(0, len(order), size)]
        return [parts[i] for i in rng.permutation(len(parts))]


class LessonMaker:
    """Makes batches of lessons. Not for several threads at once.

    Args:
        lessons: What is taught.
        around: Samples users and items.
        terms: Features of a pair.
        options: How many items of which kind.
        seed: Of random draws.
        network: What is taught: whether it reads the items around a seed there, and has towers for others.
    """

    def __init__(
        self,
        lessons: Lessons,
        around: Surroundings,
        terms: SeedTerms,
        options: RankingOptions,
        seed: int,
        network: RankingNetwork,
    ) -> None:
        self.lessons, self.around, self.terms = lessons, around, terms
        self.options, self.seed = options, seed
        self.reads_places, self.has_towers = network.reads_places, network.has_towers
        self._negatives = around.source.negatives(around.table, seed=seed)
        self._times = around.source.times_us(around.table, np.arange(len(around.numbers), dtype=np.uint32))
        self._sorted_times = np.sort(self._times)

    def make(self, part: Array, epoch: int, number: int) -> RankingBatch:
        """Make the batch of some seeds; what is drawn follows from the two numbers.

        Items are seen as of the earliest anchor among the seeds, so that none is told more than it may know.
        """
        lessons, around = self.lessons, self.around
        at_us = int(lessons.cutoffs_us[part].min())
        users, drawn = around.users(lessons.rows[part], lessons.cutoffs_us[part], epoch)
        found = around.found(drawn) if self.reads_places else (np.zeros(0, np.int64),) * 2
        true = self._true_keys(part)
        keys, candidate, log_chance = self._own(part, true, found[0], epoch, number)
        rows = (keys % len(around.numbers)).astype(np.uint32)
        seed, place = keys // len(around.numbers), places_of(keys, found)
        pool, column = None, np.full(len(keys), -1, np.int64)
        if self.has_towers:
            shared = np.concatenate([true % len(around.numbers), self._draw(at_us, epoch, number)])
            shared = np.unique(shared).astype(np.uint32)
            rest = np.setdiff1d(rows[place < 0], shared)
            column = _positions(shared, rest, rows, place < 0)
            left_out = self._left_out(shared, self._told_apart(part, keys), lessons.cutoffs_us[part])
            pool = Pool(
                around.items(np.concatenate([shared, rest]), at_us, epoch),
                torch.from_numpy(left_out),
                torch.from_numpy(self._log_chance(shared, len(part), at_us)),
            )
        own = Own(
            seed=torch.from_numpy(seed),
            column=torch.from_numpy(column),
            place=torch.from_numpy(place),
            terms=torch.from_numpy(self._pair_terms(candidate)),
            is_true=torch.from_numpy(np.isin(keys, true)),
            log_chance=torch.from_numpy(log_chance),
        )
        return RankingBatch(users, own, pool)

    def _left_out(self, shared: Array, keys: Array, cutoffs_us: Array) -> Array:
        """Say which shared negatives are none for a seed: bool ``(seeds, shared)``."""
        seed, rows = keys // len(self.around.numbers), keys % len(self.around.numbers)
        # What is true for one seed of a batch may be newer than the anchor of another.
        is_left_out: Array = self._times[shared] > cutoffs_us[:, None]
        among = np.isin(rows, shared)
        is_left_out[seed[among], np.searchsorted(shared, rows[among])] = True
        return is_left_out

    def _told_apart(self, part: Array, keys: Array) -> Array:
        """Return the pairs that are no shared negatives of their seed: its own items, drawn or not.

        A candidate that was drawn stands for those that were not.
        """
        owner, at = _ragged(self.lessons.candidate_offsets, part)
        known = self.lessons.candidate_rows[at] != NO_ROW
        return np.union1d(keys, self.around.pair_keys(owner[known], self.lessons.candidate_rows[at][known]))

    def _true_keys(self, part: Array) -> Array:
        offsets = self.lessons.true_offsets
        owner, at = _ragged(offsets, part)
        return self.around.pair_keys(owner, self.lessons.true_rows[at])

    def _own(
        self, part: Array, true: Array, found: Array, epoch: int, number: int
    ) -> tuple[Array, Array, Array]:
        """Choose the items of each seed: the true ones, those around it, and some of its candidates.

        Returns:
            Keys of the pairs, ascending; the candidate that each is, or -1; the logarithm of the chance that
            it is here.
        """
        lessons = self.lessons
        owner, at = _ragged(lessons.candidate_offsets, part)
        known = lessons.candidate_rows[at] != NO_ROW
        owner, at = owner[known], at[known]
        of_candidates = self.around.pair_keys(owner, lessons.candidate_rows[at])
        counts = np.bincount(owner, minlength=len(part))
        share = np.minimum(1.0, self.options.slate / np.maximum(counts, 1))
        rng = np.random.Generator(np.random.Philox([self.seed, epoch, number]))
        drawn = of_candidates[rng.random(len(owner)) < share[owner]]
        always = np.union1d(true, found)
        keys = np.union1d(always, drawn)
        order = np.argsort(of_candidates, kind="stable")
        candidate = places_of(keys, (of_candidates[order], at[order]))
        chance = np.where(np.isin(keys, always), 1.0, share[keys // len(self.around.numbers)])
        log_chance = np.log(chance).astype(np.float32)
        if self.has_towers:
            return keys, candidate, log_chance
        # Nothing is known of the others, so that their order cannot be learned.
        told = np.isin(keys, found) | (candidate >= 0)
        return keys[told], candidate[told], log_chance[told]

    def _draw(self, at_us: int, epoch: int, number: int) -> Array:
        found = self._negatives.sample([at_us], self.options.negatives, keys=[number], epoch=epoch)[0]
        return np.asarray(found[found != NO_ROW])

    def _log_chance(self, shared: Array, num_seeds: int, at_us: int) -> Array:
        """Return the logarithm of the chance that an item is true for another seed of the batch, or drawn."""
        timeless = np.searchsorted(self._sorted_times, NO_TIME, "right")
        present = max(
            1, int(np.searchsorted(self._sorted_times, max(at_us, NO_TIME), "right")), int(timeless)
        )
        drawn = min(1.0, self.options.negatives / present)
        expected = num_seeds * self.lessons.rate[shared] + drawn
        return np.log(np.maximum(-np.expm1(-expected), 1e-9)).astype(np.float32)

    def _pair_terms(self, candidate: Array) -> Array:
        """Compute the features of pairs; zeros where the pair is no collected candidate."""
        terms = np.zeros((len(candidate), len(self.terms.terms) + 1), np.float32)
        known = np.flatnonzero(candidate >= 0)
        if self.terms.terms and len(known):
            terms[known] = pair_terms(self.terms, self.lessons.matrix[candidate[known]])
        return terms


def pair_terms(terms: SeedTerms, matrix: Array) -> Array:
    """Compute the features of collected candidates, float32 ``(n, terms + 1)``; the last column is one."""
    ones = np.ones((len(matrix), 1), np.float32)
    return np.concatenate([terms.compute(matrix), ones], axis=1)


def _ragged(offsets: Array, part: Array) -> tuple[Array, Array]:
    """Return owner, from 0, and position of all entries of some lists, one list after the other."""
    starts, counts = offsets[part], offsets[part + 1] - offsets[part]
    owner = np.repeat(np.arange(len(part)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, starts[owner] + within


def _positions(shared: Array, rest: Array, rows: Array, wanted: Array) -> Array:
    """Return where rows are in two ascending parts, one after the other; -1 for those not wanted."""
    column = np.full(len(rows), -1, np.int64)
    for start, part in ((0, shared), (len(shared), rest)):
        here = np.flatnonzero(wanted & np.isin(rows, part))
        column[here] = start + np.searchsorted(part, rows[here])
    return column


def _chunks(lists: object) -> Iterator[tuple[object, int]]:
    first = 0
    for chunk in lists.chunks:  # type: ignore[attr-defined]
        yield chunk, first
        first += len(chunk)
