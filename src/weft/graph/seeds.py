"""What callers give for rows, seeds and threads: taken as it is meant, or refused with its place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from weft.core import UserError, check_integer
from weft.graph.anchors import checked_anchors

Array = np.ndarray[Any, Any]

_UINT32 = np.dtype(np.uint32)
_MOST_ROW = 0xFFFFFFFF
_MOST_THREADS = 2**16


def checked_seeds(table: str, rows: Any, anchors_us: Any) -> tuple[Array, Array]:
    """Return rows and anchor times of seeds, one of each.

    Raises:
        UserError: ``GRAPH042`` for anchor times that are none, and for more of the one than of the other;
            ``GRAPH040`` for what is no row number.
    """
    chosen, anchors = checked_rows(rows, table), checked_anchors(anchors_us)
    if chosen.shape != anchors.shape:
        raise UserError(
            "GRAPH042",
            f"there are {len(chosen)} seeds and {len(anchors)} anchor times.",
            "give one anchor time per seed.",
        )
    return chosen, anchors


def checked_rows(rows: Sequence[int] | Array, table: str) -> Array:
    """Return row numbers as uint32 ``(n,)``, in one piece; whether the table has them is not asked.

    Raises:
        UserError: ``GRAPH040`` for what is no row number.
    """
    if type(rows) is np.ndarray and rows.dtype is _UINT32 and rows.ndim == 1 and rows.flags.c_contiguous:
        return rows
    try:
        given = np.asarray(rows)
    except ValueError as error:
        _refuse(table, f"are no array ({error})")
    if given.ndim != 1:
        _refuse(table, f"have the shape {given.shape}")
    if given.dtype == np.uint32:
        return np.ascontiguousarray(given)
    if given.size == 0:
        return np.empty(0, np.uint32)
    if given.dtype.kind not in "iu":
        at = _first_strange(given) if given.dtype.kind == "O" else 0
        _refuse(table, f"are {given.dtype}: {given[at : at + 1].tolist()[0]!r} at position {at}")
    is_beyond = (given < 0) | (given > _MOST_ROW)
    if is_beyond.any():
        at = int(is_beyond.argmax())
        _refuse(table, f"have {given[at]} at position {at} ({given.dtype})")
    return np.ascontiguousarray(given, np.uint32)


def checked_threads(threads: Any) -> int:
    """Return a number of threads, all cores of this process for ``None``.

    Raises:
        UserError: ``GRAPH042`` for what is no number of 1 or more.
    """
    if threads is None:
        return len(os.sched_getaffinity(0))
    return check_integer("GRAPH042", "the number of threads", threads, least=1, most=_MOST_THREADS)


def _first_strange(given: Array) -> int:
    return next((i for i, one in enumerate(given) if type(one) is not int), 0)


def _refuse(table: str, what: str) -> NoReturn:
    raise UserError(
        "GRAPH040",
        f"row numbers of '{table}' {what}.",
        "give integers from 0 on, as rows() finds them for keys.",
    )
