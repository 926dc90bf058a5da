"""Carry a job out here: begin it in the hub, run its plan, register what it made."""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from weft.compile.application import CompiledFlow
from weft.core import UserError, WeftError, to_json
from weft.flow import Cancelled, Control, Output, Plan, RunResult, Store
from weft.flow.backends import INLINE
from weft.flow.repeat import forget_results
from weft.hub import Published, RunRecord
from weft.project.application.job import JOB, Job, Recorder, read_keys
from weft.project.application.jobs import STOP, read_job, stop_asked
from weft.project.folder import ProjectFolder

_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Order:
    """What a job was asked to do, complete: it can be run again when the project has changed.

    Attributes:
        artifact: Digest of the sources in the store.
        texts: Format → text of the file.
        names: Format → name of the file.
        parameters: From the command line.
        name: Of the application.
    """

    artifact: str
    texts: dict[str, str]
    names: dict[str, str]
    parameters: dict[str, Any]
    name: str

    @property
    def job_name(self) -> str:
        """What the run specification calls the job; empty when it says nothing."""
        return str(json.loads(self.texts["run"]).get("jobName") or "") if "run" in self.texts else ""

    def changed(self, parameters: Mapping[str, Any]) -> Order:
        """Return it with further parameters from the command line."""
        return replace(self, parameters={**self.parameters, **parameters})

    def keep(
        self,
        store: Store,
        run: str,
        plan: str,
        more: Iterable[str] = (),
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep it in the store as long as the job's results.

        Args:
            store: Of the project.
            run: Name of the job.
            plan: Digest of what it runs.
            more: What the job needs besides.
            about: What the hub is to keep of it, where it does not know the job yet.
        """
        body = {"kind": JOB, "order": json.loads(to_json(self)), "plan": plan, "about": about}
        store.set_ref(f"results/{run}/job", store.put_linked(body, [self.artifact, plan, *more]))

    @staticmethod
    def read(store: Store, run: str) -> Order:
        """Return what a job was asked to do.

        Raises:
            UserError: ``APP035`` when the store has lost it.
        """
        said = _read(store, run)["order"]
        return Order(**{name: value for name, value in said.items() if name != "$type"})

    @staticmethod
    def read_about(store: Store, run: str) -> dict[str, Any] | None:
        """Return what the hub is to keep of a job that a schedule began; ``None`` for any other run."""
        digest = store.get_ref(f"results/{run}/job")
        return store.get_linked(digest).get("about") if digest else None

    @staticmethod
    def read_plan(store: Store, run: str) -> Plan:
        """Return the plan that a job runs.

        Raises:
            UserError: ``APP035`` when the store has lost it.
        """
        return Plan.from_json(store.get_bytes(_read(store, run)["plan"]))


def _read(store: Store, run: str) -> dict[str, Any]:
    digest = store.get_ref(f"results/{run}/job")
    if digest is None:
        raise UserError(
            "APP035",
            f"what job {run} was asked to do is no longer in the store.",
            "run the flow anew: weft job run.",
        )
    return store.get_linked(digest)


def carry_out(
    folder: ProjectFolder,
    compiled: CompiledFlow,
    order: Order,
    *,
    repeat: frozenset[str] = frozenset(),
    before: str = "",
    on_start: Callable[[str], object] | None = None,
    backend: str = INLINE,
    settings: Mapping[str, Any] | None = None,
) -> Job:
    """Run a compiled flow as a new job."""
    about = describe_job(compiled, order, before, backend, settings or {})
    folder.open_backend(backend, settings)
    plan = folder.store.put_bytes(compiled.plan.to_json().encode())
    record = folder.hub.start_run(
        project=order.name, plan_digest=compiled.plan.digest, parameters={JOB: about}
    )
    with ended(folder, record):
        order.keep(folder.store, record.name, plan)
        if on_start is not None:
            on_start(record.name)
    return _run(folder, compiled, record, repeat)


def describe_job(
    compiled: CompiledFlow, order: Order, before: str, backend: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the hub keeps of a job beside its state."""
    parameters = {
        task: {name: {"value": c.value, "origin": c.origin} for name, c in chosen.items()}
        for task, chosen in compiled.parameters.items()
    }
    return {
        "flow": compiled.flow,
        "tasks": [n.name for n in compiled.plan.order],
        "parameters": parameters,
        "artifact": order.artifact,
        "before": before,
        "name": order.job_name,
        "backend": backend,
        "settings": dict(settings),
    }


def take_up(
    folder: ProjectFolder, compiled: CompiledFlow, record: RunRecord, *, repeat: frozenset[str]
) -> Job:
    """Go on with a job that did not succeed; the tasks of ``repeat`` run again whatever became of them."""
    taken = folder.hub.resume_run(record.id)
    logs = folder.store.logs(taken.name)
    (logs / STOP).unlink(missing_ok=True)
    with ended(folder, taken):
        forget_results(folder.store, taken.name, repeat, read_keys(logs))
    return _run(folder, compiled, taken, repeat)


def _run(folder: ProjectFolder, compiled: CompiledFlow, record: RunRecord, repeat: frozenset[str]) -> Job:
    logs = folder.store.logs(record.name)
    error: WeftError | None = None
    outputs: Mapping[str, Output] = {}
    with ended(folder, record), _heeding(logs) as stop:
        try:
            control = Control(stop=stop, repeat=repeat)
            about = record.parameters[JOB]
            place = folder.open_backend(about["backend"], about["settings"])
            options: dict[str, Any] = {"control": control, "also": Recorder(logs), "backend": place}
            result = folder.run(compiled.plan, name=record.name, **options)
            models = register_models(folder, compiled.plan, compiled.models, record, result)
            outputs = result.outputs
            folder.hub.finish_run(record.id, results={"models": models, "seconds": result.seconds})
        except WeftError as raised:
            error = raised
            folder.hub.fail_run(record.id, raised, results={"exit_code": raised.exit_code})
        except Cancelled:
            folder.hub.fail_run(record.id, KeyboardInterrupt())
    job = read_job(folder, folder.hub.get_run(record.id), error)
    return replace(job, outputs=outputs)


@contextlib.contextmanager
def ended(folder: ProjectFolder, record: RunRecord) -> Iterator[None]:
    """Leave no job behind that seems to run."""
    try:
        yield
    except BaseException as error:
        folder.hub.fail_run(record.id, error)
        raise


@contextlib.contextmanager
def _heeding(logs: Path) -> Iterator[threading.Event]:
    """Yield an event that is set once somebody asks for the job to stop, in whatever process."""
    stop, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_EVERY_S):
            if stop_asked(logs):
                stop.set()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        done.set()
        watcher.join()


