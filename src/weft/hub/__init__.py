"""What was made: runs, models and where they came from, in one small database."""

from weft.hub.hub import Hub
from weft.hub.records import Edge, ModelRecord, RunRecord, RunState

__all__ = ["Edge", "Hub", "ModelRecord", "RunRecord", "RunState"]
