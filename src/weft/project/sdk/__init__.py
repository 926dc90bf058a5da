"""Applications written in Python: functions as tasks, their calls as a flow, a session that runs them."""

from weft.project.sdk.session import Session, Submitted
from weft.project.sdk.tasks import Flow, Task, TaskCall, task

__all__ = ["Flow", "Session", "Submitted", "Task", "TaskCall", "task"]
