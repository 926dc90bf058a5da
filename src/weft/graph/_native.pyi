"""Kernels of the graph engine. Use weft.graph, which says what they do."""

from collections.abc import Sequence
import enum
from typing import Annotated

import numpy
from numpy.typing import NDArray

def crc32c(
    data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order="C", device="cpu", writable=False)],
    seed: int = 0,
) -> int:
    """
    Return the CRC-32C of the bytes of an array; seed continues an earlier one.
    """

class TimePlan:
    """How times become codes."""

    def __init__(self) -> None: ...
    @property
    def has_times(self) -> bool: ...
    @property
    def has_low(self) -> bool: ...
    @property
    def origin(self) -> int: ...
    @property
    def unit(self) -> int: ...
    @property
    def newest(self) -> int: ...

class TimeSpill:
    """Times on their way to codes."""

    def __init__(self, path: str) -> None: ...
    def add(self, batch: object, column: int) -> None:
        """Take the times of a record batch."""

    def finish(self) -> TimePlan:
        """Close the file and choose the unit."""

def encode_times(times: str, count: int, plan: TimePlan, codes: str, lows: str) -> None:
    """Write the code of each time, and its low where the plan has lows."""

class GroupTask:
    """Rows to group by parent and sort by time."""

    def __init__(self) -> None: ...
    @property
    def parents(self) -> str: ...
    @parents.setter
    def parents(self, arg: str, /) -> None: ...
    @property
    def codes(self) -> str: ...
    @codes.setter
    def codes(self, arg: str, /) -> None: ...
    @property
    def lows(self) -> str: ...
    @lows.setter
    def lows(self, arg: str, /) -> None: ...
    @property
    def values(self) -> str: ...
    @values.setter
    def values(self, arg: str, /) -> None: ...
    @property
    def count(self) -> int: ...
    @count.setter
    def count(self, arg: int, /) -> None: ...
    @property
    def first_value(self) -> int: ...
    @first_value.setter
    def first_value(self, arg: int, /) -> None: ...
    @property
    def num_groups(self) -> int: ...
    @num_groups.setter
    def num_groups(self, arg: int, /) -> None: ...
    @property
    def keep_orphans(self) -> bool: ...
    @keep_orphans.setter
    def keep_orphans(self, arg: bool, /) -> None: ...
    @property
    def scratch(self) -> str: ...
    @scratch.setter
    def scratch(self, arg: str, /) -> None: ...
    @property
    def budget(self) -> int: ...
    @budget.setter
    def budget(self, arg: int, /) -> None: ...
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, arg: int, /) -> None: ...

def write_order(
    task: GroupTask, group_rows: str, source: str, time: str, low: str, parent: str, offsets: str
) -> list[int]:
    """
    Order rows by parent, time and number; an empty path is not written. Return the roots in order of the paths.
    """

def write_children(task: GroupTask, offsets: str, children: str) -> list[int]:
    """Write the children of each parent by time; return both roots."""

def write_inverse(
    source: str, count: int, first_number: int, first_row: int, inverse: str, budget: int
) -> None:
    """Write the row of each number of a `source` file."""

def write_parents(parents: str, count: int, inverse: str, first_row: int, path: str, budget: int) -> int:
    """Write parents in order of rows; return the root."""

def write_u32(scratch: str, count: int, kind: Kind, path: str) -> int:
    """Write a scratch file as a file; return the root."""

def restore_order(values: str, source: str, count: int, first_number: int, out: str, budget: int) -> None:
    """
    Write what a file holds per row in order of prepared numbers, as scratch.
    """

def write_identity(first: int, count: int, out: str) -> None:
    """Write successive numbers."""

def exchange(left: str, right: str) -> bool:
    """
    Exchange two folders in one step; return false where the system cannot.
    """

def write_sparse(parents: str, count: int, groups: str, path: str) -> tuple[int, int]:
    """
    Write the parents that occur and each row's place among them; return their number and the root.
    """

