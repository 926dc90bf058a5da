"""Where the attempts of nodes run: what every backend is told, tells and can do."""

from weft.flow.backends.base import AttemptSpec, AttemptState, Backend, Status, attempt_id
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
