"""One node at work in a thread: claim, attempts, result."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.core import (
    InvariantError,
    Resources,
    UnavailableError,
    UserError,
    WeftError,
    peak_memory_bytes,
    reset_peak_memory,
)
from weft.flow.events import Event, NodeState, Output
from weft.flow.faults import disk_full, is_disk_full
from weft.flow.folder import find_left
from weft.flow.locks import FileLock
from weft.flow.logs import AttemptLog, image_not_used, log_name
from weft.flow.plan import Node
from weft.flow.program import Cancelled, Context, Watch, find_program
from weft.flow.record import Parts, Record, Stats, commit, look_up
from weft.flow.store import Store

_MAX_BACKOFF_S = 30.0


@dataclass
class Job:
    """One node that has to run, and what it needs for that.

    ``is_shared`` is set by the coordinator once another node runs at the same time: then what
    the process uses is not what this node uses. With ``is_repeated`` only a result of this run counts.
    ``records`` are the digests of the records behind ``inputs``.
    ``log`` takes what the program prints, by default a file; ``before_commit`` is called between the
    program and its result. ``claim`` is the open file that holds the claim on the key.
    """

    node: Node
    parts: Parts
    key: str
    why: str
    inputs: dict[str, Output]
    share: Resources
    run: str
    backoff_s: float
    cancelled: threading.Event
    is_shared: bool = False
    attempt: int = 1
    is_repeated: bool = False
    records: Mapping[str, str] = field(default_factory=dict)
    log: Callable[[bytes], object] | None = None
    before_commit: Callable[[], None] | None = None
    claim: int | None = None


@dataclass(frozen=True)
class Ending:
    """How a job ended: a record, or an error."""

    job: Job
    state: NodeState
    why: str = ""
    record: Record | None = None
    digest: str = ""
    error: BaseException | None = None
    stats: Stats = field(default_factory=Stats)


def perform(job: Job, store: Store, post: Callable[[Event | Ending], None]) -> None:
    """Run a node to its end; whatever happens is posted, nothing is raised."""
    _told(_claimed, job, store, post)


def assist(job: Job, store: Store, post: Callable[[Event | Ending], None]) -> None:
    """Run a node's program beside the worker that keeps the result; what it makes here is not kept."""
    _told(_assisted, job, store, post)


def _told(
    work: Callable[[Job, Store, Callable[[Event | Ending], None]], Ending],
    job: Job,
    store: Store,
    post: Callable[[Event | Ending], None],
) -> None:
    try:
        post(work(job, store, post))
    except Cancelled:
        post(Ending(job, NodeState.CANCELLED, "interrupted"))
    except BaseException as error:
        post(Ending(job, NodeState.FAILED, str(error).split("\n")[0], error=_as_coded(job.node, error)))


def _claimed(job: Job, store: Store, post: Callable[[Event | Ending], None]) -> Ending:
    claim = store.claim(job.key, f"run {job.run}, process {os.getpid()}")
    _wait_for(claim, job, post)
    job.claim = claim.file
    try:
        found = look_up(store, job.key)
        if found.record is not None and not (job.is_repeated and found.record.run != job.run):
            why = f"made meanwhile by run {found.record.run}"
            return Ending(job, NodeState.CACHED, why, found.record, found.digest, stats=found.record.stats)
        return _attempts(job, store, post)
    finally:
        claim.release()


def _wait_for(claim: FileLock, job: Job, post: Callable[[Event | Ending], None]) -> None:
    if claim.try_acquire():
        return
    note = f"waiting for {claim.holder() or 'another process'}, which computes the same"
    post(Event(job.node.name, NodeState.PROGRESS, note=note, key=job.key))
    if not claim.acquire(job.cancelled):
        raise Cancelled(job.node.name)


def _attempts(job: Job, store: Store, post: Callable[[Event | Ending], None]) -> Ending:
    while True:
        post(Event(job.node.name, NodeState.STARTED, job.why, attempt=job.attempt, key=job.key))
        try:
            return _attempt(job, store, post)
        except Exception as error:
            # The same input would be refused again.
            if job.attempt > job.node.retries or isinstance(error, UserError):
                raise
            note = f"attempt {job.attempt} failed ({str(error).splitlines()[0]}), trying again"
            post(Event(job.node.name, NodeState.PROGRESS, note=note, attempt=job.attempt, key=job.key))
            if job.cancelled.wait(pause_s(job.backoff_s, job.attempt)):
                raise Cancelled(job.node.name) from None
            job.attempt += 1


