"""A controller of a project's submitted jobs: carries them out until it is stopped, or none is open."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from weft.core import UnavailableError
from weft.flow.engine import Engine, RunState
from weft.flow.locks import FileLock
from weft.project.application.durable import open_engine
from weft.project.application.hooks import JobHooks
from weft.project.application.launch import controller_lock
from weft.project.folder import ProjectFolder

_OPEN = (RunState.WAITING, RunState.QUEUED, RunState.RUNNING)


def serve_jobs(
    folder: ProjectFolder, *, until_idle: bool = False, linger_s: float = 0.0, is_only: bool = False
) -> tuple[str, ...]:
    """Carry out submitted jobs in this process, until Ctrl-C or SIGTERM; what runs is given back then.

    Args:
        folder: The project.
        until_idle: End when no job is open any more.
        linger_s: How long none has to be open for that.
        is_only: Do nothing where a controller works already, and stay while there are schedules.

    Returns:
        Names of the jobs that it took up.

    Raises:
        UnavailableError: ``FLOW085`` when the database did not answer for too long.
    """
    lock = controller_lock(folder)
    if not lock.try_acquire() and is_only:
        return ()
    hooks = JobHooks(folder)
    try:
        with open_engine(folder, hooks) as engine, _ended_by_sigterm():
            idle = _Idle(engine, lock, linger_s, heeds_schedules=is_only)
            engine.serve(until=idle if until_idle else None)
    finally:
        lock.release()
    return tuple(hooks.jobs)


class _Idle:
    """Says whether nothing has been open for some time.

    Who submits a job looks at the lock afterwards, and this looks at jobs once more after it let go of the
    lock: one of the two sees the other.
    """

    def __init__(
        self, engine: Engine, lock: FileLock, linger_s: float, *, heeds_schedules: bool = False
    ) -> None:
        self._engine, self._lock, self._linger_s = engine, lock, linger_s
        self._heeds_schedules = heeds_schedules
        self._since_s: float | None = None

    def __call__(self) -> bool:
        with contextlib.suppress(UnavailableError):
            return self._is_over()
        return False

    def _is_over(self) -> bool:
        now_s = time.monotonic()
        if self._is_wanted():
            self._since_s = None
            return False
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s < self._linger_s:
            return False
        self._lock.release()
        if not self._is_wanted():
            return True
        self._since_s = None
        return not self._lock.try_acquire()

    def _is_wanted(self) -> bool:
        if self._engine.list(states=_OPEN):
            return True
        kept = self._engine.schedules().values() if self._heeds_schedules else ()
        return any(not schedule.is_paused for schedule, _ in kept)


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the controller as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
