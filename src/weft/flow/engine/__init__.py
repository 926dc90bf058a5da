"""Runs that outlive processes: kept in a database, carried out by whichever controller lives."""

from weft.flow.engine.engine import Engine
from weft.flow.engine.hooks import Hooks
from weft.flow.engine.words import (
    Firing,
    Missed,
    NodeStatus,
    RunOptions,
    RunState,
    RunStatus,
    Schedule,
)

__all__ = [
    "Engine",
    "Firing",
    "Hooks",
    "Missed",
    "NodeStatus",
    "RunOptions",
    "RunState",
    "RunStatus",
    "Schedule",
]
