"""Embeddings and filters of a top-K search: what fits together, and pieces of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import UserError, check_integer

Array = np.ndarray[Any, Any]

_MAX_ITEMS = 2**32 - 1


@dataclass(frozen=True)
class Seen:
    """Items to leave out per user, as CSR.

    Attributes:
        offsets: Where the items of each user start, shape ``(num_users + 1,)``, integers.
        items: Item rows, ascending per user; uint32 or int32 are read in place. May be memory-mapped.
    """

    offsets: Array
    items: Array

    def block(self, first: int, count: int, num_items: int) -> tuple[Array, Array]:
        """Return offsets, int64, and items, uint32, of ``count`` users; wrong rows stay wrong."""
        offsets = np.ascontiguousarray(self.offsets[first : first + count + 1], np.int64)
        items = self.items[max(offsets[0], 0) : max(offsets[-1], 0)]
        if items.dtype.itemsize > 4 and len(items) and not 0 <= items.min() <= items.max() < num_items:
            items = np.clip(items, -1, _MAX_ITEMS)
        return offsets, np.ascontiguousarray(items).astype(np.uint32, copy=False)

    def most(self, step: int) -> int:
        """Return the most items of ``step`` successive users that begin at a multiple of it."""
        most = 0
        for first in range(0, len(self.offsets) - 1, step << 16):
            edges = np.asarray(self.offsets[first : first + (step << 16) + 1], np.int64)
            edges = np.append(edges[:-1:step], edges[-1])
            most = max(most, int(np.diff(edges).max(initial=0)))
        return most


def check_k(k: int) -> None:
    """Refuse a number of items below 1: GRAPH070."""
    check_integer("GRAPH070", "k of a top-K search", k, least=1)


def check_embeddings(users: Array, items: Array) -> None:
    """Refuse matrices that cannot be multiplied: GRAPH071."""
    for name, array in (("users", users), ("items", items)):
        _check_array("GRAPH071", f"embeddings of {name}", array)
        if array.ndim != 2 or array.dtype != np.float32 or array.shape[1] == 0:
            raise UserError(
                "GRAPH071",
                f"embeddings of {name} are {array.dtype} of shape {array.shape}.",
                f"give {name} as float32 of shape (rows, dimensions), one dimension or more.",
            )
    if users.shape[1] != items.shape[1]:
        raise UserError(
            "GRAPH071",
            f"users have {users.shape[1]} dimensions and items have {items.shape[1]}.",
            "give both embeddings of the same model.",
        )
    if len(items) > _MAX_ITEMS:
        raise UserError(
            "GRAPH071", f"there are {len(items)} items, more than {_MAX_ITEMS}.", "search in parts and merge."
        )


def check_filters(num_users: int, num_items: int, seen: Seen | None, allowed: Array | None) -> None:
    """Refuse filters of the wrong shape: GRAPH072. What seen items name is looked at block by block."""
    if allowed is not None:
        _check_array("GRAPH072", "the allowed items", allowed)
    if allowed is not None and (allowed.shape != (num_items,) or allowed.dtype != np.bool_):
        raise UserError(
            "GRAPH072",
            f"the allowed items are {allowed.dtype} of shape {allowed.shape}, there are {num_items} items.",
            "give one bool per item.",
        )
    if seen is None:
        return
    if not isinstance(seen, Seen):
        raise UserError(
            "GRAPH072", f"the seen items are a {type(seen).__name__}.", "give Seen(offsets, items)."
        )
    for name, array in (("offsets", seen.offsets), ("items", seen.items)):
        _check_array("GRAPH072", f"{name} of the seen items", array)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise UserError(
                "GRAPH072",
                f"{name} of the seen items are {array.dtype} of shape {array.shape}.",
                "give integers of one dimension.",
            )
    if len(seen.offsets) != num_users + 1 or seen.offsets[0] != 0 or seen.offsets[-1] != len(seen.items):
        raise UserError(
            "GRAPH072",
            f"the seen items have {len(seen.offsets)} offsets for {num_users} users, from "
            f"{seen.offsets[:1]} to {seen.offsets[-1:]} of {len(seen.items)} items.",
            "give one offset more than users, from 0 to the number of seen items.",
        )


def _check_array(code: str, name: str, given: Any) -> None:
    """Refuse what is no array: making one of it would double its memory, unseen."""
    if not isinstance(given, np.ndarray):
        raise UserError(code, f"{name} are a {type(given).__name__}.", "give a numpy array.")
