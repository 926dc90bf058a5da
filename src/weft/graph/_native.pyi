"""Kernels of the graph engine. Use weft.graph, which says what they do."""

import enum
from typing import Annotated

import numpy
from numpy.typing import NDArray

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
) -> int:
    """
    Write the bytes of an array as one file of a graph; return its root checksum.
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