def _attempt(job: Job, store: Store, post: Callable[[Event | Ending], None]) -> Ending:
    with _at_work(job, store, post) as context:
        value, stats = _run(job, context)
        if job.before_commit is not None:
            job.before_commit()
        left = find_left(job.node.name, context.directory)
        record, digest = commit(store, job.parts, left, value=value, run=job.run, stats=stats)
        shutil.rmtree(store.unfinished(job.key), ignore_errors=True)
    return Ending(job, NodeState.RAN, job.why, record, digest, stats=stats)


def _assisted(job: Job, store: Store, post: Callable[[Event | Ending], None]) -> Ending:
    post(Event(job.node.name, NodeState.STARTED, job.why, attempt=job.attempt, key=job.key))
    with _at_work(job, store, post) as context:
        _, stats = _run(job, context)
    return Ending(job, NodeState.RAN, job.why, stats=stats)


@contextlib.contextmanager
def _at_work(job: Job, store: Store, post: Callable[[Event | Ending], None]) -> Iterator[Context]:
    name = job.node.name

    def tell(done: float, total: float | None, note: str) -> None:
        post(Event(name, NodeState.PROGRESS, done=done, total=total, note=note, key=job.key))

    watch = Watch(job.node, job.cancelled, tell)
    with (
        store.scratch(name) as directory,
        _removed(f"{directory}-scratch") as scratch,
        AttemptLog(store.logs(job.run) / log_name(name, job.attempt)) as log,
    ):
        if job.node.image is not None and job.log is None:
            log.write(image_not_used(job.node.image))
        unfinished = store.unfinished(job.key)
        yield _context(job, store, directory, scratch, unfinished, watch, job.log or log.write)


def _run(job: Job, context: Context) -> tuple[dict[str, Any], Stats]:
    program: Callable[[Context], dict[str, Any] | None] = find_program(job.node.program)
    if not job.is_shared:
        reset_peak_memory()
    started, cpu_started = time.perf_counter(), time.process_time()
    value = _plain_value(job.node.name, program(context))
    seconds = time.perf_counter() - started
    cpu_s = None if job.is_shared else time.process_time() - cpu_started
    context.check()
    return value, Stats(seconds, cpu_s, peak_memory_bytes(), context._reported.get("rows"))


def pause_s(backoff_s: float, attempt: int) -> float:
    """Return how long to wait after a try that failed."""
    return min(backoff_s * 2.0 ** min(attempt - 1, 30), _MAX_BACKOFF_S)


@contextlib.contextmanager
def _removed(path: str) -> Iterator[Path]:
    """Yield a path where a folder may be made; it is removed afterwards."""
    try:
        yield Path(path)
    finally:
        if Path(path).exists():
            shutil.rmtree(path, ignore_errors=True)


def _context(
    job: Job,
    store: Store,
    directory: Path,
    scratch: Path,
    unfinished: Path,
    watch: Watch,
    log: Callable[[bytes], object],
) -> Context:
    return Context(
        node=job.node.name,
        parameters=copy.deepcopy(job.node.parameters),
        hints=copy.deepcopy(job.node.hints),
        digests=dict(job.node.digests),
        inputs=job.inputs,
        directory=directory,
        resources=job.share,
        limits=job.node.resources,
        progress=watch,
        attempt=job.attempt,
        variables=dict(job.node.variables),
        secrets=dict(job.node.secrets),
        nodes=job.node.nodes,
        store=store,
        log=log,
        claim=job.claim,
        _watch=watch,
        _scratch=scratch,
        _unfinished=unfinished,
    )


def _plain_value(name: str, value: Any) -> dict[str, Any]:
    """Return the value as it will be read from the store, so that a hit equals a run."""
    try:
        plain = json.loads(json.dumps({} if value is None else value))
        if isinstance(plain, dict):
            return plain
        reason = f"it is a {type(value).__name__}, not a dict"
    except (TypeError, ValueError) as error:
        reason = str(error)
    raise InvariantError(
        "FLOW018",
        f"what node '{name}' returned cannot be kept: {reason}.",
        "return a dict of plain JSON values, and write everything else to context.directory.",
    )


def _as_coded(node: Node, error: BaseException) -> WeftError:
    if isinstance(error, WeftError):
        return error
    coded: WeftError
    if is_disk_full(error):
        coded = disk_full(f"node '{node.name}'")
    elif isinstance(error, MemoryError):
        coded = UnavailableError(
            "FLOW019",
            f"node '{node.name}' ran out of memory.",
            "raise the memory limit, or give it less to do.",
        )
    else:
        coded = InvariantError(
            "FLOW007",
            f"node '{node.name}' failed: {type(error).__name__}: {error}.",
            f"look into the program {node.program}, where this was raised.",
        )
    coded.__cause__ = error
    return coded
