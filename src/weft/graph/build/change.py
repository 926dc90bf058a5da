"""What of an earlier build still holds, and what is written anew."""

from __future__ import annotations

import enum
import os
import shutil
from dataclasses import replace
from pathlib import Path

from weft.core import FINGERPRINT_ROWS, TIME, UserError, fingerprint_batches
from weft.graph import _native
from weft.graph.build.edit import edit_of_values, find_edit
from weft.graph.build.job import Edit, Job, LinkWork, SegmentWork, TableWork
from weft.graph.build.keys import SpilledKeys, check_link, key_dtypes, link_keys, spill_primary_keys
from weft.graph.build.rows import fits_layout, packed_columns
from weft.graph.files import files_of
from weft.graph.layout import MAX_ROWS, File, Layout, LinkLayout, TableLayout

MOST_SEGMENTS = 8


class Change(enum.Enum):
    """What became of the numbers of rows since an earlier build: the same, more after them, others."""

    NONE = "none"
    APPENDED = "appended"
    OTHER = "other"


def plan_work(job: Job, earlier: Layout | None) -> dict[str, SpilledKeys]:
    """Decide which segments of which tables and links are written; spill the keys of tables with new rows.

    Returns:
        Primary keys by name.

    Raises:
        UserError: ``GRAPH020`` for a table with too many rows, ``GRAPH027`` and ``GRAPH028`` for links that
            compare what cannot be compared, ``GRAPH021`` for rows without a key.
    """
    _list_work(job)
    before = earlier or Layout((), ())
    changes = {w.name: _change_of(job, w, before) for w in job.tables.values()}
    _spread(job, changes, before)
    spilled: dict[str, SpilledKeys] = {}
    found = _found_parents(job, changes, before, spilled)
    for name in found:
        link = job.links[name].link
        if _order_of(before, link.table) == name:
            changes[link.table] = Change.OTHER
    _spread(job, changes, before)
    for work in job.tables.values():
        if changes[work.name] is Change.OTHER:
            _forget(job, spilled, work)
            work.base = work.edit = None
    _plan_links(job, changes, before, found)
    for work in job.tables.values():
        _plan_segments(job, work, changes[work.name])
        if work.table.primary_key and work.fresh and not any(s.table == work.name for s in spilled.values()):
            _spill(job, work, spilled)
    return spilled


def _list_work(job: Job) -> None:
    for table in job.schema.tables:
        num_rows = job.reader.num_rows(table.name)
        if num_rows > MAX_ROWS:
            raise UserError(
                "GRAPH020",
                f"table '{table.name}' has {num_rows:,} rows; a table of a graph has at most {MAX_ROWS:,}.",
                "split the table, or leave out its oldest rows.",
            )
        job.tables[table.name] = TableWork(table, num_rows, job.reader.fingerprints(table.name))
    for link in job.schema.links:
        child, parent = job.schema.table(link.table), job.schema.table(link.parent)
        check_link(child, parent, link)
        job.links[link.name] = LinkWork(link, *link_keys(parent, link))


def _change_of(job: Job, work: TableWork, before: Layout) -> Change:
    """Compare a table with what an earlier build read, and set its base and edit where that still serves."""
    base = next((t for t in before.tables if t.name == work.name), None)
    if base is None or not _describes(job, work, base, before) or work.num_rows < base.num_rows:
        return Change.OTHER
    if not _is_prefix(job, work, base):
        work.edit = find_edit(job, work, base)
    elif not _packs(job, work, base):
        work.edit = edit_of_values(base)
    if work.edit and _renumbers(job, work.edit, base):
        return Change.OTHER
    work.base = base
    if work.num_rows == base.num_rows:
        return Change.NONE
    first = base.segments[0].num_rows
    new = SegmentWork(work, len(base.segments), base.num_rows, work.num_rows - base.num_rows)
    kept = _segments_to_keep(job, base, new.count)
    if 2 * (work.num_rows - first) > first or not kept:
        return Change.OTHER
    if work.edit is None and not fits_layout(job, new, base):
        work.edit = edit_of_values(base)
    work.base = _first_segments(base, kept)
    return Change.APPENDED


