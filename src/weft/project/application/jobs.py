"""Jobs of a project, found again: how they are, what they printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weft.core import InvariantError, UnavailableError, UserError, WeftError
from weft.flow import NodeState
from weft.flow.engine import RunStatus
from weft.flow.events import Output
from weft.flow.growth import RESULT, is_grown
from weft.flow.record import look_up
from weft.hub import RunRecord, RunState
from weft.project.application.durable import engine_status
from weft.project.application.job import JOB, Job, read_keys, read_nodes
from weft.project.application.printed import PrintedLog
from weft.project.folder import ProjectFolder

STOP = "stop"
_LOOK_EVERY_S = 0.1
_KINDS: dict[int, type[WeftError]] = {1: UserError, 2: UnavailableError, 3: InvariantError}


def find_record(folder: ProjectFolder, run: str = "latest") -> RunRecord:
    """Return the record of a job by its name, its start, or ``latest``.

    Raises:
        UserError: ``APP031`` when there is none, or the run is not one of a flow.
    """
    records = () if folder.is_unused else folder.hub.list_runs()
    jobs = [r for r in records if JOB in r.parameters]
    if run == "latest" and jobs:
        return jobs[0]
    if run == "latest" or folder.is_unused:
        raise UserError(
            "APP031", f"there is no job in {folder.folder} yet.", "run one: weft job run, in the project."
        )
    found = folder.hub.get_run(run)
    if JOB not in found.parameters:
        raise UserError("APP031", f"the run {found.name} is none of a flow.", f"see weft runs {found.name}.")
    return found


def find_job(folder: ProjectFolder, run: str = "latest") -> Job:
    """Return a job as it is now.

    Raises:
        UserError: As `find_record`.
    """
    return read_job(folder, find_record(folder, run))


def read_job(folder: ProjectFolder, record: RunRecord, error: WeftError | None = None) -> Job:
    """Put a job together from its record and its events."""
    about = record.parameters[JOB]
    status = engine_status(folder, record)
    state = record.state.value if status is None else status.state.value
    nodes = read_nodes(folder.store.logs(record.name), tuple(about["tasks"]), state)
    models = tuple(record.results.get("models", ()))
    if error is None and state == RunState.FAILED:
        error = _error(record) or _error_of_engine(status)
    told = {"models": models, "error": error, "name": about.get("name", "")}
    return Job(record.name, state, about["flow"], nodes, about["parameters"], **told)


def job_logs(folder: ProjectFolder, run: str = "latest", task: str | None = None) -> dict[str, str]:
    """Return what the tasks of a job printed; of one that came from the store, what it printed when it ran.

    Args:
        folder: The project.
        run: Name of the job, its start, or ``latest``.
        task: Only this one.

    Raises:
        UserError: ``APP033`` for a task that the job has not.
    """
    record = find_record(folder, run)
    job = read_job(folder, record)
    names = [job.node(task).name] if task is not None else [n.name for n in job.nodes]
    return {name: _log(folder, record.name, name) or _earlier(folder, job, name) for name in names}


def follow_logs(folder: ProjectFolder, run: str = "latest", task: str | None = None) -> Iterator[str]:
    """Yield what the tasks of a job print, as it comes, until the job has ended."""
    record = find_record(folder, run)
    logs: dict[str, PrintedLog] = {}
    found: set[str] = set()
    while True:
        record = find_record(folder, record.name)
        is_open, job = _is_open(folder, record), read_job(folder, record)
        for node in job.nodes if task is None else [job.node(task)]:
            name = node.name
            log = logs.setdefault(name, PrintedLog(folder, record.name, name))
            text = log.read(is_last=not is_open)
            if log.is_empty and node.state == NodeState.CACHED and name not in found:
                found.add(name)
                text = _earlier(folder, job, name)
            if text:
                yield text
        if not is_open:
            return
        time.sleep(_LOOK_EVERY_S)


def still_runs(record: RunRecord) -> UnavailableError:
    """Make the error for a job that was asked to stop and does not."""
    return UnavailableError(
        "APP034",
        f"job {record.name} was asked to stop and still runs: process {record.pid} on {record.host}.",
        "wait and ask again, or end that process.",
    )


def task_output(folder: ProjectFolder, job: Job, task: str) -> Output:
    """Return what a task of a job made, as the store has it.

    Raises:
        WeftError: What ended the job, if anything did; ``APP033`` for a task that it has not, ``APP071`` for
            one that has no result.
    """
    name = job.node(task).name
    if job.error is not None:
        raise job.error
    keys = read_keys(folder.store.logs(job.run))
    while name in keys:
        record = look_up(folder.store, keys[name]).record
        if record is None:
            break
        if not is_grown(record.value):
            return record.output(task, folder.store)
        # A task that returned a plan has the result of one of its nodes.
        name = f"{name}/{record.value[RESULT]}"
    raise UserError(
        "APP071",
        f"task '{task}' of job {job.run}, which is {job.state}, has no result.",
        "wait for the job, or go on with it: weft job retry.",
    )


def _is_open(folder: ProjectFolder, record: RunRecord) -> bool:
    """Whether a job is on its way to an end by itself."""
    status = engine_status(folder, record)
    return record.state is RunState.RUNNING if status is None else status.state.is_open


def _log(folder: ProjectFolder, run: str, task: str) -> str:
    """Return what a task printed in a job, all attempts one after another."""
    return PrintedLog(folder, run, task).read()


def _earlier(folder: ProjectFolder, job: Job, task: str) -> str:
    """Return what a task printed in the job that made its result."""
    maker = job.node(task).why.partition("made by run ")[2]
    return _log(folder, maker, task) if maker and not set(maker) & set("/\\") else ""


def _error(record: RunRecord) -> WeftError | None:
    said: dict[str, Any] = record.error or {}
    if not said.get("code"):
        return None
    kind = _KINDS[int(record.results.get("exit_code", 1))]
    return kind(said["code"], said["message"], said.get("hint", ""))


def _error_of_engine(status: RunStatus | None) -> WeftError | None:
    if status is None or not status.code:
        return None
    return UserError(status.code, status.reason.removeprefix(f"{status.code}: "), "")


def stop_asked(folder: Path) -> bool:
    """Whether somebody asked the job that logs to ``folder`` to stop."""
    return (folder / STOP).exists()
