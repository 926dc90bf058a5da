"""What happens during a run, and what it leaves: plain data for whoever watches."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.core import UserError
from weft.flow.store import Store


class NodeState(enum.StrEnum):
    """What an `Event` says about its node."""

    STARTED = "started"
    PROGRESS = "progress"
    CACHED = "cached"
    RAN = "ran"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Event:
    """One thing that happened to one node.

    Attributes:
        node: Name of the node.
        state: What happened.
        why: The reason in words: what changed since the last run, or who made the result.
        seconds: Wall time of the attempt; for a cached node, of the attempt that made it.
        cpu_s: Processor time of the whole process, where the node ran alone.
        peak_bytes: Largest resident size of the process while the node ran.
        rows: What the program reported with ``context.report``.
        done: Units of work finished, of ``total``.
        note: What the program is at.
        attempt: 1 for the first try.
        key: Key of the node.
    """

    node: str
    state: NodeState
    why: str = ""
    seconds: float = 0.0
    cpu_s: float | None = None
    peak_bytes: int | None = None
    rows: int | None = None
    done: float | None = None
    total: float | None = None
    note: str = ""
    attempt: int = 1
    key: str = ""

    @property
    def rows_per_s(self) -> float | None:
        """Rows per second of wall time, where rows were reported."""
        if self.rows is None or self.seconds <= 0:
            return None
        return self.rows / self.seconds

    def __str__(self) -> str:
        """Say it in one line: ``labels  ran (parameters.step 30 → 60)``."""
        return f"{self.node}  {self.state}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class Output:
    """What a node made: named files and a plain value.

    Attributes:
        node: Name of the node.
        key: Key of the node.
        digest: SHA-256 of the value and the names and contents of the files, and of what follows of them.
        value: What the program returned; empty when it returned nothing.
        files: Relative name → digest, in order of name.
        size_bytes: Of all files together; 0 where it is not known.
        executables: Names of the files that may be run, in order.
        folders: Names of the folders with nothing in them, in order.
    """

    node: str
    key: str
    digest: str
    value: dict[str, Any]
    files: dict[str, str]
    store: Store = field(repr=False, compare=False)
    size_bytes: int = field(default=0, compare=False)
    executables: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def path(self, name: str) -> Path:
        """Return a path on this machine with the content of one file, to be read only.

        Raises:
            UserError: ``FLOW024`` when the node made no such file, ``FLOW010`` or ``FLOW011``
                when the store has lost or damaged it.
        """
        if name not in self.files:
            made = ", ".join(self.files) or "no files"
            raise UserError(
                "FLOW024",
                f"node '{self.node}' made no file '{name}'.",
                f"choose from what it made: {made}.",
            )
        return self.store.local_path(self.files[name])

    def read_json(self, name: str) -> Any:
        """Return the content of a JSON file that the node made."""
        return json.loads(self.path(name).read_bytes())


@dataclass(frozen=True)
class RunResult:
    """What a run left.

    Attributes:
        run: Name of the run; where the caller gave it, the store keeps what it used under
            ``runs/<run>``.
        outputs: Node name → output, for every node that the targets needed.
        events: The last event of each node, in the order they came.
        seconds: Wall time of the run.
    """

    run: str
    outputs: dict[str, Output]
    events: tuple[Event, ...]
    seconds: float

    @property
    def states(self) -> dict[str, NodeState]:
        """Node name → how it ended."""
        return {e.node: e.state for e in self.events}

    @property
    def peak_bytes(self) -> int | None:
        """The largest resident size while a node of this run ran; ``None`` when none did."""
        ran = [e.peak_bytes for e in self.events if e.state is NodeState.RAN and e.peak_bytes]
        return max(ran, default=None)

    def summary(self) -> str:
        """Say in one line per node what was run, what was not, and why."""
        return "\n".join(str(e) for e in self.events)
