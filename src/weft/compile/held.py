"""Sources that live in this process, named by the digest of their content.

A node cannot carry a connection or a data frame, and must not carry a password. It carries this name; the
program asks here for the source itself.
"""

from __future__ import annotations

import threading
from typing import Any

from weft.core import UserError, digest_value

_SOURCES: dict[str, Any] = {}
_LOCK = threading.Lock()


def hold_source(source: Any, fingerprints: dict[str, str]) -> str:
    """Keep ``source`` for the programs of this process; return its name."""
    name = digest_value(fingerprints)
    with _LOCK:
        _SOURCES[name] = source
    return name


def held_source(name: str) -> Any:
    """Return the source called ``name``.

    Raises:
        UserError: ``DATA113`` when no source of that content was connected in this process.
    """
    with _LOCK:
        source = _SOURCES.get(name)
    if source is None:
        raise UserError(
            "DATA113",
            "the tables of this run are no longer in the store, and their source is not connected.",
            "connect the source again and repeat the query.",
        )
    return source
