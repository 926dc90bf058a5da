"""Jobs on the engine of durable runs: submitted, let stand still, gone on with, waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from weft.compile.application import CompiledFlow
from weft.core import UserError
from weft.flow.engine import RunOptions
from weft.hub import RunRecord
from weft.project.application.durable import is_durable, name_backend, open_engine
from weft.project.application.job import JOB, Job, read_keys
from weft.project.application.jobs import find_record, read_job, still_runs
from weft.project.application.launch import ensure_controller
from weft.project.application.running import Order, describe_job, ended
from weft.project.folder import ProjectFolder

_PAUSE_WITHIN_S = 60.0


def submit_order(
    folder: ProjectFolder,
    compiled: CompiledFlow,
    order: Order,
    *,
    repeat: frozenset[str],
    backend: str,
    settings: Mapping[str, Any],
    more: Mapping[str, Any],
    before: str = "",
) -> Job:
    """Ask for a compiled flow as a new job, see that a controller is there, and return."""
    folder.open_backend(backend, settings)  # what it refuses is said here
    _, kept = name_backend(folder, backend, settings)
    about = describe_submitted(compiled, order, backend, settings, repeat) | {"before": before, **more}
    with open_engine(folder) as engine:
        plan = folder.store.put_bytes(compiled.plan.to_json().encode())
        record = folder.hub.start_run(
            project=order.name, plan_digest=compiled.plan.digest, parameters={JOB: about}
        )
        with ended(folder, record):
            order.keep(folder.store, record.name, plan, [kept] if kept else [])
            engine.submit(compiled.plan, run=record.name, options=_options(folder, record))
    ensure_controller(folder)
    return read_job(folder, record)


def describe_submitted(
    compiled: CompiledFlow, order: Order, backend: str, settings: Mapping[str, Any], repeat: Iterable[str]
) -> dict[str, Any]:
    """Return what the hub keeps of a job that the engine carries out."""
    models = {task: list(made) for task, made in compiled.models.items()}
    about = describe_job(compiled, order, "", backend, settings)
    return about | {"durable": True, "models": models, "repeat": sorted(repeat)}


def retry_submitted(folder: ProjectFolder, record: RunRecord, task: str | None) -> Job:
    """Let a submitted job that did not succeed go on, and return.

    Raises:
        UserError: ``FLOW084`` when it did not fail.
    """
    with open_engine(folder) as engine:
        try:
            engine.retry(record.name, task, keys=read_keys(folder.store.logs(record.name)))
        except UserError as error:
            if error.code != "FLOW083":
                raise
            # Whoever submitted it was killed before the engine heard of it.
            plan = Order.read_plan(folder.store, record.name)
            engine.submit(plan, run=record.name, options=_options(folder, record))
    ensure_controller(folder)
    return read_job(folder, record)


def pause_job(folder: ProjectFolder, run: str = "latest") -> Job:
    """Let a submitted job stand still: tasks at work are stopped, and begin again when it goes on.

    Raises:
        UserError: ``APP027`` when it was not submitted, ``FLOW084`` when it is not on its way.
        UnavailableError: ``APP034`` when it does not stand still within a minute.
    """
    record = _find_submitted(folder, run)
    with open_engine(folder) as engine:
        engine.pause(record.name)
        if engine.status(record.name).state.is_open:
            ensure_controller(folder)
        status = engine.wait(record.name, timeout_s=_PAUSE_WITHIN_S)
    if status.state.is_open:
        raise still_runs(folder.hub.get_run(record.id))
    return read_job(folder, folder.hub.get_run(record.id))


def resume_job(folder: ProjectFolder, run: str = "latest") -> Job:
    """Let a job go on that was paused, and return.

    Raises:
        UserError: ``APP027`` when it was not submitted, ``FLOW084`` when it does not stand still.
    """
    record = _find_submitted(folder, run)
    with open_engine(folder) as engine:
        engine.resume(record.name)
    ensure_controller(folder)
    return read_job(folder, folder.hub.get_run(record.id))


def wait_for_job(folder: ProjectFolder, run: str = "latest", *, timeout_s: float | None = None) -> Job:
    """Wait until a submitted job has ended or stands still, or the time is up; return it as it is then.

    Raises:
        UserError: ``APP027`` when it was not submitted.
    """
    record = _find_submitted(folder, run)
    with open_engine(folder) as engine:
        engine.wait(record.name, timeout_s=timeout_s)
    return read_job(folder, folder.hub.get_run(record.id))


def _options(folder: ProjectFolder, record: RunRecord) -> RunOptions:
    about = record.parameters[JOB]
    name, _ = name_backend(folder, about["backend"], about["settings"])
    options = RunOptions(backend=name, project=record.project, repeat=tuple(about["repeat"]))
    uses, priority, workers = about.get("uses", {}), about.get("priority", 0), about.get("workers")
    return replace(options, uses=uses, priority=priority, workers=workers)


def _find_submitted(folder: ProjectFolder, run: str) -> RunRecord:
    record = find_record(folder, run)
    if not is_durable(record):
        raise UserError(
            "APP027",
            f"job {record.name} was not submitted: the command that began it carries it out.",
            "only submitted jobs stand still and go on: weft job submit. Stop this one, then retry it.",
        )
    return record