def _segments_to_keep(job: Job, base: TableLayout, num_new: int) -> int:
    """Return how many segments stay as they are beside new rows, which take in the others; 0 for none.

    Those that are no longer than what follows them are taken in, so that a row is written again no more often
    than the number of rows after it doubles. Rows that others point to must keep their numbers, which they do
    where they follow no link; elsewhere segments stay until there are too many.
    """
    kept = len(base.segments)
    if base.order_by is not None and any(k.link.parent == base.name for k in job.links.values()):
        return kept if kept < MOST_SEGMENTS else 0
    while kept > 1 and (base.segments[kept - 1].num_rows <= num_new or kept >= MOST_SEGMENTS):
        kept -= 1
        num_new += base.segments[kept].num_rows
    return kept


def _first_segments(base: TableLayout, kept: int) -> TableLayout:
    """Return a table as it was when it had fewer segments."""
    segments = base.segments[:kept]
    columns = tuple(
        replace(c, dictionary=tuple(w for w in c.dictionary if w.segment < kept)) if c.dictionary else c
        for c in base.columns
    )
    return replace(
        base,
        num_rows=sum(s.num_rows for s in segments),
        segments=segments,
        columns=columns,
        keys=replace(base.keys, segments=base.keys.segments[:kept]),
    )


def _describes(job: Job, work: TableWork, base: TableLayout, before: Layout) -> bool:
    """Say whether keys and order of an earlier build are those of the schema."""
    if (base.keys.columns, base.keys.dtypes) != (work.table.primary_key, key_dtypes(work.table)):
        return False
    return base.order_by is None or _stored_link(job, before, base.order_by) is not None


def _packs(job: Job, work: TableWork, base: TableLayout) -> bool:
    """Say whether the columns that an earlier build packed are those of the schema."""
    wanted = [(c.name, c.dtype, c.stype) for c in packed_columns(job.schema, work.name)]
    return wanted == [(c.name, c.dtype, c.stype) for c in base.columns]


def _renumbers(job: Job, edit: Edit, base: TableLayout) -> bool:
    """Say whether an edit gives rows other keys or another order: all that names them is written anew."""
    fixed = set(base.keys.columns)
    if base.order_by is not None:
        fixed |= {TIME, *job.links[base.order_by].link.columns}
    return not fixed.isdisjoint(edit.columns)


def _stored_link(job: Job, before: Layout, name: str) -> LinkLayout | None:
    """Return a link of an earlier build, ``None`` where the schema has none of the same columns."""
    stored = next((k for k in before.links if k.name == name), None)
    if stored is None or name not in job.links:
        return None
    link = job.links[name].link
    same = (link.table, link.columns, link.parent, link.parent_columns)
    return stored if same == (stored.child, stored.columns, stored.parent, stored.parent_columns) else None


def _is_prefix(job: Job, work: TableWork, base: TableLayout) -> bool:
    """Say whether the rows that an earlier build read are still the first ones.

    Digests of whole blocks are compared; the rows of the last one, which may have grown, are read.
    """
    whole, rest = divmod(base.num_rows, FINGERPRINT_ROWS)
    if work.num_rows == base.num_rows:
        return work.fingerprints == base.fingerprints
    if work.fingerprints[:whole] != base.fingerprints[:whole]:
        return False
    columns = [*(c.name for c in work.table.columns), TIME]
    rows = job.rows(work.name, columns, whole * FINGERPRINT_ROWS, rest)
    return fingerprint_batches(rows) == base.fingerprints[whole:]


def _order_of(before: Layout, table: str) -> str | None:
    return next((t.order_by for t in before.tables if t.name == table), None)