class Dictionary:
    """Distinct values in order of first appearance."""

    def __init__(self, is_text: bool, known: StoredIndex | None) -> None: ...
    def __len__(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    def values(self, first: int, last: int) -> tuple[NDArray[numpy.int32], NDArray[numpy.uint8]]:
        """Return offsets and bytes of some new values."""

    def value_bytes(self, code: int) -> int:
        """Return the length of one value."""

class FirstRows:
    """The first row with each row's value, in bounded memory."""

    def __init__(self, least: int, before: str, out: str, budget: int) -> None: ...
    def add(self, batch: object, column: int) -> None:
        """Take the values of a record batch."""

    def finish(self) -> int:
        """Close the file; return where the next pass begins or 0."""

def number_first_rows(firsts: str, count: int, codes: str) -> int:
    """
    Number the rows that are the first of their value; return how many there are.
    """

class Packing(enum.Enum):
    """How a value lies in a row."""

    int64 = 0

    float64 = 1

    float32 = 2

    int32 = 3

    uint8 = 4

class PackColumn:
    """How a column of a batch is packed."""

    def __init__(
        self,
        column: int,
        storage: Packing,
        offset: int,
        width: int,
        name: str,
        dictionary: Dictionary | None,
        codes: str,
    ) -> None: ...

class RowWriter:
    """Packed rows on their way to their places."""

    def __init__(
        self, path: str, stride: int, count: int, inverse: str, first_row: int, scratch: str, budget: int
    ) -> None: ...
    def finish(self) -> int:
        """Write what is left; return the root."""

class RowPacker:
    """Packs batches and hands the rows to a writer."""

    def __init__(
        self, stride: int, columns: Sequence[PackColumn], writer: RowWriter, threads: int
    ) -> None: ...
    def add(self, batch: object) -> bool:
        """Pack a record batch; return false when a number needs a wider storage."""

def width_of(batch: object, column: int) -> Packing:
    """Return the narrowest storage that keeps every number of a column."""

def first_vector_length(batch: object, column: int) -> int:
    """Return the length of the first vector, -1 where all are null."""

class Kind(enum.Enum):
    """What a file of a graph holds."""

    rows = 1

    time = 2

    low = 3

    source = 4

    parent = 5

    offsets = 6

    children = 7

    children_row = 8

    sparse_parent = 9

    key_direct = 10

    key_slots = 11

    key_values = 12

    key_offsets = 13

    key_bytes = 14

    dangling = 15

def write_file(
    path: str,
    kind: Kind,
    item_bytes: int,
    data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order="C", device="cpu", writable=False)],
    through: bool = True,
) -> int:
    """
    Write the bytes of an array as one file of a graph, through to the device; return its root checksum.
    """

def check_file(path: str, kind: Kind, item_bytes: int, root: int) -> int:
    """Check header and every block of a file; return its payload in bytes."""

class Selection:
    """The best k items of some users, from tiles of scores."""

    def __init__(self, num_users: int, k: int) -> None: ...
    def begin(
        self,
        first_user: int,
        num_users: int,
        num_items: int,
        offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)]
        | None,
        items: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)]
        | None,
    ) -> None:
        """Start with other users; seen items as CSR, or None."""

    def push(
        self,
        scores: Annotated[
            NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)
        ],
        first_item: int,
        ids: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)]
        | None,
    ) -> None:
        """
        Take the scores (num_users, n) of n items: those of ids, or first_item and the following.
        """

    def finish(
        self,
        items: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order="C", device="cpu")],
        scores: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    ) -> None:
        """Write items and scores, best first, padded by -1 and -inf."""

def selection_bytes(num_users: int, k: int) -> int:
    """Return the memory of a selection."""

def normalize_rows(
    rows: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
) -> None:
    """Write each row divided by its Euclidean length; zeros stay."""

class Graph:
    """
    Tables and links of a materialized graph, mapped. See weft.graph.Store.
    """

    def __init__(self) -> None: ...
    def add_table(
        self, name: str, num_rows: int, stride: int, sections: Sequence[tuple[int, int]], null_row: bytes
    ) -> None:
        """Add a table; sections are (offset, bytes) within a row."""

    def add_table_segment(
        self,
        first_row: int,
        num_rows: int,
        first_source: int,
        origin_us: int,
        unit_us: int,
        rows: tuple[str, int] | None,
        time: tuple[str, int] | None,
        low: tuple[str, int] | None,
        source: tuple[str, int] | None,
    ) -> None:
        """Add rows to the last table; files are (path, root checksum)."""

    def add_link(self, name: str, child: int, parent: int) -> None:
        """Add a link between two tables, by index."""

    def add_link_segment(
        self,
        first_parent: int,
        parent: tuple[str, int],
        offsets: tuple[str, int],
        children: tuple[str, int] | None,
        parents: tuple[str, int] | None,
        low: tuple[str, int] | None,
    ) -> None:
        """Add the edges of the next segment of the last link's child table."""

    def finish(self) -> None:
        """Make the graph ready for sampling."""

    def make_resident(self) -> None:
        """Copy every file into memory with huge pages."""

    def gather(
        self,
        table: int,
        rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
        threads: int,
    ) -> list[object]:
        """Copy the values of rows; one (rows, bytes) uint8 array per section."""

    def times(
        self,
        table: int,
        rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    ) -> NDArray[numpy.int64]:
        """Times of rows in microseconds, the least integer where there is none."""

    def source_rows(
        self,
        table: int,
        rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    ) -> NDArray[numpy.uint64]:
        """Numbers of rows in the prepared table."""

