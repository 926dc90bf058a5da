"""What of an earlier build still holds, and what is written anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

from weft.core import UserError
from weft.graph.build.job import Job, LinkWork, SegmentWork, TableWork
from weft.graph.build.keys import SpilledKeys, check_link, link_keys
from weft.graph.layout import MAX_ROWS, File, Layout

Spill = Callable[[Job, TableWork], SpilledKeys]


def plan_work(job: Job, earlier: Layout | None, spill: Spill) -> dict[str, SpilledKeys]:
    """Decide which segments of which tables and links are written; spill the keys that decide it.

    Returns:
        The primary keys of the tables that have new rows, by name.

    Raises:
        UserError: ``GRAPH020`` for a table with too many rows, ``GRAPH027`` and ``GRAPH028`` for links that
            compare what cannot be compared.
    """
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
    for work in job.tables.values():
        links = [job.links[k.name] for k in job.schema.links_from(work.name)]
        work.segments = [SegmentWork(work, 0, 0, work.num_rows, links)]
    keyed = (w for w in job.tables.values() if w.table.primary_key)
    return {one.name: one for one in (spill(job, w) for w in keyed)}


def carry_over(job: Job, layout: Layout) -> None:
    """Link the files of an earlier build that the layout names; copy them where links are refused."""
    for path in _paths(layout):
        target = job.folder / path
        if target.exists():
            continue
        assert job.base_folder is not None, path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(job.base_folder / path, target)
        except OSError:
            shutil.copyfile(job.base_folder / path, target)


def _paths(layout: Layout) -> Iterator[str]:
    for table in layout.tables:
        yield from (c.dictionary for c in table.columns if c.dictionary)
        for part in (*table.segments, table.keys):
            yield from (f.path for f in vars(part).values() if isinstance(f, File))
    for link in layout.links:
        for edges in link.segments:
            yield from (f.path for f in vars(edges).values() if isinstance(f, File))
        if link.dangling:
            yield link.dangling.path
