"""Workspaces of a project: a Jupyter server for a person, started, listed and stopped."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.compile.workspace import ADDRESS_FILE
from weft.core import Resources, UnavailableError, UserError, from_json, to_json
from weft.flow import Node
from weft.flow.backends import AttemptSpec, AttemptState, Backend, Status
from weft.flow.record import Parts
from weft.project.folder import STATE, ProjectFolder

PROGRAM = "weft.compile.workspace:serve"
DEFAULT_IDLE_S = 3600.0
DEFAULT_MEMORY = 2 * 10**9
_PLACE = "workspaces"
_SPEC = "spec.json"
_READY_AFTER_S = 120.0
_LOG_LINES = 8


@dataclass(frozen=True)
class Workspace:
    """A workspace as it is now.

    Attributes:
        name: Unique in the project.
        state: Of its attempt on the backend.
        reason: Why it is in that state, where there is something to say.
        link: What to open in a browser, token included; ``None`` while it does not answer.
        url: Address of the server, without the token.
        token: Who knows it may run code there.
        resources: What it may use.
        idle_s: After how many seconds without use it ends; 0 for never.
        started_us: When it began, microseconds since 1970.
    """

    name: str
    state: AttemptState
    reason: str
    link: str | None
    url: str | None
    token: str | None
    resources: Resources
    idle_s: float
    started_us: int | None

    def __str__(self) -> str:
        """Say it in one line."""
        limits = f"{self.resources.memory_bytes / 1e9:g} GB, {self.resources.threads} cores"
        limits += f", {self.resources.gpus} GPUs" if self.resources.gpus else ""
        told = self.link or self.reason
        return f"{self.name}  {self.state}  {limits}" + (f"  {told}" if told else "")

    @property
    def is_live(self) -> bool:
        """Whether it runs or waits for room."""
        return self.state in (AttemptState.PENDING, AttemptState.RUNNING)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; the token only as part of the link."""
        return {
            "name": self.name,
            "state": self.state.value,
            "reason": self.reason,
            "link": self.link,
            "url": self.url,
            "memory_bytes": self.resources.memory_bytes,
            "threads": self.resources.threads,
            "gpus": self.resources.gpus,
            "idle_s": self.idle_s,
            "started_us": self.started_us,
        }


