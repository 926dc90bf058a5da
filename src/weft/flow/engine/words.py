"""What is said of runs that outlive a process: plain data."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from weft.flow.plan import Plan


class RunState(enum.StrEnum):
    """Where a run is."""

    WAITING = "waiting"  # a limit has no room for it
    QUEUED = "queued"  # any controller may take it
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to the run unless somebody asks for it."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)

    @property
    def is_open(self) -> bool:
        """Whether the run is on its way to an end by itself."""
        return self in (RunState.WAITING, RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; none of it changes a result.

    Attributes:
        backend: Name of the backend its nodes run on, ``inline`` for threads of the controller.
        project: What its project's limit counts it under; empty for none.
        workers: How many of its nodes run at one time; by default as many as there are threads.
        uses: Named resource → how much of it the run holds from its first node to its last.
        priority: The larger goes first among runs that wait, from -1000 to 1000.
        targets: Names of the nodes that are wanted; by default all.
        backoff_s: Pause before the first retry of a node; doubles with each.
        repeat: Names of nodes that run even if the store holds their results.
    """

    backend: str = "inline"
    project: str = ""
    workers: int | None = None
    uses: dict[str, int] = field(default_factory=dict)
    priority: int = 0
    targets: tuple[str, ...] | None = None
    backoff_s: float = 0.5
    repeat: tuple[str, ...] = ()

    @property
    def needs(self) -> dict[str, int]:
        """Limited thing → how much of it the run holds: what it uses, and its place in its project."""
        project = {f"project {self.project}": 1} if self.project else {}
        return {**project, **self.uses}


@dataclass(frozen=True)
class NodeStatus:
    """How one node of a run is.

    Attributes:
        name: Name of the node.
        state: ``waiting``, ``running``, ``cached``, ``ran``, ``failed`` or ``cancelled``.
        why: Why it runs or does not, or what its error says.
        attempt: Number of the try; 0 before the first.
        note: What its program is at.
        done: Units of work finished, of ``total``.
        seconds: Wall time of the attempt that made the result.
    """

    name: str
    state: str
    why: str = ""
    attempt: int = 0
    note: str = ""
    done: float | None = None
    total: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class RunStatus:
    """How a run is.

    Attributes:
        run: Name of the run.
        state: Where it is.
        reason: Why, in words: what it waits for, or the error that ended it.
        code: Code of the error that ended it.
        plan: Name of its plan.
        options: How it is carried out.
        origin: ``fork of r1 from node train``, ``rerun of r1`` or ``schedule nightly``; empty when submitted.
        life: How often it was given to a controller.
        owner: The controller that works on it now.
        created_us: When it was submitted, microseconds since 1970.
        started_us: When a controller first took it.
        ended_us: When it ended.
        nodes: Its nodes in the order of the plan; empty where only runs were asked for.
    """

    run: str
    state: RunState
    reason: str = ""
    code: str = ""
    plan: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    origin: str = ""
    life: int = 0
    owner: str = ""
    created_us: int = 0
    started_us: int | None = None
    ended_us: int | None = None
    nodes: tuple[NodeStatus, ...] = ()


class Missed(enum.StrEnum):
    """What becomes of the times of a schedule at which no controller was there."""

    LATEST = "latest"  # one run for the last of them
    SKIP = "skip"  # none
    ALL = "all"  # one run for each


@dataclass(frozen=True)
class Schedule:
    """When a plan is run without anybody asking.

    Either ``cron`` or ``watch`` is given, and either ``plan`` or ``maker``.

    Attributes:
        name: Unique in the database; runs are called after it.
        plan: What is run.
        maker: ``module:function`` that makes the plan: called with ``parameters`` and the `Firing`.
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        zone: Time zone of ``cron``.
        watch: ``module:function`` called with ``parameters``; a digest other than the last starts a run.
        every_s: Seconds between two looks of ``watch``.
        digest: The last digest that was seen, so that it does not count as a change.
        parameters: Plain values for ``maker`` and ``watch``.
        missed: What becomes of times that passed while no controller was there.
        options: Of its runs.
        limit_s: How long ``maker`` or ``watch`` may take; each call has a process of its own.
        is_paused: It neither fires nor looks.
    """

    name: str
    plan: Plan | None = None
    maker: str = ""
    cron: str = ""
    zone: str = "UTC"
    watch: str = ""
    every_s: float = 60.0
    digest: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    missed: Missed = Missed.LATEST
    options: RunOptions = field(default_factory=RunOptions)
    limit_s: float = 60.0
    is_paused: bool = False


@dataclass(frozen=True)
class Firing:
    """One time at which a schedule was due.

    Attributes:
        schedule: Its name.
        at_us: The time it was due, microseconds since 1970.
        digest: Of the data, where the schedule watches them.
        run: The run it started; empty when it started none.
        outcome: ``started``, ``missed`` or ``failed``.
        reason: Why it started none, in words.
    """

    schedule: str
    at_us: int
    digest: str = ""
    run: str = ""
    outcome: str = ""
    reason: str = ""
