"""Programs: the functions that nodes name, and what they are given."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.core import Progress, Resources, UnavailableError, UserError
from weft.flow.events import Output
from weft.flow.plan import Node
from weft.flow.store import Store

GROUP = "weft.programs"
_PROGRESS_EVERY_S = 0.1


class Cancelled(BaseException):
    """The run was interrupted; raised inside a program by ``context.progress`` and ``check``.

    Not an ``Exception``, so that a program that catches those still stops.
    """


@dataclass(frozen=True)
class Context:
    """What a program is given.

    Attributes:
        node: Name of the node.
        parameters: Of the node.
        hints: Of the node.
        digests: Of the node: content from outside the plan.
        inputs: Input name → output of the node that makes it.
        directory: An empty folder; every file that is left in it is an output.
        resources: What the program may use while it runs.
        limits: What the node asked for, on each of its workers; its processes are ended when they use more
            memory. ``None`` where it asked for nothing.
        progress: Tell it how far the work is, often: it is also how a program learns that it
            is to stop.
        attempt: 1 for the first try.
        variables: Environment variables of the node, for the processes that the program starts.
        secrets: Environment variable → where its value is looked up.
        nodes: Number of workers that work on the node together.
        store: Where ``digests`` are kept.
        log: Appends bytes to the attempt's log.
        claim: Open file that keeps others from working on this key. A process that inherits it keeps them
            away until it has ended, also when the one that runs the program is killed.
    """

    node: str
    parameters: dict[str, Any]
    hints: dict[str, Any]
    digests: dict[str, str]
    inputs: dict[str, Output]
    directory: Path
    resources: Resources
    limits: Resources | None
    progress: Progress
    attempt: int
    variables: dict[str, str]
    secrets: dict[str, str]
    nodes: int
    store: Store
    log: Callable[[bytes], object]
    claim: int | None
    _watch: Watch = field(repr=False)
    _scratch: Path = field(repr=False)
    _unfinished: Path = field(repr=False)
    _reported: dict[str, int] = field(default_factory=dict, repr=False)

    @property
    def scratch(self) -> Path:
        """A folder on the same disk for files that nobody keeps, made on first use."""
        self._scratch.mkdir(exist_ok=True)
        return self._scratch

    @property
    def unfinished(self) -> Path:
        """A folder for how far the work is, made on first use.

        It is the same for every try at this key on this machine, outlives a process that is killed, and is
        removed once the node has its result.
        """
        self._unfinished.mkdir(parents=True, exist_ok=True)
        return self._unfinished

    @property
    def cancelled(self) -> bool:
        """Whether the program is asked to stop."""
        return self._watch.is_cancelled

    def check(self) -> None:
        """Stop here if the run was interrupted or the node's time is up.

        Raises:
            Cancelled: The run was interrupted.
            UnavailableError: ``FLOW008``, the attempt took longer than ``timeout_s``.
        """
        self._watch.check()

    def report(self, *, rows: int) -> None:
        """Say how many rows the program worked on; shown as rows per second."""
        self._reported["rows"] = int(rows)


class Watch:
    """Knows whether an attempt has to stop, and passes on how far it is."""

    def __init__(
        self, node: Node, cancelled: threading.Event, tell: Callable[[float, float | None, str], None]
    ) -> None:
        self._node = node
        self._cancelled = cancelled
        self._tell = tell
        self._started = time.monotonic()
        self._told = 0.0

    @property
    def is_cancelled(self) -> bool:
        """Whether the run was interrupted."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise when the attempt has to stop."""
        if self._cancelled.is_set():
            raise Cancelled(self._node.name)
        limit = self._node.timeout_s
        if limit is not None and (took := time.monotonic() - self._started) > limit:
            raise UnavailableError(
                "FLOW008",
                f"node '{self._node.name}' took {took:.1f} s, more than its limit of {limit:g} s.",
                "raise timeout_s, or give the node less to do.",
            )

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        """Pass on how far the work is, at most ten times a second, and `check`."""
        self.check()
        now = time.monotonic()
        if now - self._told >= _PROGRESS_EVERY_S or done == total:
            self._told = now
            self._tell(done, total, note)


def find_program(name: str) -> Any:
    """Return the program, or another function, that a node names.

    Args:
        name: ``module:function``, or a name in the entry point group ``weft.programs``.

    Raises:
        UserError: ``FLOW006`` when there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        if function:
            found: Any = importlib.import_module(module)
            for part in function.split("."):
                found = getattr(found, part)
        else:
            found = _registered(name)
    except (ImportError, AttributeError) as error:
        raise _not_found(name, str(error)) from error
    if not callable(found):
        raise _not_found(name, "it is not a function")
    return found


def _registered(name: str) -> Any:
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        return entry.load()
    raise ImportError(f"nothing is registered as '{name}' in the entry point group {GROUP}")


def _not_found(name: str, reason: str) -> UserError:
    return UserError(
        "FLOW006",
        f"the program '{name}' cannot be used: {reason}.",
        "write it as module:function, and install the package that holds it.",
    )
