"""One build under way: what it reads, where it writes, how much memory its stages take."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from weft.core import TIME, InvariantError, Link, Progress, Resources, Schema, Table, TableReader
from weft.graph import _native
from weft.graph.keyfiles import open_stored_keys
from weft.graph.layout import File, KeySegment, LinkLayout, PackedColumn, Section, TableLayout, TableSegment

_LEAST_STAGE_BYTES = 32 << 20
_AHEAD = 2


@dataclass(frozen=True)
class RowLayout:
    """How the rows of a table are packed."""

    stride: int
    sections: tuple[Section, ...]
    columns: tuple[PackedColumn, ...]


@dataclass
class LinkCounts:
    """Foreign keys of some rows along a link: with a parent, missing, and without one.

    Attributes:
        dangling: Scratch files with the hashes of those without a parent.
    """

    num_edges: int = 0
    num_null: int = 0
    num_dangling: int = 0
    dangling: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Edit:
    """What changed in a table whose rows keep their numbers: its values are packed anew.

    Attributes:
        columns: Those among keys, foreign keys, columns that links point to, and times that changed.
        digests: Of all of those, for each segment of the earlier build.
    """

    columns: frozenset[str]
    digests: tuple[dict[str, str], ...]


@dataclass(eq=False)
class LinkWork:
    """A link, and what of it an earlier build wrote.

    Attributes:
        link: As in the schema.
        keys: Name of the spill of the parent's keys.
        columns: Foreign key columns in order of those keys.
        base: What an earlier build wrote and still holds, ``None`` when all is written anew.
    """

    link: Link
    keys: str
    columns: tuple[str, ...]
    base: LinkLayout | None = None


@dataclass(eq=False)
class SegmentWork:
    """Successive rows of a table for which something is written.

    Rows and prepared numbers of a segment are the same range, ``first … first + count - 1``, each in its own
    order. Paths are of scratch files, empty where there is none.

    Attributes:
        number: Position among the table's segments.
        links: Links whose edges are written for this segment.
        stored: The segment of an earlier build, whose rows keep their numbers; ``None`` for new rows.
        times: Time of each prepared row.
        codes: Its code.
        lows: What the code leaves.
        inverse: Row of each prepared row; empty where it is the row.
        parents: Link → parent of each prepared row: its prepared number, and its row once that is known.
        counts: Link → what became of its foreign keys.
        plan: How its times become codes.
        digests: Of the columns that edges rest on, of new and edited rows.
        written: What the manifest says of new and edited rows once they are written.
    """

    table: TableWork
    number: int
    first: int
    count: int
    links: list[LinkWork] = field(default_factory=list)
    stored: TableSegment | None = None
    times: str = ""
    codes: str = ""
    lows: str = ""
    inverse: str = ""
    parents: dict[str, str] = field(default_factory=dict)
    counts: dict[str, LinkCounts] = field(default_factory=dict)
    plan: _native.TimePlan = field(default_factory=_native.TimePlan)
    digests: dict[str, str] = field(default_factory=dict)
    written: TableSegment | None = None

    @property
    def has_new_times(self) -> bool:
        """Say whether its times are written."""
        return self.stored is None or self.table.has_new_times


@dataclass(eq=False)
class TableWork:
    """A table: what an earlier build holds of it, and what is written.

    Attributes:
        base: What of an earlier build stays: the numbers of rows in its first segments, their keys, and all
            else that is not edited.
        edit: What of ``base`` changed, ``None`` where nothing did.
        keys: Of its new rows.
    """

    table: Table
    num_rows: int
    fingerprints: tuple[str, ...]
    base: TableLayout | None = None
    edit: Edit | None = None
    order_by: str | None = None
    segments: list[SegmentWork] = field(default_factory=list)
    rows: RowLayout | None = None
    keys: KeySegment | None = None

    @property
    def name(self) -> str:
        """Return the table's name."""
        return self.table.name

    @property
    def num_kept(self) -> int:
        """Return the number of rows that an earlier build holds."""
        return self.base.num_rows if self.base else 0

    @property
    def has_new_times(self) -> bool:
        """Say whether times of rows that an earlier build holds changed."""
        return self.edit is not None and TIME in self.edit.columns

    @property
    def fresh(self) -> SegmentWork | None:
        """Return the segment of new rows, ``None`` where there are none."""
        return next((s for s in self.segments if s.stored is None), None)


