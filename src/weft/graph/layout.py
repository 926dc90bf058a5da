"""The manifest of a materialised graph: what is in which file, as frozen data.

`docs/concepts/graph-layout.md` draws it. A graph is a folder:

```
manifest.json                         written last: a folder without it does not open
nodes/<table>/<segment>/rows.bin      one row after another, `TableLayout.stride` bytes each
nodes/<table>/<segment>/time.bin      time codes, absent where no row of the segment has a time
nodes/<table>/<segment>/low.bin       what the codes round off, absent where nothing is
nodes/<table>/<segment>/source.bin    number of each row in the prepared table, absent where it is the row
nodes/<table>/<segment>/keys.*        primary key to row and back
nodes/<table>/<segment>/dictionary/<column>.*   value to code and back, of the values that first occur there
edges/<link>/<segment>/parent.bin     parent of each child row
edges/<link>/<segment>/offsets.bin    where the children of each parent start
edges/<link>/<segment>/children.bin   the children, by time; absent where they are contiguous rows
edges/<link>/<segment>/parents.bin    the parents that have children, in appended segments
edges/<link>/<segment>/dangling.bin   hashes of foreign keys that no parent has
```
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from weft.core import Dtype, Stype

MANIFEST = "manifest.json"
FORMAT_VERSION = 2
NO_ROW = 0xFFFFFFFF
MAX_ROWS = 0xFFFFFFFE


class Storage(enum.StrEnum):
    """How a value lies in a row, with its null value."""

    INT64 = "int64"
    FLOAT64 = "float64"
    FLOAT32 = "float32"
    INT32 = "int32"
    UINT8 = "uint8"


class KeyKind(enum.StrEnum):
    """How a segment finds the row of a key.

    ``DIRECT``: an array indexed by the integer. ``INTEGER``, ``UUID``, ``BYTES``: a hash table over integers,
    16-byte values, or byte strings (texts, composite keys).
    """

    DIRECT = "direct"
    INTEGER = "integer"
    UUID = "uuid"
    BYTES = "bytes"


@dataclass(frozen=True)
class File:
    """One binary file: its path below the graph's folder, and the checksum of its checksums."""

    path: str
    root: int


@dataclass(frozen=True)
class KeySegment:
    """The files that find the keys of successive rows, counted from 0; which there are follows from the kind.

    ``DIRECT`` has ``direct`` (the row of integer ``first + i`` at ``i``) and ``values``; ``INTEGER`` and
    ``UUID`` have ``slots`` and ``values``; ``BYTES`` has ``slots``, ``offsets`` and ``bytes``. Hashes
    and slots are those of ``native/src/keyformat.hpp``: of the integer, or of the bytes.
    """

    kind: KeyKind
    num_rows: int
    first: int = 0
    direct: File | None = None
    slots: File | None = None
    values: File | None = None
    offsets: File | None = None
    bytes: File | None = None


@dataclass(frozen=True)
class Words:
    """The values that occur in a segment of a table and in none before: its codes follow theirs.

    Values are keys whose rows are codes: ``BYTES`` for texts, ``INTEGER`` for the 64 bits of a number.
    """

    segment: int
    values: KeySegment


@dataclass(frozen=True)
class Section:
    """Columns of one storage, side by side in a row.

    Attributes:
        storage: Of every value.
        offset: Bytes from the start of a row.
        width: Number of values; a vector of dimension ``d`` takes ``d`` of them.
    """

    storage: Storage
    offset: int
    width: int


@dataclass(frozen=True)
class PackedColumn:
    """Where the values of a column are: ``width`` values from ``position`` of its section.

    Attributes:
        name: As in the schema.
        dtype: As in the prepared table.
        stype: Its meaning.
        storage: Names the section.
        position: Index of its first value in the section.
        width: Number of values: 1, or the dimension of a vector.
        dictionary: Its distinct values in order of first appearance: a part for the first segment and each
            other that brought some; ``None`` where the values themselves are stored.
    """

    name: str
    dtype: Dtype
    stype: Stype
    storage: Storage
    position: int
    width: int = 1
    dictionary: tuple[Words, ...] | None = None

    @property
    def is_coded(self) -> bool:
        """Whether values are codes of the dictionary."""
        return self.dictionary is not None


@dataclass(frozen=True)
class TimeCodes:
    """How times of a segment become 32-bit codes.

    Code 0 is a row without time. Otherwise the time is ``origin_us + unit_us * (code - 1) + low``, where
    ``low`` is in ``[0, unit_us)``, and 0 where the segment has no file of lows. A code is rounded down, so
    that codes order as times do and equal codes are decided by ``low``.
    """

    origin_us: int
    unit_us: int


