"""Where a coordinator has its nodes run: in threads of this process, or on a backend."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from weft.core import UnavailableError, UserError, WeftError
from weft.flow.attempt import Ending, Job, pause_s, perform
from weft.flow.backends.base import AttemptSpec, AttemptState, Backend, Status, attempt_id
from weft.flow.events import Event, NodeState
from weft.flow.program import Cancelled
from weft.flow.record import look_up
from weft.flow.store import Store

_LOOK_EVERY_S = 0.1
# A job is looked at again after a twentieth of the time for which nothing happened.
_SHARE, _LEAST_S, _MOST_S = 0.05, 0.002, 0.5
_PATIENCE_S = 300.0
_MOST_REFUSALS = 8


class Launcher(Protocol):
    """Runs jobs, and says one after the other what happens to them."""

    def start(self, job: Job) -> None:
        """Begin a job; return at once."""

    def next(self, stop: threading.Event | None) -> Event | Ending:
        """Wait for what happens next.

        Raises:
            Cancelled: ``stop`` was set.
        """

    def stop(self) -> None:
        """Ask everything that runs to stop; `next` still tells of each how it ended."""


class ThreadLauncher:
    """Runs each job in a thread of this process."""

    def __init__(self, store: Store, cancelled: threading.Event) -> None:
        self._store, self._cancelled = store, cancelled
        self._inbox: queue.SimpleQueue[Event | Ending] = queue.SimpleQueue()

    def start(self, job: Job) -> None:
        """Begin a job."""
        # A daemon, so that a program that never looks up does not hold the process back.
        arguments = (job, self._store, self._inbox.put)
        threading.Thread(target=perform, args=arguments, name=job.node.name, daemon=True).start()

    def next(self, stop: threading.Event | None) -> Event | Ending:
        """Wait for what happens next."""
        if stop is None:
            return self._inbox.get()
        while not stop.is_set():
            with contextlib.suppress(queue.Empty):
                return self._inbox.get(timeout=_LOOK_EVERY_S)
        raise Cancelled

    def stop(self) -> None:
        """Ask everything that runs to stop."""
        self._cancelled.set()


@dataclass
class _Try:
    job: Job
    spec: AttemptSpec
    last: int
    status: Status | None = None
    refusals: int = 0


class BackendLauncher:
    """Runs jobs as attempts on a backend, and asks it how they are.

    Tries of a node are numbered from 1 in blocks of as many as it has: a controller that takes a run over
    asks for the same numbers, adopts what runs, and goes on behind what has failed.

    Args:
        backend: Where attempts run.
        store: Where they leave results.
        is_named: Whether attempts of an earlier controller of the run may be there.
        is_patient: Whether a backend that has not answered yet is asked again as one that has. Where
            somebody waits for the first answer, it is rather told.
    """

    def __init__(self, backend: Backend, store: Store, *, is_named: bool, is_patient: bool = False) -> None:
        self._backend, self._store, self._is_named = backend, store, is_named
        self._is_trusted = is_patient
        self._tries: dict[str, _Try] = {}
        self._later: list[tuple[float, int, _Try]] = []
        self._counter = itertools.count()
        self._told: deque[Event | Ending] = deque()
        self._changed = time.monotonic()
        self._unheard_since: float | None = None
        self._is_stopping = False

    def start(self, job: Job) -> None:
        """Begin the first try that is not over."""
        number = 1
        while self._is_named and self._is_over(self._id(job, number)):
            number += 1
        block = job.node.retries + 1
        self._begin(_Try(job, self._spec(job, number), -(-number // block) * block))

    def next(self, stop: threading.Event | None) -> Event | Ending:
        """Wait for what happens next."""
        while not self._told:
            if stop is not None and stop.is_set():
                raise Cancelled
            while self._later and self._later[0][0] <= time.monotonic():
                self._begin(heapq.heappop(self._later)[2])
            self._poll()
            if not self._told:
                self._wait(stop)
        return self._told.popleft()

    def stop(self) -> None:
        """Stop all attempts; several at a time, since each may take its time."""
        self._is_stopping = True
        for _, _, later in self._later:
            self._told.append(Ending(later.job, NodeState.CANCELLED, "interrupted"))
        self._later.clear()
        threads = [threading.Thread(target=self._stop, args=(id,), daemon=True) for id in self._tries]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _stop(self, id: str) -> None:
        # One that cannot be stopped is still told of, once it ends.
        with contextlib.suppress(WeftError):
            self._backend.stop(id)

    def _id(self, job: Job, number: int) -> str:
        return attempt_id(job.run, job.node.name, job.key, number)

    def _is_over(self, id: str) -> bool:
        while True:
            try:
                found = self._backend.status([id])[id]
            except UnavailableError as error:
                self._bear(error)
                time.sleep(_MOST_S)
            else:
                self._hear_from()
                return found.state.is_ended

    def _spec(self, job: Job, number: int) -> AttemptSpec:
        node = job.node
        job.attempt = number
        return AttemptSpec.of(
            node,
            job.parts,
            run=job.run,
            store=self._store.url,
            resources=job.share,
            number=number,
            inputs=job.records,
            is_repeated=job.is_repeated,
        )

    def _begin(self, attempt: _Try) -> None:
        self._changed = time.monotonic()
        try:
            self._backend.start(attempt.spec)
        except UnavailableError as error:
            if not self._is_trusted:
                raise
            self._again(attempt, error, attempt.spec.number)
        except WeftError as error:
            self._fail(attempt, error)
        else:
            self._hear_from()
            self._tries[attempt.spec.id] = attempt

    def _poll(self) -> None:
        if not self._tries:
            return
        try:
            found = self._backend.status(list(self._tries))
        except UnavailableError as error:
            self._bear(error)
            return
        self._hear_from()
        for id, status in found.items():
            if status != self._tries[id].status:
                self._changed = time.monotonic()
                self._hear(self._tries[id], status)

    def _bear(self, error: UnavailableError) -> None:
        """Put up with a backend that does not answer, for a while."""
        now = time.monotonic()
        self._unheard_since = self._unheard_since or now
        if not self._is_trusted or now - self._unheard_since > _PATIENCE_S:
            raise error

    def _hear_from(self) -> None:
        self._unheard_since = None
        self._is_trusted = True

    def _wait(self, stop: threading.Event | None) -> None:
        since = time.monotonic() - self._changed
        pause = min(max(since * _SHARE, _LEAST_S), _MOST_S)
        if self._later:
            pause = min(pause, max(0.0, self._later[0][0] - time.monotonic()))
        if stop is None:
            time.sleep(pause)
        else:
            stop.wait(pause)

    def _hear(self, attempt: _Try, status: Status) -> None:
        before, attempt.status = attempt.status, status
        name, job = attempt.job.node.name, attempt.job
        if status.state.is_ended:
            del self._tries[attempt.spec.id]
            self._end(attempt, status)
        elif status.state is AttemptState.UNKNOWN:
            del self._tries[attempt.spec.id]
            self._again(attempt, _forgotten(attempt, self._backend.name), attempt.spec.number + 1)
        elif status.state is AttemptState.PENDING:
            self._tell(Event(name, NodeState.PROGRESS, note=status.reason, key=job.key))
        elif before is None or before.state is not AttemptState.RUNNING:
            self._tell(Event(name, NodeState.STARTED, job.why, attempt=job.attempt, key=job.key))
        if status.progress is not None and (before is None or status.progress != before.progress):
            done, total, note = status.progress
            self._tell(Event(name, NodeState.PROGRESS, done=done, total=total, note=note, key=job.key))

    def _end(self, attempt: _Try, status: Status) -> None:
        if status.state is AttemptState.SUCCEEDED:
            self._finish(attempt, status)
        elif status.state is AttemptState.STOPPED and self._is_stopping:
            self._tell(Ending(attempt.job, NodeState.CANCELLED, "interrupted"))
        elif status.state is AttemptState.STOPPED:
            self._fail(attempt, _stopped(attempt))
        else:
            error = self._error(attempt, status)
            if isinstance(error, UserError) or attempt.spec.number >= attempt.last or self._is_stopping:
                self._fail(attempt, error)
            else:
                self._again(attempt, error, attempt.spec.number + 1)

    def _finish(self, attempt: _Try, status: Status) -> None:
        from weft.flow.worker.result import read_result

        job = attempt.job
        try:
            result = read_result(self._store, attempt.spec.id)
            found = look_up(self._store, job.key)
        except WeftError as error:
            self._fail(attempt, error)
            return
        if found.record is None:
            self._fail(attempt, _lost(attempt, found.fault))
            return
        why = result.why if result is not None else ""
        state = NodeState.CACHED if why else NodeState.RAN
        stats = found.record.stats
        self._tell(Ending(job, state, why or job.why, found.record, found.digest, stats=stats))

    def _error(self, attempt: _Try, status: Status) -> WeftError:
        from weft.flow.worker.result import error_of, read_result

        try:
            result = read_result(self._store, attempt.spec.id)
        except WeftError as error:
            return error
        return error_of(result, status, attempt.spec, self._backend.name)

    def _again(self, attempt: _Try, error: WeftError, number: int) -> None:
        job = attempt.job
        attempt.refusals += number == attempt.spec.number
        if number > attempt.last or attempt.refusals > _MOST_REFUSALS:
            self._fail(attempt, error)
            return
        note = f"attempt {job.attempt} failed ({str(error).splitlines()[0]}), trying again"
        self._tell(Event(job.node.name, NodeState.PROGRESS, note=note, attempt=job.attempt, key=job.key))
        when = time.monotonic() + pause_s(job.backoff_s, job.attempt + attempt.refusals)
        attempt.spec, attempt.status = self._spec(job, number), None
        heapq.heappush(self._later, (when, next(self._counter), attempt))

    def _fail(self, attempt: _Try, error: WeftError) -> None:
        self._tell(Ending(attempt.job, NodeState.FAILED, str(error).split("\n")[0], error=error))

    def _tell(self, message: Event | Ending) -> None:
        self._told.append(message)


def _stopped(attempt: _Try) -> UserError:
    return UserError(
        "FLOW070",
        f"attempt {attempt.spec.number} of node '{attempt.job.node.name}' was stopped from outside the run.",
        "run it again; what is finished is kept.",
    )


def _forgotten(attempt: _Try, backend: str) -> UnavailableError:
    return UnavailableError(
        "FLOW063",
        f"node '{attempt.job.node.name}', attempt {attempt.spec.number} on {backend} ended without a result: "
        "the backend knows nothing of it any more.",
        "run it again; what is finished is kept.",
    )


def _lost(attempt: _Try, fault: str) -> UnavailableError:
    return UnavailableError(
        "FLOW063",
        f"node '{attempt.job.node.name}', attempt {attempt.spec.number} succeeded, but ended without a "
        f"result in the store: {fault or 'there is none under its key'}.",
        "check that the worker and this process use the same store, then run it again.",
    )
