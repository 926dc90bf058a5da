"""The project folder: settings, store, hub and limits in one place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Resources, UnavailableError, parse_size
from weft.flow import Control, Event, Plan, RunResult, Store, run_plan
from weft.flow.backends import INLINE, Backend, check_backend_name
from weft.hub import Hub
from weft.project.backends import bound_here, open_backend
from weft.project.outside import told_outside
from weft.project.progress import show_progress
from weft.project.settings import ProjectSettings, read_settings, resolve_address

STATE = ".weft"


class ProjectFolder:
    """Where a project keeps what it was told and what it made.

    Args:
        folder: Holds ``weft.yaml`` (optional) and ``.weft``, made when something is to be kept.
        memory_limit: Such as ``"4GB"``; overrides ``weft.yaml``. Default: six tenths of the machine's memory.
        threads: Overrides ``weft.yaml``. Default: every core.
        on_event: Called with every event of a plan; ``None`` shows progress on a terminal's stderr.
        backend: Where the nodes of plans run: ``inline`` (threads of this process) or ``process``, or a
            backend of your own.
    """

    def __init__(
        self,
        folder: str | Path = ".",
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        on_event: Callable[[Event], None] | None = None,
        backend: str | Backend = INLINE,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.settings: ProjectSettings = read_settings(self.folder)
        self.resources = _limits(self.settings, memory_limit, threads)
        self._on_event = on_event
        self._told: set[str] = set()
        self._backend = check_backend_name(backend) if isinstance(backend, str) else backend

    @property
    def is_unused(self) -> bool:
        """Whether nothing was ever kept here; asking makes no ``.weft``."""
        return not (self.folder / STATE).exists() and self.settings.database is None

    @functools.cached_property
    def store(self) -> Store:
        """What was computed, by digest; copies of what lies far away, and logs, are kept in ``.weft``."""
        if self.settings.store is None:
            return Store(self.state)
        return Store(resolve_address(self.settings.store, self.folder), cache=self.state)

    @functools.cached_property
    def hub(self) -> Hub:
        """Runs and what was published, by name."""
        if self.settings.database is not None:
            return Hub(resolve_address(self.settings.database, self.folder))
        return Hub(self.state / "weft.db")

    @functools.cached_property
    def state(self) -> Path:
        """The folder ``.weft``; made when missing."""
        state = self.folder / STATE
        try:
            state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(
                "DATA114",
                f"the folder {state} cannot be made: {error.strerror}.",
                "choose another with --project, or free the place.",
            ) from error
        return state

    @functools.cached_property
    def backend(self) -> Backend | None:
        """Where nodes run; ``None`` for threads of this process."""
        return self.open_backend(self._backend)

    def open_backend(
        self, backend: str | Backend, settings: Mapping[str, Any] | None = None
    ) -> Backend | None:
        """Return a backend for this project's store and limits; ``None`` for threads of this process.

        Args:
            backend: Its name, or itself.
            settings: As under ``backends`` in a deployment.

        Raises:
            UserError: ``FLOW093`` when there is none of this name, ``FLOW090`` for a setting that it has not.
        """
        return open_backend(backend, self.store, self.resources, settings)

    def keep_table(self, table: pa.Table) -> str:
        """Put a table of the user's own into the store; return the digest of its Parquet file."""
        with self.store.scratch("table") as scratch:
            path = scratch / "table.parquet"
            pq.write_table(table, path, compression="zstd")
            return self.store.put_file(path)

    def run(
        self,
        plan: Plan,
        *,
        targets: tuple[str, ...] | None = None,
        name: str | None = None,
        control: Control | None = None,
        also: Callable[[Event], None] | None = None,
        backend: Backend | None = None,
    ) -> RunResult:
        """Run ``plan`` with this project's store and limits, showing progress.

        Args:
            plan: What to run.
            targets: Nodes that are wanted; all when left out.
            name: Of the run; the store keeps what a named run used until the run is deleted.
            control: How the run is stopped from outside, and which nodes it repeats.
            also: Called with every event, too.
            backend: Where nodes run; the project's own when left out.
        """
        options: dict[str, Any] = {"targets": targets, "run": name, "control": control}
        options["backend"] = backend or self.backend
        with told_outside(self, plan, targets, name) as told:
            result = self._run(plan, options, also)
            told(result)
        return result

    def _run(self, plan: Plan, options: dict[str, Any], also: Callable[[Event], None] | None) -> RunResult:
        if self._on_event is not None:
            return self._run_watched(plan, options, _both(self._on_event, also))
        targets = options["targets"]
        num_nodes = len(plan.nodes if targets is None else plan.needed_for(targets))
        with show_progress(num_nodes, self._told) as shown:
            return self._run_watched(plan, options, _both(shown, also))

    def _run_watched(self, plan: Plan, options: dict[str, Any], watch: Callable[[Event], None]) -> RunResult:
        given: dict[str, Any] = {"resources": self.resources, "on_event": watch}
        if options["backend"] is not None and (here := bound_here(plan, options["targets"])):
            run_plan(plan, self.store, **given, targets=here, control=options["control"])
        return run_plan(plan, self.store, **given, **options)


def _both(first: Callable[[Event], None], second: Callable[[Event], None] | None) -> Callable[[Event], None]:
    if second is None:
        return first

    def tell(event: Event) -> None:
        second(event)
        first(event)

    return tell


def _limits(settings: ProjectSettings, memory_limit: str | None, threads: int | None) -> Resources:
    machine = Resources.of_machine()
    limit = memory_limit or settings.memory_limit
    return Resources(
        parse_size(limit) if limit else machine.memory_bytes,
        threads or settings.threads or machine.threads,
        settings.gpus,
    )
