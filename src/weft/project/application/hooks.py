"""What a controller tells the hub of the jobs that it carries out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from weft.core import UserError, WeftError
from weft.flow import Event, RunResult
from weft.flow.engine import Hooks
from weft.flow.engine import RunState as EngineState
from weft.hub import RunRecord, RunState
from weft.project.application.durable import is_durable
from weft.project.application.job import JOB, Recorder
from weft.project.application.running import Order, register_models
from weft.project.folder import ProjectFolder
from weft.project.outside import told_outside


class JobHooks(Hooks):
    """Keeps the record of a job in the hub as the engine has it, and registers what the job made.

    Runs that are no jobs of the project are let be. A controller may die between any two lines, so
    everything here can be done again.

    Attributes:
        jobs: Names of the jobs that were taken up, in that order.
    """

    def __init__(self, folder: ProjectFolder) -> None:
        self._folder, self._hub, self._store = folder, folder.hub, folder.store
        self.jobs: list[str] = []
        self._recorders: dict[str, Recorder] = {}
        self._tellings: dict[str, tuple[contextlib.ExitStack, Callable[[RunResult], None]]] = {}
        self._lock = threading.Lock()

    def began(self, run: str) -> None:
        """Take the job over in the hub from whoever had it."""
        record = self._record(run) or self._scheduled(run)
        if record is None:
            return
        if record.state is not RunState.SUCCEEDED:
            self._hub.take_run(record.id)
        with self._lock:
            self._recorders[run] = Recorder(self._store.logs(run))
            if run not in self.jobs:
                self.jobs.append(run)
        if run not in self._tellings:
            stack = contextlib.ExitStack()
            plan = Order.read_plan(self._store, run)
            told = stack.enter_context(told_outside(self._folder, plan, None, run))
            self._tellings[run] = stack, told

    def event(self, run: str, event: Event) -> None:
        """Write an event where everybody reads how the job is."""
        if recorder := self._recorders.get(run):
            recorder(event)

    def succeeded(self, result: RunResult) -> None:
        """Register the models and where all came from, and end the job in the hub."""
        record = self._record(result.run)
        if record is None:
            return
        if record.state is not RunState.SUCCEEDED:
            plan = Order.read_plan(self._store, record.name)
            models = register_models(self._folder, plan, record.parameters[JOB]["models"], record, result)
            results = {"models": models, "seconds": result.seconds}
            self._hub.finish_run(record.id, results=results)
        stack, told = self._forget(result.run)
        told(result)
        stack.close()

    def ended(self, run: str, state: EngineState, error: WeftError | None) -> None:
        """Say in the hub why the job ended; one that stands still or moves on stays as it is."""
        record = self._record(run)
        if record is None:
            return
        stack, _ = self._forget(run)
        raised: BaseException = error or KeyboardInterrupt()
        stack.__exit__(type(raised), raised, None)
        if record.state is not RunState.RUNNING:
            return
        if state is EngineState.FAILED and error is not None:
            self._hub.fail_run(record.id, error, results={"exit_code": error.exit_code})
        elif state is EngineState.CANCELLED:
            self._hub.fail_run(record.id, KeyboardInterrupt())

    def _record(self, run: str) -> RunRecord | None:
        try:
            record = self._hub.get_run(run)
        except UserError:
            return None
        is_job = record.name == run and JOB in record.parameters and is_durable(record)
        return record if is_job else None

    def _scheduled(self, run: str) -> RunRecord | None:
        """Let the hub know a job that a schedule began."""
        about = Order.read_about(self._store, run)
        if about is None:
            return None
        order, plan = Order.read(self._store, run), Order.read_plan(self._store, run)
        return self._hub.start_run(
            name=run, project=order.name, plan_digest=plan.digest, parameters={JOB: about}
        )

    def _forget(self, run: str) -> tuple[contextlib.ExitStack, Callable[[RunResult], None]]:
        with self._lock:
            self._recorders.pop(run, None)
        return self._tellings.pop(run, (contextlib.ExitStack(), lambda _: None))
