"""Job: one run of a flow, as it is now."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.core import UserError, WeftError
from weft.flow import Event, NodeState, Output

JOB = "job"
EVENTS = "events.jsonl"
_WAITING = "waiting"


@dataclass(frozen=True)
class JobNode:
    """One task of a job: its state, and why it ran or did not."""

    name: str
    state: str = _WAITING
    why: str = ""

    def __str__(self) -> str:
        """Say it in one line: ``train  ran (parameters.lr 0.01 → 0.02)``."""
        return f"{self.name}  {self.state}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class Job:
    """One run of a flow.

    Attributes:
        run: Its name.
        state: running, succeeded, failed, cancelled or interrupted; of a submitted job also waiting (a limit
            has no room for it), queued or paused.
        flow: Name of the flow.
        nodes: The tasks in the order of the flow.
        parameters: Task → parameter → ``value`` and ``origin``: where the value was said.
        models: Models that were registered, as ``name:version``.
        error: What ended it.
        outputs: Task → what it made, in the process that ran the job.
        name: What its run specification calls it.
    """

    run: str
    state: str
    flow: str
    nodes: tuple[JobNode, ...]
    parameters: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict, repr=False)
    models: tuple[str, ...] = ()
    error: WeftError | None = None
    outputs: Mapping[str, Output] = field(default_factory=dict, repr=False)
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the job as plain data."""
        nodes = [{"name": n.name, "state": n.state, "why": n.why} for n in self.nodes]
        return {"run": self.run, "state": self.state, "nodes": nodes}

    def details(self) -> dict[str, Any]:
        """Return the job with its parameters and what it registered."""
        more: dict[str, Any] = {"name": self.name or None, "flow": self.flow, "parameters": self.parameters}
        more["models"] = list(self.models)
        if self.error is not None:
            more["error"] = {"code": self.error.code, "message": self.error.message, "hint": self.error.hint}
        return self.to_json() | more

    def text(self) -> str:
        """Say in a few lines what became of the job."""
        named = f"  job {self.name}" if self.name else ""
        lines = [f"{self.run}  {self.state}  flow {self.flow}{named}", *map(str, self.nodes)]
        for task, chosen in self.parameters.items():
            said = [(n, c) for n, c in chosen.items() if not c["origin"].startswith("task default")]
            lines += [f"  {task}.{n} = {json.dumps(c['value'])}  ({c['origin']})" for n, c in said]
        lines += [f"model {name} registered" for name in self.models]
        return "\n".join(lines)

    def output(self, task: str) -> Output:
        """Return what a task made.

        Raises:
            WeftError: What ended the job, if anything did; ``APP033`` for a task that it has not.
        """
        if task in self.outputs:
            return self.outputs[task]
        if self.error is not None:
            raise self.error
        raise no_task(self, task)

    def node(self, task: str) -> JobNode:
        """Return a task of the job.

        Raises:
            UserError: ``APP033`` when it has no such task.
        """
        for node in self.nodes:
            if node.name == task:
                return node
        raise no_task(self, task)


def no_task(job: Job, task: str) -> UserError:
    """Make the error for a task that a job has not."""
    known = ", ".join(n.name for n in job.nodes)
    return UserError("APP033", f"job {job.run} has no task '{task}'.", f"choose one of: {known}.")


class Recorder:
    """Writes what happens in a job to a file at once, so that others can follow."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / EVENTS

    def __call__(self, event: Event) -> None:
        """Write an event; how far a task is within itself is not kept."""
        if event.state is NodeState.PROGRESS:
            return
        entry = {"node": event.node, "state": event.state.value, "why": event.why, "key": event.key}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def read_nodes(folder: Path, names: tuple[str, ...], state: str) -> tuple[JobNode, ...]:
    """Return the tasks of a job, which is in ``state``, as its events tell."""
    nodes = {name: JobNode(name) for name in names}
    for said in _events(folder):
        how = "running" if said["state"] == NodeState.STARTED else said["state"]
        nodes[said["node"]] = JobNode(said["node"], how, said["why"])
    if state == "running":
        return tuple(nodes.values())
    is_later = state in ("waiting", "queued", "paused")
    lost = (_WAITING, "") if is_later else ("cancelled", "the job ended before it did")
    return tuple(JobNode(n.name, *lost) if n.state == "running" else n for n in nodes.values())


def read_keys(folder: Path) -> dict[str, str]:
    """Return the keys of the tasks that a job has begun."""
    return {said["node"]: said["key"] for said in _events(folder) if said["key"]}


def _events(folder: Path) -> Iterator[dict[str, str]]:
    path = folder / EVENTS
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        # The last line of a job that was killed may be half written.
        with contextlib.suppress(ValueError):
            yield json.loads(line)
