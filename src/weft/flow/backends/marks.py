"""What a backend notes in the store of attempts whose machines may forget them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from weft.core import from_plain, to_json
from weft.flow.store import Store


@dataclass(frozen=True)
class Begun:
    """Where and when a worker began, and of how many it is one."""

    machine: str
    nodes: int
    started_us: int


def ask_stop(store: Store, id: str) -> None:
    """Note that an attempt is to stop; from now on nobody starts it."""
    words = json.dumps({"asked_us": time.time_ns() // 1000}).encode()
    store.set_ref(f"attempts/{id}.stop", store.put_bytes(words))


def is_stop_asked(store: Store, id: str) -> bool:
    """Return whether somebody asked for the end of an attempt."""
    return store.get_ref(f"attempts/{id}.stop") is not None


def note_begun(store: Store, id: str, rank: int, begun: Begun) -> None:
    """Note that a worker begins."""
    store.set_ref(f"attempts/{id}.begun.{rank}", store.put_bytes(to_json(begun).encode()))


def find_begun(store: Store, id: str, rank: int) -> Begun | None:
    """Return where a worker began; None when it never did."""
    digest = store.get_ref(f"attempts/{id}.begun.{rank}")
    return None if digest is None else from_plain(Begun, json.loads(store.get_bytes(digest)))
