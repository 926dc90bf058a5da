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