@dataclass
class Job:
    """One build: its reader, its folder, its limits, and the work that is left."""

    reader: TableReader
    schema: Schema
    folder: Path
    scratch: Path
    resources: Resources
    progress: Progress
    base_folder: Path | None = None
    tables: dict[str, TableWork] = field(default_factory=dict)
    links: dict[str, LinkWork] = field(default_factory=dict)
    num_temporary: int = 0
    stored_keys: dict[str, _native.StoredIndex] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        """Return the number of threads of a stage."""
        return max(1, self.resources.threads)

    @property
    def stage_bytes(self) -> int:
        """Return what the arrays of one stage may take: a share of the edges, within the limit."""
        edge_bytes = sum(12 * s.count * len(s.links) for t in self.tables.values() for s in t.segments)
        return max(1, min(self.resources.memory_bytes // 4, max(_LEAST_STAGE_BYTES, edge_bytes // 4)))

    @property
    def lookup_bytes(self) -> int:
        """Return what indexes of keys, or dictionaries, may take at once."""
        return max(1, self.resources.memory_bytes // 4)

    def stored(self, segments: Sequence[KeySegment], folder: Path | None = None) -> _native.StoredIndex:
        """Return keys, or words, that lie in the folder of the earlier build, or in another one.

        They are mapped, and read where they are looked up.
        """
        folder = folder or self.base_folder
        assert folder is not None
        name = f"{folder} {segments}"
        if name not in self.stored_keys:
            self.stored_keys[name] = open_stored_keys(folder, segments)
        return self.stored_keys[name]

    def temporary(self, what: str) -> str:
        """Return the path of a scratch file of its own."""
        self.num_temporary += 1
        return str(self.scratch / f"{self.num_temporary}.{what}")

    def forget(self, *paths: str) -> None:
        """Remove scratch files that were read for the last time."""
        for path in paths:
            if path:
                Path(path).unlink(missing_ok=True)

    def path(self, *parts: str) -> str:
        """Return a path below the graph's folder, whose parent folder exists."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)

    def file(self, path: str, root: int) -> File:
        """Return the manifest's word for a file that was written."""
        return File(str(Path(path).relative_to(self.folder)), root)

    def rows(self, table: str, columns: Sequence[str], first: int, count: int) -> Iterator[pa.RecordBatch]:
        """Yield ``count`` rows of a table from ``first`` on, read ahead by another thread if there are two.

        Raises:
            InvariantError: ``GRAPH030`` when the reader has fewer rows than it said.
        """
        batches = _limited(self.reader.batches(table, columns, start=first), count)
        given = 0
        for batch in _ahead(batches) if self.threads > 1 else batches:
            given += len(batch)
            yield batch
        if given < count:
            raise InvariantError(
                "GRAPH030",
                f"the reader gave {given:,} rows of '{table}' from row {first:,} on and said {count:,}.",
                "leave the tables alone while a graph is materialized, and run it again.",
            )


def _limited(batches: Iterator[pa.RecordBatch], count: int) -> Iterator[pa.RecordBatch]:
    if count == 0:
        return
    for batch in batches:
        if len(batch) >= count:
            yield batch.slice(0, count)
            return
        if len(batch):
            yield batch
            count -= len(batch)


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches that another thread reads, at most a few ahead."""
    ready: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def read() -> None:
        try:
            for batch in batches:
                ready.put(batch)
                if stopped.is_set():
                    return
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    thread = threading.Thread(target=read, name="weft-read-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        while thread.is_alive():
            _drain(ready)
            thread.join(0.01)


def _drain(ready: queue.Queue[pa.RecordBatch | BaseException | None]) -> None:
    while not ready.empty():
        ready.get_nowait()
