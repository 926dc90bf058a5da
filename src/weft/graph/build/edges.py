"""The edges of links: the parent of each row, and the children of each parent by time."""

from __future__ import annotations

import shutil
from typing import BinaryIO

from weft.graph import _native
from weft.graph.build.job import Job, LinkWork, SegmentWork, TableWork
from weft.graph.build.keys import SpilledKeys
from weft.graph.build.order import group_task, link_folder, make_sparse
from weft.graph.layout import File, LinkLayout, LinkSegment, TableSegment


def translate_parents(
    job: Job, segment: SegmentWork, link: LinkWork, spilled: dict[str, SpilledKeys]
) -> None:
    """Replace the prepared numbers of a segment's parents by rows, once those are numbered."""
    parent = job.tables[link.link.parent]
    if link.keys in spilled and spilled[link.keys].num_rows_known == 0:
        inverse, count, first = _whole_inverse(job, parent), parent.num_rows, 0
    elif parent.fresh:
        inverse, count, first = parent.fresh.inverse, parent.fresh.count, parent.fresh.first
    else:
        return
    if not inverse:
        return
    numbers = segment.parents[link.link.name]
    rows = job.temporary("parents")
    _native.translate_parents(numbers, segment.count, inverse, count, first, rows, job.stage_bytes)
    job.forget(numbers)
    segment.parents[link.link.name] = rows


def _whole_inverse(job: Job, work: TableWork) -> str:
    """Return the rows of all prepared rows of a table, over its segments; empty where each is its number."""
    fresh = work.fresh
    if not work.base:
        return fresh.inverse if fresh else ""
    if not any(s.source for s in work.base.segments) and not (fresh and fresh.inverse):
        return ""
    whole = job.temporary("inverse")
    with open(whole, "wb") as out:
        for stored in work.base.segments:
            part = job.temporary("inverse")
            write_stored_inverse(job, stored, part)
            _append(part, out)
            job.forget(part)
        if fresh:
            part = fresh.inverse or job.temporary("inverse")
            if not fresh.inverse:
                _native.write_identity(fresh.first, fresh.count, part)
            _append(part, out)
    return whole


def _append(path: str, out: BinaryIO) -> None:
    with open(path, "rb") as part:
        shutil.copyfileobj(part, out, 1 << 20)


def restore_segment(job: Job, segment: SegmentWork) -> None:
    """Restore what links of a segment need that an earlier build wrote: rows and time codes by number."""
    stored = segment.stored
    assert stored is not None
    if stored.source:
        segment.inverse = job.temporary("inverse")
        write_stored_inverse(job, stored, segment.inverse)
    if not segment.links:
        return
    source = _checked(job, stored.source, _native.Kind.source) if stored.source else ""
    files = (("codes", stored.time, _native.Kind.time), ("lows", stored.low, _native.Kind.low))
    for name, file, kind in files:
        if file:
            path, values = job.temporary(name), _checked(job, file, kind)
            _native.restore_order(values, source, segment.count, segment.first, path, job.stage_bytes)
            setattr(segment, name, path)


def write_stored_inverse(job: Job, stored: TableSegment, path: str) -> None:
    """Write the row of each prepared row of a segment that an earlier build wrote."""
    first, count = stored.first_source, stored.num_rows
    if stored.source is None:
        _native.write_identity(first, count, path)
        return
    source = _checked(job, stored.source, _native.Kind.source)
    _native.write_inverse(source, count, first, first, path, job.stage_bytes)


def _checked(job: Job, file: File, kind: _native.Kind) -> str:
    """Return the path of a file that an earlier build wrote, each block of which is what was written.

    Raises:
        UserError: ``GRAPH001`` … ``GRAPH006`` for a file that is damaged or not the graph's.
    """
    assert job.base_folder is not None
    path = str(job.base_folder / file.path)
    _native.check_file(path, kind, 4, file.root)
    return path


def write_link_segment(
    job: Job, segment: SegmentWork, link: LinkWork, ordered: dict[str, File]
) -> LinkSegment:
    """Write the edges of a segment's rows along one link.

    Args:
        job: The build.
        segment: Whose rows are numbered, with parents that are rows.
        link: Whose child table the segment is of.
        ordered: The files that were written with the order of the rows, where they are ordered by this link.
    """
    counts = segment.counts[link.link.name]
    dangling = None
    if counts.num_dangling:
        path = job.path(*link_folder(segment, link), "dangling.bin")
        dangling = job.file(path, _native.write_dangling(counts.dangling, path, job.stage_bytes))
    job.forget(*counts.dangling)
    files = ordered or _write_edges(job, segment, link)
    return LinkSegment(
        files["parent"],
        files["offsets"],
        files.get("children"),
        files.get("parents"),
        dangling=dangling,
        num_edges=counts.num_edges,
        num_null=counts.num_null,
        num_dangling=counts.num_dangling,
    )


def _write_edges(job: Job, segment: SegmentWork, link: LinkWork) -> dict[str, File]:
    folder = link_folder(segment, link)
    parents = segment.parents[link.link.name]
    files: dict[str, File] = {}
    path = job.path(*folder, "parent.bin")
    root = _native.write_parents(
        parents, segment.count, segment.inverse, segment.first, path, job.stage_bytes
    )
    files["parent"] = job.file(path, root)
    task = group_task(job, segment, link)
    task.values = segment.inverse
    task.first_value = segment.first
    make_sparse(job, segment, link, task, files)
    paths = job.path(*folder, "offsets.bin"), job.path(*folder, "children.bin")
    roots = _native.write_children(task, *paths)
    files["offsets"], files["children"] = (job.file(p, r) for p, r in zip(paths, roots, strict=True))
    job.forget(parents)
    return files


def link_layout(link: LinkWork, written: tuple[LinkSegment, ...]) -> LinkLayout:
    """Describe a link whose segments are written."""
    segments = (*(link.base.segments if link.base else ()), *written)
    return LinkLayout(
        link.link.name,
        link.link.table,
        link.link.columns,
        link.link.parent,
        sum(s.num_edges for s in segments),
        sum(s.num_null for s in segments),
        sum(s.num_dangling for s in segments),
        segments,
        link.link.parent_columns,
    )
