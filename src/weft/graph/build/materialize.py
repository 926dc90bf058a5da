"""The build from end to end: plan what is written, write it, publish it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from weft.core import Column, Progress, Resources, Silent, TableReader
from weft.graph.build.change import carry_over, plan_work
from weft.graph.build.dictionaries import Dictionaries
from weft.graph.build.edges import link_layout, restore_segment, translate_parents, write_link_segment
from weft.graph.build.job import Job, LinkWork, RowLayout, SegmentWork, TableWork
from weft.graph.build.keys import (
    SpilledKeys,
    key_dtypes,
    key_name,
    spill_other_keys,
    write_key_files,
)
from weft.graph.build.links import Indexes, resolve_segment
from weft.graph.build.order import choose_orders, newest_time, number_rows, parents_first
from weft.graph.build.rows import is_coded, packed_columns, plan_table, write_rows
from weft.graph.build.staging import publish, staging
from weft.graph.layout import (
    File,
    Keys,
    Layout,
    LinkLayout,
    LinkSegment,
    TableLayout,
)
from weft.graph.manifest import check_whole, read_manifest, write_manifest
from weft.version import __version__

_SCRATCH = "scratch"


def materialize(
    reader: TableReader,
    directory: Path,
    *,
    resources: Resources,
    base: Path | None = None,
    progress: Progress | None = None,
) -> Layout:
    """Write the graph of prepared tables into a folder, which appears when it is complete.

    Memory is bounded by the resources: what does not fit goes through files beside the folder, in several
    passes. The same tables give the same bytes for any number of threads, batches and limits.

    Args:
        reader: Of the prepared tables.
        directory: Folder of the graph. A graph that is there is replaced in one step; who has it open keeps
            reading it.
        resources: Memory limit and threads.
        base: Folder of a graph of earlier tables. What was appended since becomes new segments, what did
            not change is linked, not copied. Of a table that changed otherwise, values are written anew;
            other tables only where its rows have other keys or another order.
        progress: Told steps done of all.

    Raises:
        UserError: ``GRAPH020`` … ``GRAPH029`` for what no graph can hold, ``GRAPH024`` for a folder that is
            not a graph's, and what reading ``base`` raises.
        UnavailableError: ``GRAPH010`` and ``GRAPH026`` when files cannot be written or read.
    """
    directory = Path(os.path.realpath(directory))  # what a link points to is replaced, not the link
    base_folder = Path(base).absolute() if base else None
    earlier = check_whole(read_manifest(base_folder), base_folder, "a base") if base_folder else None
    with staging(directory) as folder:
        scratch = folder.parent / _SCRATCH
        scratch.mkdir()
        job = Job(reader, reader.schema, folder, scratch, resources, progress or Silent(), base_folder)
        layout = _build(job, earlier)
        carry_over(job, layout)
        write_manifest(folder, layout)
        publish(folder, directory)
    return layout


def _build(job: Job, earlier: Layout | None) -> Layout:
    spilled = plan_work(job, earlier)
    _spill_others(job, spilled)
    kept = {t.table: t.base.keys.segments for t in job.tables.values() if t.base and t.base.keys.segments}
    indexes = Indexes(job, spilled, {key_name(t.name, t.primary_key): k for t, k in kept.items()})
    segments = [s for t in job.tables.values() for s in t.segments]
    steps = _Steps(job, len(segments) * 3 + len(job.links))
    for segment in segments:
        steps.next(f"keys of {segment.table.name}")
        resolve_segment(job, segment, indexes)
    indexes.loaded.clear()
    choose_orders(job)
    ordered: dict[str, dict[str, File]] = {}
    for work in parents_first(job):
        _number(job, work, spilled, ordered, steps)
    links = tuple(_write_link(job, job.links[k.name], spilled, ordered, steps) for k in job.schema.links)
    for work in job.tables.values():
        if any(s.written for s in work.segments):
            steps.next(f"rows of {work.name}")
            _write_rows(job, work)
    tables = tuple(_table_layout(t) for t in job.tables.values())
    return Layout(tables, links, written_by=f"weft {__version__}")


class _Steps:
    """Tells progress one step after another."""

    def __init__(self, job: Job, total: int) -> None:
        self.job = job
        self.total = total
        self.done = 0

    def next(self, note: str) -> None:
        """Begin a step."""
        self.job.progress.update(min(self.done, self.total), self.total, note)
        self.done += 1


def _spill_others(job: Job, spilled: dict[str, SpilledKeys]) -> None:
    """Spill the keys that links point to and that are not the primary key of their table."""
    for table in job.tables.values():
        for segment in table.segments:
            for link in segment.links:
                parent = job.tables[link.link.parent]
                columns = link.link.parent_columns
                is_primary = sorted(columns) == sorted(parent.table.primary_key)
                if not is_primary and link.keys not in spilled:
                    spilled[link.keys] = spill_other_keys(job, parent, columns)


def _number(
    job: Job,
    work: TableWork,
    spilled: dict[str, SpilledKeys],
    ordered: dict[str, dict[str, File]],
    steps: _Steps,
) -> None:
    """Put the new rows of a table in order and write its keys; restore what stored segments need."""
    for segment in work.segments:
        steps.next(f"order of {work.name}")
        if not segment.has_new_times:
            restore_segment(job, segment)
            if work.edit:
                segment.written = segment.stored
            continue
        if work.order_by:
            link = job.links[work.order_by]
            translate_parents(job, segment, link, spilled)
        segment.written, files = number_rows(job, segment)
        if work.order_by:
            ordered[work.order_by] = files
            job.forget(segment.parents.pop(work.order_by))
    name = key_name(work.name, work.table.primary_key)
    if name in spilled and work.fresh:
        work.keys = write_key_files(job, work, work.fresh, spilled[name])


def _write_link(
    job: Job,
    link: LinkWork,
    spilled: dict[str, SpilledKeys],
    ordered: dict[str, dict[str, File]],
    steps: _Steps,
) -> LinkLayout:
    steps.next(f"edges of {link.link.name}")
    written: list[LinkSegment] = []
    for segment in job.tables[link.link.table].segments:
        if link not in segment.links:
            continue
        files = ordered.get(link.link.name, {}) if segment.stored is None else {}
        if not files:
            translate_parents(job, segment, link, spilled)
        written.append(write_link_segment(job, segment, link, files))
    return link_layout(link, tuple(written))


def _write_rows(job: Job, work: TableWork) -> None:
    """Pack the new rows of a table, and the others where it was edited."""
    columns = packed_columns(job.schema, work.name)
    written = [s for s in work.segments if s.written is not None]
    goes_on = work.base if work.edit is None else None
    if goes_on:
        work.rows = RowLayout(goes_on.stride, goes_on.sections, goes_on.columns)
    else:
        work.rows = RowLayout(0, (), plan_table(job, written, columns) if columns else ())
    for segment in written:
        assert segment.written is not None
        if columns:
            segment.written = replace(segment.written, rows=_write_segment(job, work, segment, columns))
        segment.written = replace(segment.written, digests=_digests(work, segment))
        job.forget(segment.codes, segment.lows, segment.inverse)


def _write_segment(job: Job, work: TableWork, segment: SegmentWork, columns: Sequence[Column]) -> File:
    """Pack the rows of a segment and write the words that occur in it and not before."""
    assert work.rows is not None
    before, goes_on = work.rows, work.base is not None and work.edit is None
    folder = job.base_folder if goes_on else job.folder
    assert folder is not None
    stored = {c.name: tuple(w.values for w in c.dictionary or ()) for c in before.columns}
    coded = {c.name: c for c in columns if is_coded(c)}
    dictionaries = Dictionaries(job, segment, coded, stored, folder)
    rows, file = write_rows(job, segment, before.columns, dictionaries)
    assert not goes_on or rows == before
    parts = tuple(
        c if c.dictionary is None else replace(c, dictionary=(*c.dictionary, *dictionaries.write(c.name)))
        for c in rows.columns
    )
    work.rows = replace(rows, columns=parts)
    return file


def _digests(work: TableWork, segment: SegmentWork) -> dict[str, str]:
    if segment.stored is None:
        return segment.digests
    assert work.edit is not None
    return work.edit.digests[segment.number]


def _table_layout(work: TableWork) -> TableLayout:
    base = work.base
    rows = work.rows
    if rows is None:
        rows = RowLayout(base.stride, base.sections, base.columns) if base else RowLayout(0, (), ())
    segments = dict(enumerate(base.segments if base else ()))
    segments |= {s.number: s.written for s in work.segments if s.written is not None}
    keys = (*(base.keys.segments if base else ()), *([work.keys] if work.keys else []))
    newest = base.newest_us if base and not work.has_new_times else None
    return TableLayout(
        work.name,
        work.num_rows,
        rows.stride,
        rows.sections,
        rows.columns,
        tuple(segments[number] for number in sorted(segments)),
        Keys(work.table.primary_key, key_dtypes(work.table), keys),
        work.order_by,
        work.fingerprints,
        newest_time((s for s in work.segments if s.has_new_times), newest),
    )
