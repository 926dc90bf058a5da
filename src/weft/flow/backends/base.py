"""The words between a controller, which decides what runs, and a backend, which runs it."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from weft.core import Resources, digest_value
from weft.flow.plan import Node
from weft.flow.record import Parts

_MAX_WORDS = 14


class AttemptState(enum.StrEnum):
    """What a backend knows of an attempt."""

    UNKNOWN = "unknown"  # never started here, or forgotten
    PENDING = "pending"  # accepted; waits for a machine or a slot
    RUNNING = "running"
    SUCCEEDED = "succeeded"  # its result is in the store
    FAILED = "failed"  # its program failed, ran out of time or memory, or its worker died
    STOPPED = "stopped"  # somebody asked for it

    @property
    def is_ended(self) -> bool:
        """Whether nothing of the attempt runs any more."""
        return self in (AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.STOPPED)


@dataclass(frozen=True)
class Status:
    """How an attempt is.

    Attributes:
        state: Where it is.
        reason: Why, in words: ``waits for 4 GB of memory``, ``exit code 137: killed, out of memory``.
        code: Code of the error that ended it, where there is one.
        exit_code: Of its worker's program; negative for a signal.
        started_us: When its worker began, microseconds since 1970.
        ended_us: When it ended.
        progress: How far its program said it is: units done, of how many, at what.
    """

    state: AttemptState
    reason: str = ""
    code: str = ""
    exit_code: int | None = None
    started_us: int | None = None
    ended_us: int | None = None
    progress: tuple[float, float | None, str] | None = None


@dataclass(frozen=True)
class AttemptSpec:
    """One try of one node, complete: a worker anywhere needs this, the store, and nothing else.

    Attributes:
        id: From `attempt_id`; the same try has the same one, whoever asks.
        run: Name of the run.
        number: 1 for the first try.
        node: What to run; its ``resources`` are what was asked for.
        parts: What the result depends on; ``parts.key`` names the result in the store.
        inputs: Input label → digest of the record of the node that made it.
        store: URL of the store that holds inputs and gets outputs.
        resources: What the attempt may use, on each of its machines.
        variables: Environment variables of the program, plain values.
        secrets: Environment variable → reference (``env:NAME``, ``file:/path``, ``k8s:name/key``). A value is
            looked up where the worker runs and stands in no specification, log, error or blob.
        image: Container image, where the backend has containers.
        nodes: Number of workers that work on it together and find each other.
        is_repeated: Only a result of this run counts; one that another run has made is made again.
    """

    id: str
    run: str
    number: int
    node: Node
    parts: Parts
    inputs: dict[str, str]
    store: str
    resources: Resources
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    image: str | None = None
    nodes: int = 1
    is_repeated: bool = False

    @classmethod
    def of(
        cls,
        node: Node,
        parts: Parts,
        *,
        run: str,
        store: str,
        resources: Resources,
        number: int = 1,
        inputs: Mapping[str, str] | None = None,
        is_repeated: bool = False,
    ) -> AttemptSpec:
        """Make the specification of a try of a node, which says the rest."""
        return cls(
            attempt_id(run, node.name, parts.key, number),
            run,
            number,
            node,
            parts,
            dict(inputs or {}),
            store,
            resources,
            node.variables,
            node.secrets,
            node.image,
            node.nodes,
            is_repeated,
        )


class Backend(Protocol):
    """Runs attempts. All methods are idempotent by id, and hold after a restart of the controller.

    `start` of an attempt that runs or has ended does nothing; `stop` of one that has ended does nothing. A
    controller that was killed asks again with the same ids and finds what still runs.
    """

    @property
    def name(self) -> str:
        """Return what the backend is called on the command line."""

    def render(self, spec: AttemptSpec) -> str:
        """Write exactly what `start` would submit, without doing anything."""

    def start(self, spec: AttemptSpec) -> None:
        """Begin an attempt, or let it wait for room; return at once.

        Raises:
            UserError: What can never run here: more memory than any machine has.
            UnavailableError: The backend does not answer now.
        """

    def status(self, ids: Iterable[str]) -> dict[str, Status]:
        """Return how attempts are, one answer for each id."""

    def logs(self, id: str, offset: int = 0) -> bytes:
        """Return what the attempt wrote to stdout and stderr, from a byte offset on; kept after it ended."""

    def stop(self, id: str) -> None:
        """End an attempt with its whole process tree; when this returns nothing of it runs."""


def attempt_id(run: str, node: str, key: str, number: int) -> str:
    """Return the id of a try: readable, unique, and a valid name in Kubernetes (at most 52 characters).

    Example:
        >>> attempt_id("tidy-otter-7", "candidate[3]", "ab" * 32, 1)
        'weft-tidy-otter-7-candidate-3-f796b14719-1'
    """
    words = "-".join(_slug(text) for text in (run, node))
    return f"weft-{words}-{digest_value([run, node, key])[:10]}-{number}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_MAX_WORDS].strip("-") or "x"
