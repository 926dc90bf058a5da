"""Where the attempts of nodes run: what every backend is told, tells and can do."""

from weft.flow.backends.base import AttemptSpec, AttemptState, Backend, Status, attempt_id
from weft.flow.backends.registry import find_backend

__all__ = ["AttemptSpec", "AttemptState", "Backend", "Status", "attempt_id", "find_backend"]