class Workspaces:
    """The workspaces of a project folder, run by a backend of this machine.

    Args:
        project: Whose folder they show and whose store and hub they find.
        backend: Runs them.
    """

    def __init__(self, project: ProjectFolder, backend: Backend) -> None:
        self._project = project
        self._backend = backend
        self._root = project.folder / STATE / _PLACE

    def start(
        self,
        name: str = "workspace",
        *,
        resources: Resources | None = None,
        idle_s: float = DEFAULT_IDLE_S,
        wait: Callable[[Workspace], object] | None = None,
    ) -> Workspace:
        """Start a workspace and wait until it answers; one of this name that runs is returned as it is.

        Args:
            name: Letters, digits, ``-`` and ``_``.
            resources: What it may use; by default 2 GB of memory and one core.
            idle_s: After how many seconds without a request and without a cell at work it ends; 0: never.
            wait: Called while it is waited for, with how the workspace is.

        Raises:
            UserError: ``APP062`` for a name that cannot be one or a negative limit.
            UnavailableError: ``APP063`` when it ends or does not answer in time, with the end of its log.
        """
        _check(name, idle_s)
        found = self._find(name)
        if found is None or not found.is_live:
            self._backend.start(self._write(name, resources or Resources(DEFAULT_MEMORY, 1), idle_s))
        return self._wait(name, wait)

    def list(self) -> list[Workspace]:
        """Return every workspace that was started here and not removed, by name."""
        specs = {p.parent.name: self._read(p.parent.name) for p in sorted(self._root.glob(f"*/{_SPEC}"))}
        states = self._backend.status([s.id for s in specs.values()]) if specs else {}
        return [self._shown(name, spec, states[spec.id]) for name, spec in specs.items()]

    def get(self, name: str) -> Workspace:
        """Return a workspace.

        Raises:
            UserError: ``APP064`` when there is none of this name.
        """
        found = self._find(name)
        if found is None:
            known = ", ".join(w.name for w in self.list()) or "none"
            raise UserError(
                "APP064",
                f"there is no workspace '{name}' in {self._project.folder}.",
                f"choose from: {known}.",
            )
        return found

    def stop(self, name: str) -> Workspace:
        """End a workspace with every kernel, and return how it ended; what has ended stays as it is."""
        self.get(name)
        self._backend.stop(self._read(name).id)
        return self.get(name)

    def remove(self, name: str) -> None:
        """Stop a workspace and forget it; files of the project stay."""
        self.stop(name)
        shutil.rmtree(self._root / name, ignore_errors=True)

    def logs(self, name: str) -> str:
        """Return what the server and its kernels printed."""
        self.get(name)
        return self._backend.logs(self._read(name).id).decode(errors="replace")

    def _find(self, name: str) -> Workspace | None:
        if not (self._root / name / _SPEC).exists():
            return None
        spec = self._read(name)
        return self._shown(name, spec, self._backend.status([spec.id])[spec.id])

    def _wait(self, name: str, tell: Callable[[Workspace], object] | None) -> Workspace:
        deadline = time.monotonic() + _READY_AFTER_S
        while True:
            now = self.get(name)
            if now.link is not None:
                return now
            if not now.is_live:
                tail = "\n".join(self.logs(name).splitlines()[-_LOG_LINES:])
                raise _not_ready(name, f"ended before it answered ({now.reason or now.state})", tail)
            if time.monotonic() > deadline:
                raise _not_ready(name, f"did not answer in {_READY_AFTER_S:g} s ({now.reason})", "")
            if tell is not None:
                tell(now)
            time.sleep(0.2)

    def _write(self, name: str, resources: Resources, idle_s: float) -> AttemptSpec:
        place = self._root / name
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o700)
        number = self._read(name).number + 1 if (place / _SPEC).exists() else 1
        node = Node(
            "workspace",
            PROGRAM,
            # Nothing that another workspace did is ever the result of this one.
            parameters={
                "name": name,
                "idle_s": idle_s,
                "number": number,
                "started_us": time.time_ns() // 1000,
            },
            hints={"folder": str(self._project.folder), "place": str(place)},
            resources=resources,
        )
        parts, run = Parts.of(node, {}), f"workspace-{name}"
        spec = AttemptSpec.of(
            node, parts, run=run, store=self._project.store.url, resources=resources, number=number
        )
        # A server that was killed has left its own.
        (place / ADDRESS_FILE).unlink(missing_ok=True)
        aside = place / f".{_SPEC}"
        aside.write_text(to_json(spec))
        aside.replace(place / _SPEC)
        return spec

    def _read(self, name: str) -> AttemptSpec:
        return from_json(AttemptSpec, (self._root / name / _SPEC).read_bytes())

    def _shown(self, name: str, spec: AttemptSpec, status: Status) -> Workspace:
        is_live = status.state in (AttemptState.PENDING, AttemptState.RUNNING)
        address = _read_address(self._root / name / ADDRESS_FILE) if is_live else {}
        return Workspace(
            name,
            status.state,
            status.reason,
            address.get("link"),
            address.get("url"),
            address.get("token"),
            spec.resources,
            float(spec.node.parameters["idle_s"]),
            status.started_us,
        )


def _read_address(path: Path) -> dict[str, str]:
    try:
        told: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return told


def _check(name: str, idle_s: float) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
        raise UserError(
            "APP062",
            f"'{name}' is no name for a workspace.",
            "take up to 40 letters, digits, '-' and '_', beginning with a letter or a digit.",
        )
    if not 0 <= idle_s < float("inf"):
        raise UserError(
            "APP062",
            f"the idle limit of workspace '{name}' is {idle_s:g} s.",
            "give 0 or more seconds; 0 means that it runs until it is stopped.",
        )


def _not_ready(name: str, what: str, tail: str) -> UnavailableError:
    return UnavailableError(
        "APP063",
        f"workspace '{name}' {what}." + (f" Its log ends with:\n{tail}" if tail else ""),
        f"read the whole log with: weft workspace logs {name}",
    )


def open_workspaces(project: ProjectFolder) -> Workspaces:
    """Return the workspaces of a project, run as processes of this machine."""
    backend = project.open_backend("process")
    assert backend is not None
    return Workspaces(project, backend)
