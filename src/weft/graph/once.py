"""Things that are made when they are first asked for, once per name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Makes a thing per name, once, whoever asks first; threads that ask meanwhile wait for it.

    Args:
        make: Called with the name. What it raises reaches its caller, and the next one tries again.
    """

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make
        self._made: dict[str, T] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> T:
        """Return the thing of a name."""
        if name not in self._made:
            with self._lock:
                if name not in self._made:
                    self._made[name] = self._make(name)
        return self._made[name]
