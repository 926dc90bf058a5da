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


class Kind(enum.StrEnum):
    """What can be published."""

    APPLICATION = "application"
    DATASET = "dataset"
    MODEL = "model"


@dataclass(frozen=True)
class Published:
    """One version of a model, a data set or an application.

    Attributes:
        kind: What it is.
        name: Of all its versions.
        version: 1 for the first of this name; given once.
        digest: Of its content in the store.
        created_us: When it was published, microseconds UTC.
        run_id: The run that made it, empty when it was made elsewhere.
        owner: Who published it.
        description: In a sentence.
        tags: Words of the user's own, with or without a value.
        metrics: Name → score.
        facts: Plain JSON that the publisher keeps with it.
        deprecated: Why it is no longer to be used; ``None`` while it is.
        aliases: Such as ``champion`` and ``candidate``; each names one version at a time.
    """

    kind: Kind
    name: str
    version: int
    digest: str
    created_us: int
    run_id: str = ""
    owner: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    deprecated: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and version, as in ``shop@3``."""
        return f"{self.name}@{self.version}"


class AliasAction(enum.StrEnum):
    """What happened to an alias."""

    SET = "set"
    ROLLBACK = "rollback"
    DELETED = "deleted"


@dataclass(frozen=True)
class AliasChange:
    """One change of an alias.

    Attributes:
        alias: Such as ``champion``.
        version: That it pointed to from then on; with ``deleted``, the version that went.
        action: What happened.
        at_us: When, microseconds UTC.
        who: Did it.
        reason: In words.
    """

    alias: str
    version: int
    action: AliasAction
    at_us: int
    who: str = ""
    reason: str = ""


@dataclass(frozen=True, order=True)
class Edge:
    """One step of where something came from: ``made`` from ``used``, by node ``via`` of a run."""

    made: str
    used: str
    via: str
    run_id: str = ""
