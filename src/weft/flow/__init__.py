"""Plans, the store they leave their results in, and the backend that runs them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weft.flow.events import Event, NodeState, Output, RunResult
from weft.flow.plan import Node, Plan
from weft.flow.program import Cancelled, Context
from weft.flow.store import Store
from weft.flow.sweep import Swept

if TYPE_CHECKING:
    from weft.flow.examine import Examined, Fault, examine_store
    from weft.flow.runner import Control, run_plan

__all__ = [
    "Cancelled",
    "Context",
    "Control",
    "Event",
    "Examined",
    "Fault",
    "Node",
    "NodeState",
    "Output",
    "Plan",
    "RunResult",
    "Store",
    "Swept",
    "examine_store",
    "run_plan",
]

# A worker runs one node: what decides over plans and looks through stores would only make it start later.
_LATER = {
    "Control": "weft.flow.runner",
    "Examined": "weft.flow.examine",
    "Fault": "weft.flow.examine",
    "examine_store": "weft.flow.examine",
    "run_plan": "weft.flow.runner",
}


def __getattr__(name: str) -> Any:
    """Import what a worker does not need on first use."""
    if name in _LATER:
        value = getattr(importlib.import_module(_LATER[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'weft.flow' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
