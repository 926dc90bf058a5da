"""The order of rows: which link each table follows, and the files that follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from weft.core import path_name
from weft.graph import _native
from weft.graph.build.job import Job, LinkWork, SegmentWork, TableWork
from weft.graph.layout import File, TableSegment, TimeCodes


def choose_orders(job: Job) -> None:
    """Choose for each table that is built whole the link its rows are ordered by.

    It is the one with the most rows per parent, ties by name. Tables whose choices form a cycle keep their
    prepared order, as do those without links. What an earlier build chose is kept.
    """
    chosen: dict[str, LinkWork] = {}
    for work in job.tables.values():
        links = [job.links[k.name] for k in job.schema.links_from(work.name)]
        if work.base is None and links:
            chosen[work.name] = min(links, key=lambda k: (-_rows_per_parent(job, k), k.link.name))
    for name in _in_cycles({n: k.link.parent for n, k in chosen.items()}):
        del chosen[name]
    for work in job.tables.values():
        if work.base:
            work.order_by = work.base.order_by
        elif work.name in chosen:
            work.order_by = chosen[work.name].link.name


def _rows_per_parent(job: Job, link: LinkWork) -> Fraction:
    num_parents = job.tables[link.link.parent].num_rows
    child = job.tables[link.link.table]
    num_children = child.num_rows - sum(s.counts[link.link.name].num_null for s in child.segments)
    return Fraction(num_children, num_parents) if num_parents else Fraction(0)


def _in_cycles(parents: dict[str, str]) -> set[str]:
    found = set()
    for start in parents:
        seen = []
        name = start
        while name in parents and name not in seen:
            seen.append(name)
            name = parents[name]
        if name == start and seen:
            found.add(start)
    return found


def parents_first(job: Job) -> list[TableWork]:
    """Return the tables with the parent that each is ordered by before it."""
    placed: dict[str, TableWork] = {}

    def place(work: TableWork) -> None:
        if work.name in placed:
            return
        if work.order_by:
            place(job.tables[job.links[work.order_by].link.parent])
        placed[work.name] = work

    for work in job.tables.values():
        place(work)
    return list(placed.values())


def link_folder(segment: SegmentWork, link: LinkWork) -> tuple[str, str, str]:
    """Return where the files of a segment's edges lie."""
    return ("edges", path_name(link.link.name), str(segment.number))


def number_rows(job: Job, segment: SegmentWork) -> tuple[TableSegment, dict[str, File]]:
    """Put the new rows of a table in order; write their times, numbers, and the edges they follow.

    Returns:
        The segment without its packed rows, and the files ``parent``, ``offsets`` and ``parents`` of the
        edges of the link that the rows are ordered by.
    """
    work = segment.table
    plan = segment.plan
    codes = TimeCodes(plan.origin, plan.unit) if plan.has_times else None
    if work.order_by is None:
        files = _write_in_prepared_order(job, segment)
        return _described(segment, codes, files), {}
    link = job.links[work.order_by]
    files = _write_in_order(job, segment, link)
    segment.inverse = job.temporary("inverse")
    source = str(job.folder / files["source"].path)
    _native.write_inverse(
        source, segment.count, segment.first, segment.first, segment.inverse, job.stage_bytes
    )
    return _described(segment, codes, files), files


def _described(segment: SegmentWork, codes: TimeCodes | None, files: dict[str, File]) -> TableSegment:
    """Return the segment without its packed rows; what is left of the files belongs to its edges."""
    return TableSegment(
        segment.count,
        None,
        time=files.pop("time", None),
        low=files.pop("low", None),
        source=files.pop("source", None),
        codes=codes,
        first_source=segment.first,
    )


def _write_in_order(job: Job, segment: SegmentWork, link: LinkWork) -> dict[str, File]:
    task = group_task(job, segment, link)
    task.keep_orphans = True
    task.first_value = segment.first
    files: dict[str, File] = {}
    group_rows = make_sparse(job, segment, link, task, files)
    folder = ("nodes", path_name(segment.table.name), str(segment.number))
    edges = link_folder(segment, link)
    paths = {
        "source": job.path(*folder, "source.bin"),
        "time": job.path(*folder, "time.bin") if segment.codes else "",
        "low": job.path(*folder, "low.bin") if segment.lows else "",
        "parent": job.path(*edges, "parent.bin"),
        "offsets": job.path(*edges, "offsets.bin"),
    }
    roots = _native.write_order(task, group_rows, *paths.values())
    return files | {n: job.file(p, r) for (n, p), r in zip(paths.items(), roots, strict=True) if p}


def _write_in_prepared_order(job: Job, segment: SegmentWork) -> dict[str, File]:
    files: dict[str, File] = {}
    folder = ("nodes", path_name(segment.table.name), str(segment.number))
    for name, scratch in (("time", segment.codes), ("low", segment.lows)):
        if scratch:
            path = job.path(*folder, f"{name}.bin")
            root = _native.write_u32(scratch, segment.count, getattr(_native.Kind, name), path)
            files[name] = job.file(path, root)
    return files


def group_task(job: Job, segment: SegmentWork, link: LinkWork) -> _native.GroupTask:
    """Describe the rows of a segment as grouped by the rows of a link's parents."""
    task = _native.GroupTask()
    task.parents = segment.parents[link.link.name]
    task.codes = segment.codes
    task.lows = segment.lows
    task.count = segment.count
    task.num_groups = job.tables[link.link.parent].num_rows
    task.scratch = job.temporary("sort")
    task.budget = job.stage_bytes
    task.threads = job.threads
    return task


def make_sparse(
    job: Job, segment: SegmentWork, link: LinkWork, task: _native.GroupTask, files: dict[str, File]
) -> str:
    """In an appended segment, group by the parents that occur; return the file that lists them."""
    if segment.number == 0:
        return ""
    path = job.path(*link_folder(segment, link), "parents.bin")
    groups = job.temporary("groups")
    size, root = _native.write_sparse(task.parents, segment.count, groups, path)
    task.parents, task.num_groups = groups, size
    files["parents"] = job.file(path, root)
    return path


def newest_time(segments: Iterable[SegmentWork], before: int | None) -> int | None:
    """Return the newest time of some segments and of what was there before."""
    times = [s.plan.newest for s in segments if s.plan.has_times]
    times += [] if before is None else [before]
    return max(times, default=None)
