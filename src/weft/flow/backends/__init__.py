"""Where the attempts of nodes run: what every backend is told, tells and can do."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weft.flow.backends.base import AttemptSpec, AttemptState, Backend, Status, attempt_id

if TYPE_CHECKING:
    from weft.flow.backends.registry import INLINE, backend_names, check_backend_name, find_backend

__all__ = [
    "INLINE",
    "AttemptSpec",
    "AttemptState",
    "Backend",
    "Status",
    "attempt_id",
    "backend_names",
    "check_backend_name",
    "find_backend",
]

# Who starts workers needs these, and the workers, which start often, do not.
_LATER = frozenset({"INLINE", "backend_names", "check_backend_name", "find_backend"})


def __getattr__(name: str) -> Any:
    """Import how backends are found on first use."""
    if name in _LATER:
        value = getattr(importlib.import_module("weft.flow.backends.registry"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'weft.flow.backends' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
