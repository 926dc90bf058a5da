"""Applications written in Python: functions as tasks, their calls as a flow."""

from weft.project.sdk.tasks import Flow, Task, TaskCall, task

__all__ = ["Flow", "Task", "TaskCall", "task"]
