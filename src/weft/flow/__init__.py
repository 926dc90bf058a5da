"""Plans, the store they leave their results in, and the backend that runs them."""

from weft.flow.events import Event, NodeState, Output, RunResult
from weft.flow.examine import Examined, Fault, examine_store
from weft.flow.plan import Node, Plan
from weft.flow.program import Cancelled, Context
from weft.flow.runner import Control, run_plan
from weft.flow.store import Store
from weft.flow.sweep import Swept

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
