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
    def add_table(self, name: str, stride: int, sections: Sequence[tuple[int, int]], null_row: bytes) -> None:
        """Add a table; sections are (offset, bytes) within a row."""

    def add_table_segment(
        self,
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
        parent: tuple[str, int],
        offsets: tuple[str, int],
        children: tuple[str, int] | None,
        parents: tuple[str, int] | None,
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