@dataclass(frozen=True)
class TableSegment:
    """Successive rows of a table, written at once.

    Rows are ordered by (row of the parent that ``order_by`` names, time, number in the prepared table), rows
    without a parent last; in order of the prepared table where ``order_by`` is ``None``.

    ``digests`` are of the prepared rows, by column: of keys, foreign keys, columns that links point to, and
    `weft.core.TIME`. They tell a later build what of an edited table still holds.
    """

    num_rows: int
    rows: File | None
    time: File | None = None
    low: File | None = None
    source: File | None = None
    codes: TimeCodes | None = None
    first_source: int = 0
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Keys:
    """How a table finds the rows of its primary key: a segment for each of its rows; none without a key.

    ``columns`` and ``dtypes`` are the names and types of its columns, in order. No key is in two segments.

    A key of one column of integers, timestamps (microseconds) or booleans is an integer. One of text is its
    UTF-8 bytes, or a UUID where every key of a segment is one in canonical lower-case text. Any other key is
    the bytes of its columns one after another in order of ``columns``: 8 bytes little-endian of an integer, a
    timestamp or a number (negative zero as zero), 1 of a boolean, and of a text its length in 4 bytes and
    then its UTF-8.
    """

    columns: tuple[str, ...] = ()
    dtypes: tuple[Dtype, ...] = ()
    segments: tuple[KeySegment, ...] = ()

    @property
    def are_integers(self) -> bool:
        """Say whether keys are integers, timestamps or booleans."""
        return self.segments[0].kind in (KeyKind.DIRECT, KeyKind.INTEGER)


@dataclass(frozen=True)
class TableLayout:
    """One table: rows ``0 … num_rows-1`` over its segments, in order.

    Attributes:
        name: As in the schema.
        num_rows: Over all segments.
        stride: Bytes of a row, a multiple of 8; 0 where no column is packed.
        sections: Of a row, by falling size of a value.
        columns: Packed columns; keys and ids are not among them.
        segments: The first was written by a whole build, the others were appended.
        keys: How its primary key is found.
        order_by: The link that rows are ordered by, ``None`` for the prepared table's order.
        fingerprints: Of the prepared rows it was built from, see `weft.core.TableReader`.
        newest_us: Newest time of a row, ``None`` for a table without time.
    """

    name: str
    num_rows: int
    stride: int
    sections: tuple[Section, ...]
    columns: tuple[PackedColumn, ...]
    segments: tuple[TableSegment, ...]
    keys: Keys
    order_by: str | None
    fingerprints: tuple[str, ...]
    newest_us: int | None

    def column(self, name: str) -> PackedColumn | None:
        """Return where a column is packed, ``None`` where it is not."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True)
class LinkSegment:
    """The edges of the child rows of one table segment.

    Attributes:
        parent: Parent of each child row of the segment.
        offsets: ``num_parents + 1`` positions among the segment's children. Of the first segment, counted
            over the parents there were then; of an appended one, over those in ``parents``.
        children: The children; ``None`` where those of a parent are contiguous rows: then an offset is a row
            counted from the segment's first.
        parents: In an appended segment, the parents that have children there, ascending.
        low: In a shard, what the codes of ``children`` round off, where they do: the rows may be elsewhere.
        dangling: Hashes of the foreign keys that no parent has, where there are some.
        num_edges: Rows with a parent.
        num_null: Rows without a foreign key.
        num_dangling: Rows whose foreign key no parent has.
    """

    parent: File
    offsets: File
    children: File | None = None
    parents: File | None = None
    low: File | None = None
    dangling: File | None = None
    num_edges: int = 0
    num_null: int = 0
    num_dangling: int = 0


@dataclass(frozen=True)
class LinkLayout:
    """One link: a segment for each segment of its child table; counts are over all of them."""

    name: str
    child: str
    columns: tuple[str, ...]
    parent: str
    num_edges: int
    num_null: int
    num_dangling: int
    segments: tuple[LinkSegment, ...]
    parent_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shard:
    """Which part of a graph a folder holds: of each table, the rows from ``first`` to before ``end``.

    With a row are its values, its time, its parents, and the list of its children. Row numbers are those of
    the whole graph.
    """

    index: int
    count: int
    tables: tuple[str, ...]
    first: tuple[int, ...]
    end: tuple[int, ...]
    graph: str


@dataclass(frozen=True)
class Layout:
    """Everything about a materialised graph."""

    tables: tuple[TableLayout, ...]
    links: tuple[LinkLayout, ...]
    format_version: int = FORMAT_VERSION
    written_by: str = ""
    notes: tuple[str, ...] = field(default=())
    shard: Shard | None = None

    def owned(self, table: str) -> tuple[int, int]:
        """Return the rows of a table that are here, as a half-open range."""
        if self.shard is None:
            return 0, self.table(table).num_rows
        at = self.shard.tables.index(table)
        return self.shard.first[at], self.shard.end[at]

    def table(self, name: str) -> TableLayout:
        """Return the layout of a table that is known to exist."""
        return next(t for t in self.tables if t.name == name)

    def link(self, name: str) -> LinkLayout:
        """Return the layout of a link that is known to exist."""
        return next(k for k in self.links if k.name == name)
