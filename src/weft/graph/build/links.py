"""Foreign keys of segments: read once with the times, resolved to prepared numbers of parents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from weft.core import TIME
from weft.graph import _native
from weft.graph.build.edit import ColumnDigests, fixed_columns
from weft.graph.build.job import Job, LinkCounts, LinkWork, SegmentWork
from weft.graph.build.keys import SpilledKeys
from weft.graph.layout import KeySegment


@dataclass
class Indexes:
    """Indexes over the keys of parents: kept from one segment to the next while memory allows.

    Attributes:
        spilled: Keys of new rows on disk, by name.
        stored: Key files of an earlier build that hold, by name of the keys: of all rows but the new ones.
    """

    job: Job
    spilled: dict[str, SpilledKeys]
    stored: dict[str, Sequence[KeySegment]]
    loaded: dict[str, _native.KeyIndex] = field(default_factory=dict)

    def size_bytes(self, keys: str) -> int:
        """Return the memory of an index over all keys; those in files take none of their own."""
        return self.spilled[keys].shape.index_bytes if keys in self.spilled else 0

    def num_passes(self, keys: str) -> int:
        """Return the number of parts that each fit the limit."""
        return -(-max(1, self.size_bytes(keys)) // self.job.lookup_bytes)

    def whole(self, keys: str, wanted: set[str]) -> _native.KeyIndex:
        """Return an index over all keys; give up others than the wanted ones for lack of memory."""
        if keys not in self.loaded:
            if self._held_bytes() + self.size_bytes(keys) > self.job.lookup_bytes:
                self.loaded = {k: v for k, v in self.loaded.items() if k in wanted}
            self.loaded[keys] = self._open(keys)
        return self.loaded[keys]

    def part(self, keys: str, number: int, passes: int) -> _native.KeyIndex:
        """Return an index over one part of the keys; the first part has those in files too."""
        one = self.spilled[keys]
        fresh = _native.load_index(one.stem, one.shape, number, passes, one.name)
        if number or keys not in self.stored:
            return fresh
        return _native.layer_index(self.job.stored(self.stored[keys]), fresh)

    def _held_bytes(self) -> int:
        return sum(self.size_bytes(k) for k in self.loaded)

    def _open(self, keys: str) -> _native.KeyIndex:
        if keys not in self.spilled:
            return self.job.stored(self.stored[keys])
        return self.part(keys, 0, 1)


def resolve_segment(job: Job, segment: SegmentWork, indexes: Indexes) -> None:
    """Write new times and the parents of a segment's rows to scratch files; digest new rows."""
    rounds = list(_rounds(segment.links, indexes))
    is_first = True
    for links in rounds or [[]]:
        _resolve_together(job, segment, links, indexes, is_first)
        is_first = False
    for link in segment.links:
        if indexes.num_passes(link.keys) > 1:
            _resolve_in_parts(job, segment, link, indexes)


def _rounds(links: list[LinkWork], indexes: Indexes) -> Iterator[list[LinkWork]]:
    """Yield links whose indexes fit together; those that do not fit alone are left out."""
    together: list[LinkWork] = []
    for link in links:
        if indexes.num_passes(link.keys) > 1:
            continue
        held = sum(indexes.size_bytes(k) for k in {other.keys for other in [*together, link]})
        if together and held > indexes.job.lookup_bytes:
            yield together
            together = []
        together.append(link)
    if together:
        yield together


def _resolve_together(
    job: Job, segment: SegmentWork, links: list[LinkWork], indexes: Indexes, is_first: bool
) -> None:
    wants_times = is_first and segment.has_new_times
    fixed = fixed_columns(job.schema, segment.table.name) if is_first and segment.stored is None else []
    wanted_columns = [*(c for k in links for c in k.columns), *fixed, *([TIME] if wants_times else [])]
    columns = list(dict.fromkeys(wanted_columns))
    if not columns:
        return
    wanted = {k.keys for k in links}
    resolvers = [_resolver(job, segment, k, indexes.whole(k.keys, wanted), "") for k in links]
    times = None
    if wants_times:
        segment.times = job.temporary("times")
        times = _native.TimeSpill(segment.times)
    digests = ColumnDigests(fixed)
    for batch in job.rows(segment.table.name, columns, segment.first, segment.count):
        for link, resolver in zip(links, resolvers, strict=True):
            resolver.add(batch, [columns.index(c) for c in link.columns], job.threads)
        digests.add(batch)
        if times:
            times.add(batch, columns.index(TIME))
    for link, resolver in zip(links, resolvers, strict=True):
        _count(segment, link, resolver.finish())
    if fixed:
        segment.digests = digests.digests()
    if times:
        _encode(job, segment, times.finish())


def _resolve_in_parts(job: Job, segment: SegmentWork, link: LinkWork, indexes: Indexes) -> None:
    passes = indexes.num_passes(link.keys)
    before = ""
    places = list(range(len(link.columns)))
    for number in range(passes):
        indexes.loaded = {}
        index = indexes.part(link.keys, number, passes)
        resolver = _resolver(job, segment, link, index, before)
        for batch in job.rows(segment.table.name, link.columns, segment.first, segment.count):
            resolver.add(batch, places, job.threads)
        _count(segment, link, resolver.finish())
        job.forget(before)
        before = segment.parents[link.link.name]


def _resolver(
    job: Job, segment: SegmentWork, link: LinkWork, index: _native.KeyIndex, before: str
) -> _native.LinkResolver:
    parents, dangling = job.temporary("parents"), job.temporary("dangling")
    segment.parents[link.link.name] = parents
    segment.counts.setdefault(link.link.name, LinkCounts()).dangling.append(dangling)
    return _native.LinkResolver(index, parents, before, dangling)


def _count(segment: SegmentWork, link: LinkWork, found: _native.LinkCounts) -> None:
    counts = segment.counts[link.link.name]
    counts.num_edges += found.num_edges
    counts.num_null += found.num_null
    counts.num_dangling += found.num_dangling


def _encode(job: Job, segment: SegmentWork, plan: _native.TimePlan) -> None:
    segment.plan = plan
    if plan.has_times:
        segment.codes = job.temporary("codes")
        segment.lows = job.temporary("lows") if plan.has_low else ""
        _native.encode_times(segment.times, segment.count, plan, segment.codes, segment.lows)
    job.forget(segment.times)