ALL: int = 4294967295

class Plan:
    """
    The steps of a sampling, compiled for one graph. See weft.graph.SampleOptions.
    """

def make_plan(
    graph: Graph,
    hops: Sequence[Sequence[tuple[int, bool, int, int, int]]],
    crossed: Sequence[int],
    gathered: Sequence[int],
    is_shared: bool,
) -> Plan:
    """
    Make a plan of steps (link, toward_parent, choice, fanout, span_us) per hop.
    """

def sample(
    graph: Graph,
    plan: Plan,
    table: int,
    rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    anchors_us: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    excluded_links: Annotated[
        NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    excluded_rows: Annotated[
        NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    excluded_seeds: Annotated[
        NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    seed: int,
    epoch: int,
    threads: int,
) -> tuple[object, object, object, object, object]:
    """
    Draw the neighborhoods of seeds; returns (seeds, seed_scopes, scope_anchors_us, tables, edges).
    """

class ProbeMemory:
    """Memory to measure random reads on, all of it touched."""

    def __init__(self, size_bytes: int, has_huge_pages: bool) -> None: ...
    def read_words(self, count: int, key: int) -> int:
        """Read words at random places; return their sum."""

def copy_rows(
    graph: Graph,
    table: int,
    rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    out: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu")],
) -> None:
    """
    Copy whole rows and check nothing: the limit of a gather, for measuring alone.
    """

class KeyShape:
    """What is known about the keys of a table."""

    @property
    def is_integer(self) -> bool: ...
    @property
    def all_uuid(self) -> bool: ...
    @property
    def num_keys(self) -> int: ...
    @property
    def num_null(self) -> int: ...
    @property
    def least(self) -> int: ...
    @property
    def is_dense(self) -> bool: ...
    @property
    def index_bytes(self) -> int: ...

class KeySpill:
    """Keys of a table on disk while a graph is built."""

    def __init__(self, stem: str, is_integer: bool, first_row: int) -> None: ...
    def add(self, batch: object, columns: Sequence[int]) -> None:
        """Take the keys of a record batch."""

    def finish(self) -> KeyShape:
        """Close the files; return the shape."""

class StoredKeys(enum.Enum):
    """How the files of a table hold its keys."""

    direct = 0

    integer = 1

    uuid = 2

    bytes = 3

class KeyIndex:
    """Finds the rows of keys."""

def load_index(stem: str, shape: KeyShape, pass_number: int, passes: int, what: str) -> KeyIndex:
    """Read one part of the keys of a spill into memory."""

def layer_index(known: KeyIndex, fresh: KeyIndex) -> KeyIndex:
    """
    An index over the keys of two: rows of the first, and of the second where that has none.
    """

class StoredIndex(KeyIndex):
    """Keys in the files of a graph."""

    def find(self, batch: object, threads: int) -> NDArray[numpy.uint32]:
        """
        Rows of keys, the columns of a record batch in the order of the key; NO_ROW where there is none.
        """

    def integers(
        self,
        rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    ) -> NDArray[numpy.int64]:
        """Integers of rows, 0 for NO_ROW."""

    def texts(
        self,
        rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    ) -> tuple[NDArray[numpy.int64], bytes]:
        """
        Bytes of rows, empty for NO_ROW: where each starts and the last ends, and the bytes.
        """

def map_index(
    segments: Sequence[
        tuple[
            StoredKeys,
            int,
            int,
            tuple[str, int],
            tuple[str, int],
            tuple[str, int],
            tuple[str, int],
            tuple[str, int],
        ]
    ],
) -> StoredIndex:
    """
    Open the key files of a graph: of each segment its kind, number of rows, first integer, and its files `direct`, `slots`, `values`, `offsets` and `bytes` as path and root.
    """

def refuse_known_keys(known: StoredIndex, batch: object, columns: Sequence[int], what: str) -> None:
    """Refuse keys of a record batch that some row has already."""

class LinkCounts:
    """Edges of a link, and foreign keys without a parent."""

    @property
    def num_edges(self) -> int: ...
    @property
    def num_null(self) -> int: ...
    @property
    def num_dangling(self) -> int: ...

class LinkResolver:
    """Foreign keys on their way to rows."""

    def __init__(self, index: KeyIndex, parents: str, before: str, dangling: str) -> None: ...
    def add(self, batch: object, columns: Sequence[int], threads: int) -> None:
        """Resolve the foreign keys of a record batch."""

    def finish(self) -> LinkCounts:
        """Close the files; return the counts."""

def translate_parents(
    parents: str, count: int, inverse: str, num_new: int, first_new: int, out: str, budget: int
) -> None:
    """Replace prepared numbers of parents by their rows."""

def write_dangling(scratch: Sequence[str], path: str, budget: int) -> int:
    """Write hashes sorted and once each; return the root."""

def is_any_key_dangling(stem: str, shape: KeyShape, path: str, root: int) -> bool:
    """Say whether a key has a hash of a `dangling` file."""

class KeySource:
    """Keys of a spill and their rows."""

    def __init__(
        self, stem: str, rows: str, shape: KeyShape, budget: int, what: str, first_row: int
    ) -> None: ...

def write_key_direct(source: KeySource, path: str) -> int:
    """Return the root."""

def write_key_slots(source: KeySource, kind: StoredKeys, path: str) -> int:
    """Return the root."""

def write_key_values(source: KeySource, kind: StoredKeys, path: str) -> int:
    """Return the root."""

def write_key_bytes(source: KeySource, offsets: str, bytes: str) -> tuple[int, int]:
    """Return both roots."""

NONE: int = 4294967295

def parents(
    graph: Graph,
    link: int,
    rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
) -> NDArray[numpy.uint32]:
    """Parents of rows, NONE where there is none."""

def children(
    graph: Graph,
    link: int,
    choice: int,
    fanout: int,
    span_us: int,
    rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    anchors_us: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    keys: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    excluded_parents: Annotated[
        NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    excluded_rows: Annotated[
        NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    excluded_times_us: Annotated[
        NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    excluded_asks: Annotated[
        NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
) -> tuple[object, object, object]:
    """Children of rows that a strategy chooses, as (counts, rows, times_us)."""

class RemoteSampling:
    """A sampling whose neighbors others answer. See weft.graph.service."""

    def __init__(
        self,
        schema: Graph,
        plan: Plan,
        table: int,
        rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
        anchors_us: Annotated[
            NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ],
        seed: int,
        epoch: int,
    ) -> None: ...
    def plant(
        self,
        times_us: Annotated[
            NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ],
        source_rows: Annotated[
            NDArray[numpy.uint64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ],
    ) -> None:
        """Give times and prepared rows of the seeds."""

    def next(self) -> object:
        """
        The next step: (link, toward_parent, choice, fanout, span_us, rows, anchors_us, keys, scopes), or None.
        """

    def take(
        self,
        counts: Annotated[
            NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
        ],
        rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)],
        times_us: Annotated[
            NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ],
    ) -> None:
        """Answer the step."""

    def finish(self) -> tuple[object, object, object, object, object]:
        """The sample, without values, as `sample` returns it."""

    def scopes_of_seeds(self) -> NDArray[numpy.uint32]:
        """Scope of each seed."""

    def hidden(self) -> NDArray[numpy.uint8]:
        """1 for each seed that is later than its anchor."""

class TimeOrder:
    """The rows of a table by time, or what they are linked to."""

    def __len__(self) -> int: ...
    def visible(self, anchor_us: int) -> int:
        """How many rows are not later than an anchor."""

    @property
    def size_bytes(self) -> int: ...

def order_rows(graph: Graph, table: int, threads: int) -> TimeOrder:
    """
    Order the rows of a table by time, then by number in the prepared table.
    """

def order_parents(graph: Graph, link: int, threads: int) -> TimeOrder:
    """
    Order the parents of a link's child rows by time and number of those rows.
    """

def sample_negatives(
    graph: Graph,
    choice: int,
    table: int,
    link: int,
    rows: TimeOrder | None,
    parents: TimeOrder | None,
    anchors_us: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    keys: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    excluded_offsets: Annotated[
        NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    excluded_rows: Annotated[
        NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    positive_offsets: Annotated[
        NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    positive_rows: Annotated[
        NDArray[numpy.uint32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    num: int,
    seed: int,
    epoch: int,
    threads: int,
) -> NDArray[numpy.uint32]:
    """
    Draw rows that existed at the anchors of seeds; (seeds, num), NO_ROW where there are fewer.
    """
