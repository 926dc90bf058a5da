"""All binary files of a graph, with what each holds."""

from __future__ import annotations

from collections.abc import Iterator

from weft.graph import _native
from weft.graph.keyfiles import key_files
from weft.graph.layout import File, Layout, LinkLayout, TableLayout

Described = tuple[File, _native.Kind, int]


def files_of(layout: Layout) -> Iterator[Described]:
    """Yield each file with its kind and the bytes of an item."""
    for table in layout.tables:
        yield from _of_table(table)
    for link in layout.links:
        yield from _of_link(link, layout.table(link.child))


def _of_table(table: TableLayout) -> Iterator[Described]:
    kinds = _native.Kind
    for segment in table.segments:
        yield from _given((segment.rows, kinds.rows, table.stride))
        for file, kind in (
            (segment.time, kinds.time),
            (segment.low, kinds.low),
            (segment.source, kinds.source),
        ):
            yield from _given((file, kind, 4))
    for keys in table.keys.segments:
        yield from key_files(keys).values()
    for column in table.columns:
        for words in column.dictionary or ():
            yield from key_files(words.values).values()


def _of_link(link: LinkLayout, child: TableLayout) -> Iterator[Described]:
    kinds = _native.Kind
    for segment, rows in zip(link.segments, child.segments, strict=True):
        yield from _given((segment.parent, kinds.parent, 4))
        yield from _given((segment.offsets, kinds.offsets, 4))
        if rows.time is None:
            yield from _given((segment.children, kinds.children_row, 4))
        else:
            yield from _given((segment.children, kinds.children, 8))
        yield from _given((segment.parents, kinds.sparse_parent, 4))
        yield from _given((segment.low, kinds.low, 4))
        yield from _given((segment.dangling, kinds.dangling, 8))


def _given(described: tuple[File | None, _native.Kind, int]) -> Iterator[Described]:
    file, kind, item_bytes = described
    if file is not None:
        yield file, kind, item_bytes