def register_models(
    folder: ProjectFolder,
    plan: Plan,
    models: Mapping[str, Sequence[str]],
    record: RunRecord,
    result: RunResult,
) -> list[str]:
    """Register the models that tasks made, and where all came from; return ``name:version`` of each."""
    folder.hub.record_lineage(record.id, plan, result.outputs)
    made = []
    for task, (name, path) in models.items():
        output = result.outputs[task]
        start = f"{path.rstrip('/')}/" if path else ""
        files = {n.removeprefix(start): d for n, d in output.files.items() if n.startswith(start)}
        if not files:
            raise UserError(
                "APP036",
                f"task '{task}' left nothing in '{path}' to register as model '{name}'."
                if path
                else f"task '{task}' left no files to register as model '{name}'.",
                "write the model below WEFT_OUTPUT, or correct the task's model.path.",
            )
        metrics = _metrics(task, output.value.get("metrics"))
        digest = folder.store.put_tree(files)
        known = [m for m in folder.hub.list_models(name) if m.digest == digest]
        # A model that the store gave back is the one that is registered already.
        kept = known[0] if known else _model(folder, name, record, digest, metrics)
        made.append(f"{kept.name}:{kept.version}")
    return made


def _metrics(task: str, said: Any) -> dict[str, float]:
    """Return the scores of a model, as its task left them."""
    wrong = (
        None
        if said is None or isinstance(said, dict)
        else ("metrics", said, "an object of names and numbers")
    )
    for name, value in said.items() if isinstance(said, dict) else ():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            wrong = wrong or (f"metrics.{name}", value, "a finite number")
    if wrong is not None:
        field, value, wanted = wrong
        shown = shorten(json.dumps(value), 60)
        raise UserError(
            "APP069",
            f"task '{task}' left {field} = {shown} in its result, which is not {wanted}.",
            "write numbers under metrics of result.json, and everything else beside it.",
        )
    return {name: float(value) for name, value in (said or {}).items()}


def _model(
    folder: ProjectFolder, name: str, record: RunRecord, digest: str, metrics: dict[str, float]
) -> Published:
    return folder.hub.register_model(name, run=record.id, digest=digest, metrics=metrics, store=folder.store)
