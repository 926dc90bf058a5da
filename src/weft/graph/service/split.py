"""Cutting a graph into shards: folders that each hold some rows of every table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from weft.core import UserError
from weft.graph import _native
from weft.graph.build.staging import publish, staging
from weft.graph.files import files_of
from weft.graph.keyfiles import key_files
from weft.graph.layout import File, Layout, LinkLayout, LinkSegment, Shard, TableLayout, TableSegment
from weft.graph.manifest import graph_digest, read_manifest, write_manifest
from weft.graph.writing import refused_write

Array = np.ndarray[Any, Any]
_HEADER_BYTES = 4096


def split_graph(directory: Path | str, folders: Sequence[Path | str]) -> tuple[Layout, ...]:
    """Write a graph as shards, one per folder.

    A table is cut into ranges of successive rows, as even as they come; a table that is ordered by a parent
    is cut where its parent is, so that the children of a row are with it. Everything is checked on the way.
    Row numbers stay those of the graph.

    Args:
        directory: The graph, built at once: appended segments are merged by building it again.
        folders: To be made; must not exist.

    Raises:
        UserError: ``GRAPH085`` for a graph with appended segments or a folder that exists, and what a
            damaged graph raises.
        UnavailableError: ``GRAPH010`` when the disk refuses a write.
    """
    source = Path(directory)
    layout = read_manifest(source)
    _check(source, layout, [Path(f) for f in folders])
    for file, kind, item_bytes in files_of(layout):
        _native.check_file(str(source / file.path), kind, item_bytes, file.root)
    cuts = _cuts(source, layout, len(folders))
    digest = graph_digest(source)
    writers = [_Writer(source, layout, index, cuts, digest) for index in range(len(folders))]
    return _write_all(writers, [Path(os.path.realpath(f)) for f in folders])


def _write_all(writers: Sequence[_Writer], folders: Sequence[Path]) -> tuple[Layout, ...]:
    """Write all shards beside their places, then put them there; none stays where one cannot be."""
    done: list[Path] = []
    with ExitStack() as stack:
        staged = [stack.enter_context(staging(folder)) for folder in folders]
        layouts = []
        for writer, folder, place in zip(writers, folders, staged, strict=True):
            try:
                layouts.append(writer.write(place))
            except OSError as error:
                raise refused_write(folder, error) from error
        try:
            for folder, place in zip(folders, staged, strict=True):
                publish(place, folder)
                done.append(folder)
        except BaseException:
            for folder in done:
                shutil.rmtree(folder, ignore_errors=True)
            raise
    return tuple(layouts)


def _check(source: Path, layout: Layout, folders: Sequence[Path]) -> None:
    if not folders:
        raise UserError("GRAPH085", "a graph cannot be split into no shards.", "name a folder per shard.")
    for folder in folders:
        if os.path.lexists(folder):
            raise UserError("GRAPH085", f"'{folder}' exists.", "name folders that do not.")
    if len({os.path.realpath(folder) for folder in folders}) < len(folders):
        raise UserError("GRAPH085", "two shards have the same folder.", "name a folder per shard.")
    if layout.shard is not None or any(len(t.segments) > 1 for t in layout.tables):
        what = "a shard" if layout.shard is not None else "a graph that rows were appended to"
        raise UserError(
            "GRAPH085",
            f"'{source}' is {what}, which is not split.",
            "materialize the whole graph anew, without a base, and split that.",
        )


def _cuts(source: Path, layout: Layout, count: int) -> dict[str, list[int]]:
    """Return where each table is cut: ``count + 1`` row numbers."""
    cuts: dict[str, list[int]] = {}

    def cut(table: TableLayout) -> None:
        if table.name in cuts:
            return
        even = [table.num_rows * i // count for i in range(count + 1)]
        if table.order_by is not None:
            link = layout.link(table.order_by)
            cut(layout.table(link.parent))
            offsets = _numbers(source, link.segments[0].offsets)
            inner = [int(offsets[row]) for row in cuts[link.parent][1:-1]]
            even = [0, *inner, table.num_rows]
        cuts[table.name] = even

    for table in layout.tables:
        cut(table)
    return cuts


def _numbers(source: Path, file: File, width: int = 1) -> Array:
    path = source / file.path
    described = np.fromfile(path, np.uint64, 3, offset=16)  # bytes of an item, items, bytes of all
    num_words = int(described[2]) // 4
    if num_words == 0:
        return np.empty((0, width) if width > 1 else 0, np.uint32)
    words = np.memmap(path, np.uint32, "r", _HEADER_BYTES, (num_words,))
    return words.reshape(-1, width) if width > 1 else words


@dataclass(frozen=True)
class _Writer:
    """Writes one shard."""

    source: Path
    layout: Layout
    index: int
    cuts: dict[str, list[int]]
    digest: str

    def write(self, staged: Path) -> Layout:
        """Write the shard into a folder."""
        names = tuple(t.name for t in self.layout.tables)
        shard = Shard(
            index=self.index,
            count=len(self.cuts[names[0]]) - 1 if names else 1,
            tables=names,
            first=tuple(self._range(n)[0] for n in names),
            end=tuple(self._range(n)[1] for n in names),
            graph=self.digest,
        )
        layout = replace(
            self.layout,
            tables=tuple(self._table(t, staged) for t in self.layout.tables),
            links=tuple(self._link(k, staged) for k in self.layout.links),
            shard=shard,
        )
        write_manifest(staged, layout)
        return layout

    def _range(self, table: str) -> tuple[int, int]:
        return self.cuts[table][self.index], self.cuts[table][self.index + 1]

    def _table(self, table: TableLayout, staged: Path) -> TableLayout:
        kinds, (first, end), segment = _native.Kind, self._range(table.name), table.segments[0]

        def part(file: File | None, kind: _native.Kind, item_bytes: int) -> File | None:
            return None if file is None else self._slice(staged, file, kind, item_bytes, first, end)

        for path in _whole_files(table):
            self._link_file(staged, path)
        rows = TableSegment(
            num_rows=end - first,
            rows=part(segment.rows, kinds.rows, table.stride),
            time=part(segment.time, kinds.time, 4),
            low=part(segment.low, kinds.low, 4),
            source=part(segment.source, kinds.source, 4),
            codes=segment.codes,
            first_source=segment.first_source + (first if segment.source is None else 0),
        )
        return replace(table, segments=(rows,))

    def _link(self, link: LinkLayout, staged: Path) -> LinkLayout:
        kinds, segment = _native.Kind, link.segments[0]
        first, end = self._range(link.parent)
        offsets = _numbers(self.source, segment.offsets)[first : end + 1]
        begin, stop = (int(offsets[0]), int(offsets[-1])) if len(offsets) else (0, 0)
        rebased = offsets - np.uint32(begin) if len(offsets) else np.zeros(1, np.uint32)
        child_rows = self.layout.table(link.child).segments[0]
        children = low = None
        if segment.children is not None:
            width = 1 if child_rows.time is None else 2
            kind = kinds.children_row if width == 1 else kinds.children
            children = self._slice(staged, segment.children, kind, 4 * width, begin, stop)
            if child_rows.low is not None:
                reached = _numbers(self.source, segment.children, 2)[begin:stop, 0]
                path = str(Path(segment.children.path).with_name("low.bin"))
                low = self._put(staged, path, kinds.low, 4, _numbers(self.source, child_rows.low)[reached])
        own = LinkSegment(
            parent=self._slice(staged, segment.parent, kinds.parent, 4, *self._range(link.child)),
            offsets=self._put(staged, segment.offsets.path, kinds.offsets, 4, rebased),
            children=children,
            low=low,
        )
        return replace(link, segments=(own,))

    def _slice(
        self, staged: Path, file: File, kind: _native.Kind, item_bytes: int, first: int, end: int
    ) -> File:
        size = (end - first) * item_bytes
        raw: Array = np.empty(0, np.uint8)
        if size:
            start = _HEADER_BYTES + first * item_bytes
            raw = np.memmap(self.source / file.path, np.uint8, "r", start, (size,))
        return self._put(staged, file.path, kind, item_bytes, raw)

    def _put(self, staged: Path, path: str, kind: _native.Kind, item_bytes: int, array: Array) -> File:
        target = staged / path
        target.parent.mkdir(parents=True, exist_ok=True)
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return File(path, _native.write_file(str(target), kind, item_bytes, raw))

    def _link_file(self, staged: Path, path: str) -> None:
        target = staged / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(self.source / path, target)
        except OSError:
            shutil.copyfile(self.source / path, target)


def _whole_files(table: TableLayout) -> Iterator[str]:
    """Yield the files that every shard has whole: keys and dictionaries."""
    words = [w.values for c in table.columns for w in c.dictionary or ()]
    for keys in (*table.keys.segments, *words):
        yield from (file.path for file, _, _ in key_files(keys).values())
