"""A graph's files as plain Python, and what they must hold by ten obvious lines per part."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from weft.core import ROW, TIME, Dtype, Link, Schema, fingerprint_batches
from weft.graph import _native
from weft.graph.layout import NO_ROW, File, KeyKind, KeySegment, Layout, LinkLayout, TableLayout, TableSegment

RESOURCE_TYPES = {
    Dtype.INT: pa.int64(),
    Dtype.FLOAT: pa.float64(),
    Dtype.BOOL: pa.bool_(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us"),
    Dtype.VECTOR: pa.list_(pa.float32()),
}
Rows = dict[str, list[dict[str, object]]]


class MemoryReader:
    """Prepared tables in memory: rows as dictionaries, `TIME` in microseconds or None."""

    def __init__(self, schema: Schema, rows: Rows, batch_rows: int = 1000) -> None:
        self.schema = schema
        self.data = {t.name: arrow_table(schema, t.name, rows[t.name]) for t in schema.tables}
        self.batch_rows = batch_rows

    def num_rows(self, table: str) -> int:
        return len(self.data[table])

    def batches(self, table: str, columns: Sequence[str], *, start: int = 0) -> Iterator[pa.RecordBatch]:
        chosen = self.data[table].select(list(columns)).slice(start)
        yield from chosen.to_batches(max_chunksize=self.batch_rows)

    def fingerprints(self, table: str) -> tuple[str, ...]:
        columns = [*(c.name for c in self.schema.table(table).columns), TIME]
        return fingerprint_batches(self.batches(table, columns))


def arrow_table(schema: Schema, table: str, rows: list[dict[str, object]]) -> pa.Table:
    columns = {
        c.name: pa.array([r[c.name] for r in rows], RESOURCE_TYPES[c.dtype])
        for c in schema.table(table).columns
    }
    times = pa.array([r[TIME] for r in rows], pa.int64()).cast(pa.timestamp("us"))
    return pa.table({**columns, ROW: pa.array(range(len(rows)), pa.int64()), TIME: times})


class Decoded:
    """An opened graph as lists: order of rows, times, parents, children, values, keys."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder = folder
        self.layout = layout
        self.sources = {t.name: self._sources(t) for t in layout.tables}
        self.times = {t.name: [x for s in t.segments for x in self._times(s)] for t in layout.tables}
        self.parents = {k.name: self._parents(k) for k in layout.links}
        self.children = {k.name: self._children(k) for k in layout.links}
        self.values = {t.name: self._values(t) for t in layout.tables}

    def array(self, file: File | None, kind: _native.Kind, dtype: str, width: int = 1) -> np.ndarray | None:
        if file is None:
            return None
        path = self.folder / file.path
        item = np.dtype(dtype).itemsize * width
        size = _native.check_file(str(path), kind, item, file.root)
        found = np.fromfile(path, dtype, size // np.dtype(dtype).itemsize, offset=4096)
        return found.reshape(-1, width) if width > 1 else found

    def stored_keys(self, part: KeySegment, dtype: Dtype | None = None) -> list[object]:
        """Keys of one segment in order of rows, or words as values of a type."""
        kinds = _native.Kind
        if part.kind is KeyKind.BYTES:
            ends = self.array(part.offsets, kinds.key_offsets, "<u8")
            data = self.array(part.bytes, kinds.key_bytes, "u1").tobytes()
            found = [data[a:b] for a, b in itertools.pairwise(ends)]
        elif part.kind is KeyKind.UUID:
            found = [v.tobytes() for v in self.array(part.values, kinds.key_values, "u1", 16)]
        else:
            found = self.array(part.values, kinds.key_values, "<i8").tolist()
        self._check_places(part, found)
        if dtype is Dtype.STRING:
            return [v.decode() for v in found]
        return np.array(found, "<i8").view("<f8").tolist() if dtype is Dtype.FLOAT else found

    def _check_places(self, part: KeySegment, keys: list[object]) -> None:
        """Every key has its place, and no place another row."""
        assert len(keys) == part.num_rows
        if part.kind is KeyKind.DIRECT:
            direct = self.array(part.direct, _native.Kind.key_direct, "<u4").tolist()
            rows = {part.first + i: r for i, r in enumerate(direct) if r != NO_ROW}
            assert rows == {k: r for r, k in enumerate(keys)}
            return
        slots = self.array(part.slots, _native.Kind.key_slots, "<u4", 2)
        assert sorted(r for _, r in slots.tolist() if r != NO_ROW) == list(range(part.num_rows))
        assert slots[-1, 1] == NO_ROW

    def _sources(self, table: TableLayout) -> list[int]:
        found: list[int] = []
        for s in table.segments:
            source = self.array(s.source, _native.Kind.source, "<u4")
            found += range(s.first_source, s.first_source + s.num_rows) if source is None else source.tolist()
        assert sorted(found) == list(range(table.num_rows))
        return found

    def _times(self, s: TableSegment) -> list[int | None]:
        codes = self.array(s.time, _native.Kind.time, "<u4")
        lows = self.array(s.low, _native.Kind.low, "<u4")
        if codes is None:
            return [None] * s.num_rows
        assert len(codes) == s.num_rows
        assert s.codes is not None
        lows = np.zeros_like(codes) if lows is None else lows
        return [
            None if c == 0 else s.codes.origin_us + s.codes.unit_us * (c - 1) + low
            for c, low in zip(codes.tolist(), lows.tolist(), strict=True)
        ]

    def _parents(self, link: LinkLayout) -> list[int | None]:
        found: list[int | None] = []
        for s in link.segments:
            array = self.array(s.parent, _native.Kind.parent, "<u4")
            assert array is not None
            found += [None if p == NO_ROW else p for p in array.tolist()]
        return found

    def _children(self, link: LinkLayout) -> dict[int, list[list[int]]]:
        """Rows of the children of each parent that has some, per segment."""
        child = self.layout.table(link.child)
        found: dict[int, list[list[int]]] = {}
        first = 0
        for segment, rows in zip(link.segments, child.segments, strict=True):
            offsets = self.array(segment.offsets, _native.Kind.offsets, "<u4")
            parents = self.array(segment.parents, _native.Kind.sparse_parent, "<u4")
            children = self._child_rows(segment.children, rows, first)
            assert offsets is not None
            names = range(len(offsets) - 1) if parents is None else parents.tolist()
            assert parents is None or sorted(set(names)) == names
            assert len(names) == len(offsets) - 1
            for name, start, end in zip(names, offsets[:-1], offsets[1:], strict=True):
                if end > start:
                    found.setdefault(name, []).append(children[start:end])
            first += rows.num_rows
        return found

    def _child_rows(self, file: File | None, rows: TableSegment, first: int) -> list[int]:
        if file is None:
            return list(range(first, first + rows.num_rows))
        if rows.time is None:
            return list(self.array(file, _native.Kind.children_row, "<u4").tolist())
        pairs = self.array(file, _native.Kind.children, "<u4", 2)
        codes = self.array(rows.time, _native.Kind.time, "<u4")
        assert pairs is not None
        assert codes is not None
        assert [codes[row - first] for row, _ in pairs] == pairs[:, 1].tolist()
        return list(pairs[:, 0].tolist())

    def _values(self, table: TableLayout) -> list[dict[str, object]]:
        """Packed values of each row."""
        found: list[dict[str, object]] = [{} for _ in range(table.num_rows)]
        dictionaries = {
            c.name: [v for w in c.dictionary for v in self.stored_keys(w.values, c.dtype)]
            for c in table.columns
            if c.dictionary is not None
        }
        first = 0
        for s in table.segments:
            data = self.array(s.rows, _native.Kind.rows, "u1", table.stride)
            for column in table.columns:
                section = next(x for x in table.sections if x.storage is column.storage)
                kind = np.dtype(column.storage.value)
                start = section.offset + column.position * kind.itemsize
                assert data is not None
                assert start % kind.itemsize == 0
                block = data[:, start : start + column.width * kind.itemsize].copy().view(kind)
                for i, value in enumerate(block):
                    one = value.tolist() if column.dtype is Dtype.VECTOR else value[0].item()
                    found[first + i][column.name] = _plain(one, column.storage, dictionaries.get(column.name))
            first += s.num_rows
        return found


def _plain(value: object, storage: str, dictionary: list[object] | None) -> object:
    if isinstance(value, list):
        return [None if math.isnan(v) else v for v in value]
    if dictionary is not None:
        return None if value == -1 else dictionary[int(str(value))]
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if storage == "uint8":
        return None if value == 255 else bool(value)
    return None if value == -(2**63) else value


def expected_order(schema: Schema, rows: Rows) -> dict[str, list[int]]:
    """Prepared number of each row, for a whole build."""
    chosen: dict[str, Link] = {}
    for table in schema.tables:
        links = schema.links_from(table.name)
        if links:
            chosen[table.name] = min(links, key=lambda k: (-_heat(rows, k), k.name))
    for name in [n for n in chosen if _is_in_cycle(n, chosen)]:
        chosen.pop(name)
    order: dict[str, list[int]] = {}

    def place(name: str) -> None:
        if name in order:
            return
        numbers = list(range(len(rows[name])))
        if name in chosen:
            link = chosen[name]
            place(link.parent)
            row_of = {s: r for r, s in enumerate(order[link.parent])}
            parent = parent_numbers(rows, link)
            numbers.sort(
                key=lambda s: (
                    math.inf if parent[s] is None else row_of[parent[s]],
                    -math.inf if rows[name][s][TIME] is None else rows[name][s][TIME],
                    s,
                )
            )
        order[name] = numbers

    for table in schema.tables:
        place(table.name)
    return order


def _heat(rows: Rows, link: Link) -> float:
    given = sum(all(r[c] is not None for c in link.columns) for r in rows[link.table])
    return given / len(rows[link.parent]) if rows[link.parent] else 0


def _is_in_cycle(name: str, chosen: dict[str, Link]) -> bool:
    seen, at = set(), name
    while at in chosen and at not in seen:
        seen.add(at)
        at = chosen[at].parent
    return at == name and bool(seen)


def parent_numbers(rows: Rows, link: Link) -> list[int | None]:
    """Prepared number of the parent of each row."""
    found = {tuple(r[c] for c in link.parent_columns): n for n, r in enumerate(rows[link.parent])}
    keys = [tuple(r[c] for c in link.columns) for r in rows[link.table]]
    return [None if None in k else found.get(k) for k in keys]


def check_graph(
    folder: Path, layout: Layout, schema: Schema, rows: Rows, *, is_whole: bool = True
) -> Decoded:
    """Compare every file of a graph with the rows it was built from."""
    graph = Decoded(folder, layout)
    if is_whole:
        assert graph.sources == expected_order(schema, rows)
    for table in layout.tables:
        mine = [rows[table.name][s] for s in graph.sources[table.name]]
        assert graph.times[table.name] == [r[TIME] for r in mine]
        assert table.newest_us == max((r[TIME] for r in mine if r[TIME] is not None), default=None)
        for column in table.columns:
            decoded = [v[column.name] for v in graph.values[table.name]]
            assert decoded == [_expected(r[column.name], column.dtype, column.width) for r in mine], column
        check_keys(graph, table, mine)
    for link in schema.links:
        check_link(graph, link, rows)
    return graph


def _expected(value: object, dtype: Dtype, width: int) -> object:
    if dtype is Dtype.VECTOR:
        return (
            [None] * width if value is None else [None if v is None else float(np.float32(v)) for v in value]
        )
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def check_keys(graph: Decoded, table: TableLayout, mine: list[dict[str, object]]) -> None:
    """Each row's key is stored, in order of rows, as the layout says."""
    if not table.keys.segments:
        assert not table.keys.columns
        return
    assert [k.num_rows for k in table.keys.segments] == [s.num_rows for s in table.segments]
    left = iter(mine)
    for part in table.keys.segments:
        keys = [[r[c] for c in table.keys.columns] for r in itertools.islice(left, part.num_rows)]
        if part.kind is KeyKind.UUID:
            wanted = [bytes.fromhex(str(k[0]).replace("-", "")) for k in keys]
        elif part.kind is KeyKind.BYTES:
            wanted = [key_bytes(k) for k in keys]
        else:
            wanted = [int(str(int(k[0]))) for k in keys]
        assert graph.stored_keys(part) == wanted
    assert next(left, None) is None


def key_bytes(key: list[object]) -> bytes:
    """A key that is not an integer, as the layout says."""
    if len(key) == 1 and isinstance(key[0], str):
        return key[0].encode()
    data = b""
    for part in key:
        if isinstance(part, bool):
            data += bytes([part])
        elif isinstance(part, int):
            data += part.to_bytes(8, "little", signed=True)
        elif isinstance(part, float):
            data += np.float64(part + 0.0).tobytes()
        else:
            data += len(str(part).encode()).to_bytes(4, "little") + str(part).encode()
    return data


def check_link(graph: Decoded, link: Link, rows: Rows) -> None:
    """Both directions of a link hold the same edges, children by time and number."""
    layout = graph.layout.link(link.name)
    number = parent_numbers(rows, link)
    row_of = {s: r for r, s in enumerate(graph.sources[link.parent])}
    child_sources = graph.sources[link.table]
    expected = [None if number[s] is None else row_of[number[s]] for s in child_sources]
    assert graph.parents[link.name] == expected
    given = [all(r[c] is not None for c in link.columns) for r in rows[link.table]]
    assert layout.num_null == given.count(False)
    assert layout.num_edges == sum(p is not None for p in number)
    assert layout.num_dangling == sum(g and p is None for g, p in zip(given, number, strict=True))
    for part in layout.segments:
        assert (part.dangling is None) == (part.num_dangling == 0)
    times = [r[TIME] for r in rows[link.table]]
    wanted: dict[int, list[int]] = {}
    for row, parent in enumerate(expected):
        if parent is not None:
            wanted.setdefault(parent, []).append(row)
    found = {p: [r for part in parts for r in part] for p, parts in graph.children[link.name].items()}
    assert {p: sorted(c) for p, c in found.items()} == wanted
    for parts in graph.children[link.name].values():
        for part in parts:
            keys = [
                (-math.inf if times[s] is None else times[s], s) for s in (child_sources[r] for r in part)
            ]
            assert keys == sorted(keys)