def _spread(job: Job, changes: dict[str, Change], before: Layout) -> None:
    """Tables ordered by the rows of a table that is built anew are built anew."""
    stale = True
    while stale:
        stale = False
        for name in changes:
            order = _order_of(before, name)
            if changes[name] is Change.OTHER or order is None:
                continue
            if changes[job.links[order].link.parent] is Change.OTHER:
                changes[name] = Change.OTHER
                stale = True


def _found_parents(
    job: Job, changes: dict[str, Change], before: Layout, spilled: dict[str, SpilledKeys]
) -> set[str]:
    """Return links of which a key that had no parent may have one now, or has another."""
    found = set()
    for name, link in job.links.items():
        parent = job.tables[link.link.parent]
        if parent.edit and not parent.edit.columns.isdisjoint(link.link.parent_columns):
            found.add(name)
            continue
        dangling = _dangling(job, changes, before, name)
        if changes[parent.name] is not Change.APPENDED or not dangling:
            continue
        if sorted(link.link.parent_columns) != sorted(parent.table.primary_key):
            found.add(name)
            continue
        one = spilled.get(link.keys) or _spill(job, parent, spilled)
        assert job.base_folder is not None
        paths = ((str(job.base_folder / file.path), file.root) for file in dangling)
        if any(_native.is_any_key_dangling(one.stem, one.shape, *path) for path in paths):
            found.add(name)
    return found


def _dangling(job: Job, changes: dict[str, Change], before: Layout, name: str) -> list[File]:
    """Return the hashes of keys without a parent, of rows of an earlier build that stay."""
    child = job.tables[job.links[name].link.table]
    stored = _stored_link(job, before, name)
    if changes[child.name] is Change.OTHER or child.base is None or stored is None:
        return []
    return [s.dangling for s in stored.segments[: len(child.base.segments)] if s.dangling]


def _spill(job: Job, work: TableWork, spilled: dict[str, SpilledKeys]) -> SpilledKeys:
    one = spill_primary_keys(job, work)
    spilled[one.name] = one
    return one


def _forget(job: Job, spilled: dict[str, SpilledKeys], work: TableWork) -> None:
    for name in [n for n, one in spilled.items() if one.table == work.name]:
        del spilled[name]


def _plan_links(job: Job, changes: dict[str, Change], before: Layout, found: set[str]) -> None:
    """Keep what an earlier build wrote of a link.

    It is written anew where a side is, where a parent was found, or where the foreign keys or the times of
    the children changed.
    """
    for name, link in job.links.items():
        sides = {changes[link.link.table], changes[link.link.parent]}
        stored, child = _stored_link(job, before, name), job.tables[link.link.table]
        edited = child.edit.columns if child.edit else frozenset()
        if not edited.isdisjoint([*link.link.columns, TIME]):
            continue
        if Change.OTHER not in sides and name not in found and stored and child.base:
            link.base = replace(stored, segments=stored.segments[: len(child.base.segments)])


def _plan_segments(job: Job, work: TableWork, change: Change) -> None:
    links = [job.links[k.name] for k in job.schema.links_from(work.name)]
    work.segments = []
    if work.base is None:
        work.segments = [SegmentWork(work, 0, 0, work.num_rows, links)]
        return
    again = [k for k in links if k.base is None]
    for number, stored in enumerate(work.base.segments):
        if again or work.edit:
            first = stored.first_source
            work.segments.append(SegmentWork(work, number, first, stored.num_rows, again, stored))
    if change is Change.APPENDED:
        kept = work.base.num_rows
        number = len(work.base.segments)
        work.segments.append(SegmentWork(work, number, kept, work.num_rows - kept, links))


def carry_over(job: Job, layout: Layout) -> None:
    """Link the files of an earlier build that the layout names; copy them where links are refused."""
    for path in (file.path for file, _, _ in files_of(layout)):
        target = job.folder / path
        if target.exists():
            continue
        assert job.base_folder is not None, path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(job.base_folder / path, target)
        except OSError:
            _copy(job.base_folder / path, target)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with open(target, "rb") as file:
        os.fsync(file.fileno())
