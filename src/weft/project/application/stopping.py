"""Stop a job, also where the process that carried it out has died and its workers live on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping

from weft.core import UserError
from weft.flow import Output, Plan, Store
from weft.flow.backends import INLINE, AttemptState, Backend, attempt_id
from weft.flow.engine import RunState as EngineState
from weft.flow.growth import is_grown
from weft.flow.record import Parts, look_up
from weft.hub import RunRecord, RunState
from weft.project.application.durable import engine_status, is_durable, open_engine
from weft.project.application.job import JOB, Job, read_keys
from weft.project.application.jobs import STOP, find_record, read_job, still_runs
from weft.project.application.launch import ensure_controller
from weft.project.application.running import Order
from weft.project.folder import ProjectFolder

_LOOK_EVERY_S = 0.1
_STOP_WITHIN_S = 60.0
# Tries of a task are asked for in blocks: one that a backend forgot leaves a gap.
_TRIES = 8


def stop_job(folder: ProjectFolder, run: str = "latest") -> Job:
    """Stop a job that runs, in whatever process, with everything that its tasks started.

    Where the process that carried it out was killed, what it left at work is ended.

    Raises:
        UserError: ``APP032`` when nothing of it runs.
        UnavailableError: ``APP034`` when it does not end.
    """
    record = find_record(folder, run)
    if is_durable(record):
        return _stop_submitted(folder, record)
    was_running = record.state is RunState.RUNNING
    if was_running:
        record = _ask(folder, record)
    if record.state is RunState.INTERRUPTED and (_end_left(folder, record) or was_running):
        folder.hub.resume_run(record.id)
        record = folder.hub.fail_run(record.id, KeyboardInterrupt())
    elif not was_running:
        raise _does_not_run(record.name, record.state.value)
    return read_job(folder, record)


def _ask(folder: ProjectFolder, record: RunRecord) -> RunRecord:
    """Ask the process that carries a job out, and wait for its end."""
    logs = folder.store.logs(record.name)
    logs.mkdir(parents=True, exist_ok=True)
    (logs / STOP).touch()
    deadline = time.monotonic() + _STOP_WITHIN_S
    while (record := find_record(folder, record.name)).state is RunState.RUNNING:
        if time.monotonic() > deadline:
            raise still_runs(record)
        time.sleep(_LOOK_EVERY_S)
    return record


def _end_left(folder: ProjectFolder, record: RunRecord) -> bool:
    """End what a killed process left of a job; return whether there was anything."""
    about = record.parameters[JOB]
    backend = folder.open_backend(about.get("backend", INLINE), about.get("settings"))
    keys = read_keys(folder.store.logs(record.name))
    keys |= _keys(folder.store, Order.read_plan(folder.store, record.name))
    if backend is None:
        return _await_trees(folder.store, record, keys)
    left = [id for task, key in keys.items() for id in _alive(backend, record.name, task, key)]
    for id in left:
        backend.stop(id)
    return bool(left)


def _keys(store: Store, plan: Plan) -> dict[str, str]:
    """Return the keys of the tasks that may have begun: what they need is there."""
    outputs: dict[str, Output] = {}
    keys = {}
    for node in plan.order:
        if all(source in outputs for source in node.inputs.values()):
            keys[node.name] = Parts.of(node, outputs).key
            record = look_up(store, keys[node.name]).record
            if record is not None and not is_grown(record.value):
                outputs[node.name] = record.output(node.name, store)
    return keys


def _alive(backend: Backend, run: str, task: str, key: str) -> Iterator[str]:
    for start in itertools.count(1, _TRIES):
        found = backend.status([attempt_id(run, task, key, start + i) for i in range(_TRIES)])
        yield from (id for id, s in found.items() if s.state in (AttemptState.PENDING, AttemptState.RUNNING))
        if all(s.state is AttemptState.UNKNOWN for s in found.values()):
            return


def _await_trees(store: Store, record: RunRecord, keys: Mapping[str, str]) -> bool:
    """Wait for the processes of tasks, which end by themselves once nobody holds them."""
    deadline, was_any = time.monotonic() + _STOP_WITHIN_S, False
    for key in keys.values():
        claim = store.claim(key, "stop")
        while not claim.try_acquire():
            if not claim.holder().startswith(f"run {record.name},"):
                break  # another run makes the same by now
            was_any = True
            if time.monotonic() > deadline:
                raise still_runs(record)
            time.sleep(_LOOK_EVERY_S)
        claim.release()
    return was_any


def _stop_submitted(folder: ProjectFolder, record: RunRecord) -> Job:
    with open_engine(folder) as engine:
        status = engine_status(folder, record)
        if status is None or status.state.is_over:
            raise _does_not_run(record.name, (status or record).state.value)
        engine.cancel(record.name)
        if engine.status(record.name).state.is_open:
            ensure_controller(folder)  # something may still be at work that only a controller can end
        ended = engine.wait(record.name, timeout_s=_STOP_WITHIN_S)
    if ended.state.is_open:
        raise still_runs(folder.hub.get_run(record.id))
    found = folder.hub.get_run(record.id)
    if ended.state is EngineState.CANCELLED and found.state is not RunState.CANCELLED:
        # No controller had it, so none has told the hub.
        folder.hub.take_run(record.id)
        found = folder.hub.fail_run(record.id, KeyboardInterrupt())
    return read_job(folder, found)


def _does_not_run(run: str, state: str) -> UserError:
    return UserError(
        "APP032",
        f"job {run} does not run: it is {state}.",
        "name a job that runs; weft job status shows how it is.",
    )
