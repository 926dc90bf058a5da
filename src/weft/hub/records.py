"""What the hub remembers, as frozen data."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class RunState(enum.StrEnum):
    """How far a run is. ``interrupted`` is a run whose process died without a word."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class RunRecord:
    """One run.

    Attributes:
        id: Twelve hexadecimal digits.
        name: For people, such as ``amber-otter-17``; unique, and ends in `number`.
        number: 1 for the first run of this hub.
        state: How far it is.
        created_us: When it began, microseconds UTC.
        ended_us: When it ended.
        query: Canonical text of the query.
        task: The task as plain JSON.
        task_type: Kind of the task.
        entity: ``table.column`` that the prediction is about.
        history: ``seed_time`` or ``frozen``.
        project: Name of the project.
        plan_digest: Digest of the Plan.
        parameters: Plain JSON: seed, budget, models.
        results: Plain JSON: scores, verdict, whatever the caller keeps.
        report: Digest of the report.
        error: ``code``, ``message`` and ``hint`` of what ended it.
        host: Machine on which it runs.
        pid: Process that runs it.
    """

    id: str
    name: str
    number: int
    state: RunState
    created_us: int
    ended_us: int | None = None
    query: str = ""
    task: dict[str, Any] = field(default_factory=dict)
    task_type: str = ""
    entity: str = ""
    history: str = ""
    project: str = ""
    plan_digest: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    report: str | None = None
    error: dict[str, str] | None = None
    host: str = ""
    pid: int = 0

    @property
    def is_resumable(self) -> bool:
        """Whether `weft.hub.Hub.resume_run` may take it up again."""
        return self.state in (RunState.INTERRUPTED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True)
class ModelRecord:
    """One version of a model.

    Attributes:
        name: Of the model.
        version: 1 for the first of this name.
        run_id: The run that made it, empty when it was made elsewhere.
        digest: Of its files, a tree in the store.
        created_us: When it was registered.
        metrics: Name → score.
        tags: Words of the user's own.
        aliases: Such as ``champion`` and ``candidate``; each names one version at a time.
    """

    name: str
    version: int
    run_id: str
    digest: str
    created_us: int
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Edge:
    """One step of where something came from: ``made`` from ``used``, by node ``via`` of a run."""

    made: str
    used: str
    via: str
    run_id: str = ""
