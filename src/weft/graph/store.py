"""An opened graph: rows, their values and times, and what sampling walks on."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from weft.core import Progress, Silent, UserError, check_word
from weft.graph import _native
from weft.graph.drawing import Draw, Seeds, Walk
from weft.graph.files import files_of
from weft.graph.layout import File, Layout, LinkLayout, Storage, TableLayout, TableSegment
from weft.graph.lookup import KeyLookup
from weft.graph.manifest import check_whole, graph_digest, read_manifest
from weft.graph.orders import TimeOrders
from weft.graph.seeds import checked_rows, checked_threads
from weft.graph.words import Dictionaries

Array = np.ndarray[Any, Any]
NULLS: Mapping[Storage, Any] = {
    Storage.INT64: np.int64(np.iinfo(np.int64).min),
    Storage.FLOAT64: np.float64("nan"),
    Storage.FLOAT32: np.float32("nan"),
    Storage.INT32: np.int32(-1),
    Storage.UINT8: np.uint8(255),
}


class Residency(enum.StrEnum):
    """Where the pages of an opened graph are.

    ``MAPPED``: in the system's cache, shared by all processes, read when first touched; a graph may be larger
    than memory. ``RESIDENT``: copied into memory of this process, in huge pages where the system has them.
    """

    MAPPED = "mapped"
    RESIDENT = "resident"


class Store:
    """A materialized graph, open for reading by any number of threads.

    Opening maps all files and reads their headers; nothing else is read, and what is open stays readable when
    the folder is replaced or removed. Blocks are checked when they are first needed, so damage may show up in
    a later call as ``GRAPH004``. A store that is pickled, for the workers of
    a loader, say, is opened again by its path where it arrives: ``GRAPH048`` if another graph is there.

    Args:
        directory: What `materialize` wrote.
        residency: Mapped, or copied into memory.

    Raises:
        UserError: ``GRAPH001`` … ``GRAPH008`` for a folder that is no graph, is damaged or newer.
        UnavailableError: ``GRAPH011`` when there is no memory for a resident copy.

    Example:
        >>> store = Store(directory)                                        # doctest: +SKIP
        >>> store.values("users", [0, 1])["age"]                            # doctest: +SKIP
        array([31., 48.], dtype=float32)
    """

    def __init__(self, directory: Path | str, *, residency: Residency = Residency.MAPPED) -> None:
        self.directory = Path(directory)
        self.layout: Layout = read_manifest(self.directory)
        self.digest = graph_digest(self.directory)
        self.residency = check_word("GRAPH042", "the residency", residency, Residency)
        native = open_native(self.directory, self.layout)
        if self.residency is Residency.RESIDENT:
            native.make_resident()
        self._opened: _Opened | None = _Opened(
            native,
            KeyLookup(self.directory, self.layout),
            TimeOrders(native, self.layout),
            Dictionaries(self.directory, self.layout),
        )

    @property
    def native(self) -> _native.Graph:
        """Return the graph as the kernels know it.

        Raises:
            UserError: ``GRAPH047`` when the store was closed; so do all that read the graph.
        """
        return self._open().native

    def close(self) -> None:
        """Let go of the graph; later calls that read it are refused, the layout stays.

        Calls of other threads that are under way end as usual, and arrays that were returned stay valid:
        memory is given back when the last of them is done.
        """
        self._opened = None

    def _open(self) -> _Opened:
        if self._opened is None:
            raise UserError(
                "GRAPH047", f"the graph in '{self.directory}' was closed.", "open a new Store of it."
            )
        return self._opened

    def __reduce__(self) -> tuple[Callable[[str, str, str], Store], tuple[str, str, str]]:
        self._open()
        return _reopened, (str(self.directory.absolute()), self.residency.value, self.digest)

    def table(self, name: str) -> TableLayout:
        """Return the layout of a table.

        Raises:
            UserError: ``GRAPH042`` when there is none of this name.
        """
        return self.layout.tables[self.index(name)]

    def index(self, table: str) -> int:
        """Return the position of a table in the layout."""
        return find_table(self.layout, table)

    def drawing(self, walk: Walk, threads: int) -> Draw:
        """Return what draws neighborhoods, for `Sampler`.

        Raises:
            UserError: ``GRAPH090`` when this is a shard, beyond which neighborhoods reach.
        """
        check_whole(self.layout, self.directory, "enough to sample from", takes_only_shard=True)
        hops = [list(hop) for hop in walk.hops]
        plan = _native.make_plan(self.native, hops, list(walk.crossed), list(walk.gathered), walk.is_shared)

        def draw(seeds: Seeds) -> Any:
            excluded = (seeds.excluded_links, seeds.excluded_rows, seeds.excluded_seeds)
            given = (seeds.table, seeds.rows, seeds.anchors_us, *excluded, seeds.seed, seeds.epoch, threads)
            return _native.sample(self.native, plan, *given)

        return draw

    def rows(self, table: str, keys: Any, *, threads: int = 1) -> Array:
        """Find the rows of keys.

        Key files stay mapped in a resident store too.

        Args:
            table: Name of a table with a primary key.
            keys: Arrow array, numpy array or sequence of values, ``n`` of them, nulls (and NaN) allowed. For
                a key of several columns: a list of tuples as `keys` returns them, or a list with one of
                these per column, in the order of the key. Tables and mappings are read by the names of the
                key's columns, other columns are left alone. Integers and
                numbers may be of any width that loses nothing, timestamps of any unit and zone; those of
                numpy are UTC. UUIDs are `uuid.UUID` or text; a text is compared letter by letter.
            threads: At most so many work on one call.

        Returns:
            Shape ``(n,)``, uint32, ``0xFFFFFFFF`` for a key that is null or that no row has.

        Raises:
            UserError: ``GRAPH044`` for keys of another type, or a table without a key; ``GRAPH001`` …
                ``GRAPH006`` for damaged key files.

        Example:
            >>> store.rows("users", [10, 99, None])                          # doctest: +SKIP
            array([         0, 4294967295, 4294967295], dtype=uint32)
        """
        return self._open().lookup.rows(self.table(table), keys, checked_threads(threads))

    def keys(self, table: str, rows: Sequence[int] | Array) -> list[Any]:
        """Return the keys of rows, ``n`` of them, ``None`` for the row number ``0xFFFFFFFF``.

        Integers, numbers, booleans and texts are Python's, timestamps ``numpy.datetime64`` in microseconds
        UTC, UUIDs their text, and a key of several columns is a tuple.

        Raises:
            UserError: ``GRAPH040`` for rows that the table lacks, ``GRAPH044`` for a table without a key.
        """
        return self._open().lookup.keys(self.table(table), checked_rows(rows, table))

    def orders(self, table: str, link: str | None = None) -> TimeOrders:
        """Return rows in the order of their times, for `NegativeSampler`; ``GRAPH090`` as in `drawing`."""
        check_whole(self.layout, self.directory, "enough to draw from", takes_only_shard=True)
        return self._open().orders

    def values(self, table: str, rows: Sequence[int] | Array, *, threads: int = 1) -> dict[str, Array]:
        """Return the packed values of rows, column by column.

        Returns:
            Column → array ``(n,)``, or ``(n, dimension)`` for vectors, in the storage of the column.
        """
        layout = self.table(table)
        sections = self.native.gather(self.index(table), checked_rows(rows, table), checked_threads(threads))
        blocks = blocks_of(layout, sections)
        return {c.name: column_of(layout, blocks, c.name) for c in layout.columns}

    def times_us(self, table: str, rows: Sequence[int] | Array) -> Array:
        """Return the times of rows in microseconds UTC, the least integer for a row without time."""
        return self.native.times(self.index(table), checked_rows(rows, table))

    def source_rows(self, table: str, rows: Sequence[int] | Array) -> Array:
        """Return the numbers that rows have in the prepared table, shape ``(n,)``, uint64."""
        return self.native.source_rows(self.index(table), checked_rows(rows, table))

    def dictionary(self, table: str, column: str) -> pa.Array:
        """Return the distinct values of a column of codes, by code."""
        packed = self.table(table).column(column)
        if packed is None or packed.dictionary is None:
            raise UserError(
                "GRAPH042",
                f"column '{column}' of '{table}' is not stored as codes.",
                "ask for its values instead.",
            )
        return self._open().dictionaries.get(table, column)

    def verify(self, progress: Progress | None = None) -> int:
        """Read every file and check every block; return the number of bytes checked.

        Raises:
            UserError: ``GRAPH004`` that names the first damaged file and block.
        """
        files = list(files_of(self.layout))
        total = 0
        for done, (file, kind, item_bytes) in enumerate(files):
            (progress or Silent()).update(done, len(files), file.path)
            total += _native.check_file(str(self.directory / file.path), kind, item_bytes, file.root)
        (progress or Silent()).update(len(files), len(files))
        return total

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class _Opened:
    """What a store holds until it is closed."""

    native: _native.Graph
    lookup: KeyLookup
    orders: TimeOrders
    dictionaries: Dictionaries


def _reopened(directory: str, residency: str, digest: str) -> Store:
    store = Store(directory, residency=Residency(residency))
    if store.digest != digest:
        raise UserError(
            "GRAPH048",
            f"the graph in '{directory}' is {store.digest[:12]}; a store of {digest[:12]} was sent here.",
            "send the store again once the graph stays as it is.",
        )
    return store


def find_table(layout: Layout, name: str) -> int:
    """Return the position of a table in a layout, or refuse the name."""
    for index, table in enumerate(layout.tables):
        if table.name == name:
            return index
    names = ", ".join(t.name for t in layout.tables)
    raise UserError("GRAPH042", f"there is no table '{name}'.", f"choose one of {names}.")


def blocks_of(layout: TableLayout, sections: Sequence[Any]) -> dict[str, Array]:
    """View gathered sections, uint8 ``(n, bytes)``, as arrays ``(n, width)`` of their storage."""
    return {
        s.storage.value: raw.view(s.storage.value) for s, raw in zip(layout.sections, sections, strict=True)
    }


def column_of(layout: TableLayout, blocks: Mapping[str, Array], name: str) -> Array:
    """Return a view of one column of gathered blocks: ``(n,)``, or ``(n, dimension)`` for a vector."""
    packed = layout.column(name)
    if packed is None:
        raise UserError(
            "GRAPH042",
            f"column '{name}' of '{layout.name}' is not packed.",
            f"choose one of {', '.join(c.name for c in layout.columns)}.",
        )
    block = blocks[packed.storage.value]
    if packed.width == 1 and packed.dtype.value != "list<float32>":
        return block[:, packed.position]
    return block[:, packed.position : packed.position + packed.width]


def open_native(
    directory: Path | None, layout: Layout, first_parents: Mapping[str, Sequence[int]] | None = None
) -> _native.Graph:
    """Open the files of a graph; without a directory, its tables and links alone.

    Args:
        directory: What their paths start from.
        layout: Of the graph.
        first_parents: Per link, the first parent row of each segment, where it is not the first one here.
    """
    graph = _native.Graph()
    for table in layout.tables:
        sections = [(s.offset, s.width * NULLS[s.storage].itemsize) for s in table.sections]
        graph.add_table(table.name, table.num_rows, table.stride, sections, _null_row(table))
        if directory:
            first_row = layout.owned(table.name)[0]
            for segment in table.segments:
                _add_segment(graph, directory, segment, first_row)
                first_row += segment.num_rows
    index = {t.name: i for i, t in enumerate(layout.tables)}
    for link in layout.links:
        graph.add_link(link.name, index[link.child], index[link.parent])
        if directory:
            firsts = (first_parents or {}).get(link.name, [layout.owned(link.parent)[0]] * len(link.segments))
            _add_edges(graph, directory, link, firsts)
    graph.finish()
    return graph


def _null_row(table: TableLayout) -> bytes:
    row = bytearray(table.stride)
    for section in table.sections:
        values = np.full(section.width, NULLS[section.storage]).tobytes()
        row[section.offset : section.offset + len(values)] = values
    return bytes(row)


def _add_segment(graph: _native.Graph, directory: Path, segment: TableSegment, first_row: int) -> None:
    codes = segment.codes
    graph.add_table_segment(
        first_row=first_row,
        num_rows=segment.num_rows,
        first_source=segment.first_source,
        origin_us=codes.origin_us if codes else 0,
        unit_us=codes.unit_us if codes else 1,
        rows=_named(directory, segment.rows),
        time=_named(directory, segment.time),
        low=_named(directory, segment.low),
        source=_named(directory, segment.source),
    )


def _add_edges(graph: _native.Graph, directory: Path, link: LinkLayout, firsts: Sequence[int]) -> None:
    for segment, first_parent in zip(link.segments, firsts, strict=True):
        graph.add_link_segment(
            first_parent=first_parent,
            parent=_named(directory, segment.parent),
            offsets=_named(directory, segment.offsets),
            children=_named(directory, segment.children),
            parents=_named(directory, segment.parents),
            low=_named(directory, segment.low),
        )


def _named(directory: Path, file: File | None) -> Any:
    return None if file is None else (str(directory / file.path), file.root)
