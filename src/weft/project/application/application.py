"""Application: a project's tasks and flows, built and run."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weft.compile.application import (
    APPLICATION_FILE,
    CompiledFlow,
    Specifications,
    check_specifications,
    compile_flow,
    parse_document,
    read_specifications,
)
from weft.core import UserError
from weft.flow.backends import INLINE
from weft.flow.repeat import with_followers
from weft.hub.artifacts import describe_files
from weft.project.application.backends import is_seen_by, render_plan
from weft.project.application.durable import is_durable
from weft.project.application.job import JOB, Job
from weft.project.application.jobs import find_job, find_record, job_logs
from weft.project.application.running import Order, carry_out, take_up
from weft.project.application.sources import Sources, open_sources
from weft.project.application.stopping import stop_job
from weft.project.application.submission import retry_submitted, submit_order
from weft.project.folder import ProjectFolder


@dataclass(frozen=True)
class Build:
    """What a build found.

    Attributes:
        digest: Of the artifact: names, contents and which files may be run.
        name: Of the artifact.
        tag: Of the artifact.
        files: Its files.
        flows: Flow → its tasks.
        gathers: Flow → last steps that no task describes: they gather what comes before them.
        lock: File with the versions of the dependencies; empty when tasks run with Weft's own Python.
    """

    digest: str
    name: str
    tag: str
    files: tuple[str, ...]
    flows: dict[str, tuple[str, ...]]
    gathers: dict[str, tuple[str, ...]]
    lock: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "digest": self.digest,
            "name": self.name,
            "tag": self.tag,
            "files": list(self.files),
            "flows": {flow: list(tasks) for flow, tasks in self.flows.items()},
            "lock": self.lock or None,
        }

    def text(self) -> str:
        """Say in a few lines what was built."""
        lines = [f"{self.name}:{self.tag}  sha256:{self.digest}  {len(self.files)} files"]
        lines += [f"flow {flow}: {', '.join(tasks)}" for flow, tasks in self.flows.items()]
        for flow, names in self.gathers.items():
            lines += [f"flow {flow}: '{name}' is no task, it gathers what comes before it" for name in names]
        lines.append(
            f"dependencies: {self.lock}" if self.lock else "dependencies: those of Weft's own Python"
        )
        return "\n".join(lines)


class Application:
    """A project's tasks and flows.

    Args:
        folder: With ``mlapplication.json``; or a `ProjectFolder` of it.
        run: A run specification in it; ``run.json`` where there is one.
        deployment: A deployment in it; ``deployment.json`` where there is one.
        application: What ``mlapplication.json`` would hold, in its place.

    Raises:
        UserError: ``APP030`` when there is no application, and as `weft.compile.application` says.
    """

    def __init__(
        self,
        folder: str | Path | ProjectFolder = ".",
        *,
        run: str | Path | None = None,
        deployment: str | Path | None = None,
        application: Mapping[str, Any] | None = None,
    ) -> None:
        self.project = folder if isinstance(folder, ProjectFolder) else ProjectFolder(folder)
        self.folder = self.project.folder
        if application is None and not (self.folder / APPLICATION_FILE).exists():
            raise UserError(
                "APP030",
                f"there is no {APPLICATION_FILE} in {self.folder}.",
                "go to the project's folder, or make one: weft project create NAME.",
            )
        document = application and parse_document(json.dumps(application, indent=1), "the flow")
        self.specifications = read_specifications(
            self.folder, run=run, deployment=deployment, application=document or None
        )

    @functools.cached_property
    def name(self) -> str:
        """The application's name, by default the folder's."""
        return self.specifications.application.name or self.folder.name

    def build(self, *, lock: bool = False) -> Build:
        """Check the files, lock the dependencies, compute the digest.

        Args:
            lock: Choose versions anew, also where the lock still fits.

        Raises:
            UserError: For what does not fit, with file, line and field.
        """
        made = self.specifications
        sources = Sources(self.folder, made)
        locked = sources.lock(anew=lock)
        sources.check({})
        files = sources.files
        flows = {flow: tuple(made.successors(flow)) for flow in made.flow_names}
        tasks = made.application.tasks
        gathers = {f: tuple(n for n in names if n not in tasks) for f, names in flows.items()}
        return Build(
            describe_files(files).digest,
            made.artifact.name or self.name,
            made.artifact.tag,
            tuple(f.name for f in files),
            flows,
            {flow: names for flow, names in gathers.items() if names},
            locked,
        )

    def compile(
        self,
        *,
        flow: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        backend: str = INLINE,
    ) -> CompiledFlow:
        """Compile a flow to a Plan, with the sources as they are now in the store.

        Args:
            flow: Its name; the one that the files choose when left out.
            parameters: As ``-p``: parameter, or ``task.parameter``, → value.
            backend: Where it is to run.
        """
        return self.prepare(flow=flow, parameters=parameters, backend=backend)[0]

    def run(
        self,
        *,
        flow: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        repeat: Iterable[str] = (),
        on_start: Callable[[str], object] | None = None,
        backend: str = INLINE,
    ) -> Job:
        """Run a flow, with what is in the store already; return when it has ended.

        Args:
            flow: Its name; the one that the files choose when left out.
            parameters: As ``-p``: parameter, or ``task.parameter``, → value.
            repeat: Tasks that run even if the store holds their results.
            on_start: Called with the job's name once it has one.
            backend: Where tasks run: ``inline`` (children of this process), ``process`` (workers of this
                machine, which go on when this process is killed) or ``kubernetes``; its settings stand
                under ``backends`` in the deployment.
        """
        compiled, order = self.prepare(flow=flow, parameters=parameters, backend=backend)
        options: dict[str, Any] = {"on_start": on_start, "backend": backend}
        options["settings"] = self.backend_settings(backend)
        return carry_out(self.project, compiled, order, repeat=frozenset(repeat), **options)

    def submit(
        self,
        *,
        flow: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        repeat: Iterable[str] = (),
        backend: str = "process",
        uses: Mapping[str, int] | None = None,
        priority: int = 0,
        workers: int | None = None,
    ) -> Job:
        """Ask for a flow as a job, and return; a controller carries it out that outlives this process.

        Args:
            flow: Its name; the one that the files choose when left out.
            parameters: As ``-p``: parameter, or ``task.parameter``, → value.
            repeat: Tasks that run even if the store holds their results.
            backend: Where tasks run; ``inline`` are children of the controller, which end with it.
            uses: Named resource → how much of it the job holds while it runs, see `set_limit`.
            priority: The larger goes first among jobs that wait.
            workers: How many of its tasks run at one time.

        Raises:
            UserError: As `run`; ``EXT001`` when the extra ``server`` is not installed.
            UnavailableError: ``APP028`` when no controller can be started; the job is kept.
        """
        compiled, order = self.prepare(flow=flow, parameters=parameters, backend=backend)
        options: dict[str, Any] = {"backend": backend, "settings": self.backend_settings(backend)}
        more = {"uses": dict(uses or {}), "priority": priority, "workers": workers}
        return submit_order(self.project, compiled, order, repeat=frozenset(repeat), **options, more=more)

    def prepare(
        self, *, flow: str | None, parameters: Mapping[str, Any] | None, backend: str
    ) -> tuple[CompiledFlow, Order]:
        """Keep the sources, and return what is to run and what was asked for.

        They are those of the folder, or of another artifact that the run specification names.
        """
        with open_sources(self.project, self.specifications, self.name) as sources:
            sources.lock(anew=False)
            sources.check(parameters or {})
            artifact, documents = sources.keep(self.project.store), sources.made.documents
        texts = {kind: d.text for kind, d in documents.items()}
        names = {kind: d.name for kind, d in documents.items()}
        order = Order(artifact, texts, names, dict(parameters or {}), self.name)
        return self._compile_order(order, flow, backend), order

    def backend_settings(self, backend: str) -> Mapping[str, Any]:
        """Return what the deployment says of a backend."""
        return self.specifications.deployment.backends.get(backend, {})

    def render(
        self, backend: str, *, flow: str | None = None, parameters: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        """Return for each task what a backend would be given; nothing runs."""
        compiled = self.compile(flow=flow, parameters=parameters, backend=backend)
        settings = self.backend_settings(backend)
        return dict(render_plan(self.project, compiled.plan, backend, settings))

    def rerun(
        self,
        run: str = "latest",
        *,
        parameters: Mapping[str, Any] | None = None,
        repeat: Iterable[str] = (),
    ) -> Job:
        """Run a job again as a new one, with its sources and files and these parameters changed.

        One that was submitted is submitted again, with what it uses and its priority; this returns at once.
        """
        record = find_record(self.project, run)
        order = Order.read(self.project.store, record.name)
        order = order.changed(parameters or {})
        about = record.parameters[JOB]
        compiled = self._compile_order(order, about["flow"], about["backend"])
        options = {"backend": about["backend"], "settings": about["settings"], "before": record.name}
        if is_durable(record):
            options["more"] = {name: about[name] for name in ("uses", "priority", "workers") if name in about}
            return submit_order(self.project, compiled, order, repeat=frozenset(repeat), **options)
        return carry_out(self.project, compiled, order, repeat=frozenset(repeat), **options)

    def fork(self, run: str, task: str, *, parameters: Mapping[str, Any] | None = None) -> Job:
        """Run a job again from one task on: it and all that follow it run anew, what comes before is kept.

        Raises:
            UserError: ``APP033`` when the job has no such task.
        """
        record = find_record(self.project, run)
        find_job(self.project, record.name).node(task)
        order = Order.read(self.project.store, record.name)
        plan = self._compile_order(order, record.parameters[JOB]["flow"], INLINE).plan
        return self.rerun(record.name, parameters=parameters, repeat=with_followers(plan, task))

    def retry(self, run: str = "latest", task: str | None = None) -> Job:
        """Take up a job that did not succeed; what is finished is not repeated.

        One that was submitted goes on where it was, and this returns at once.

        Args:
            run: Name of the job, its start, or ``latest``.
            task: This one and all that follow it run again even if they had finished. Of a job that succeeded
                it needs a new job, see `fork`.

        Raises:
            UserError: ``APP033`` when the job has no such task; ``FLOW057`` when it runs or has succeeded,
                ``FLOW084`` when one that was submitted does.
        """
        record = find_record(self.project, run)
        if is_durable(record):
            name = find_job(self.project, record.name).node(task).name if task else None
            return retry_submitted(self.project, record, name)
        order = Order.read(self.project.store, record.name)
        about = record.parameters[JOB]
        compiled = self._compile_order(order, about["flow"], about["backend"])
        if task is not None:
            find_job(self.project, record.name).node(task)
        repeat = frozenset() if task is None else with_followers(compiled.plan, task)
        return take_up(self.project, compiled, record, repeat=repeat)

    def status(self, run: str = "latest") -> Job:
        """Return a job as it is now."""
        return find_job(self.project, run)

    def logs(self, run: str = "latest", task: str | None = None) -> dict[str, str]:
        """Return what the tasks of a job printed."""
        return job_logs(self.project, run, task)

    def stop(self, run: str = "latest") -> Job:
        """Stop a job that runs, in whatever process."""
        return stop_job(self.project, run)

    def _compile_order(self, order: Order, flow: str | None, backend: str) -> CompiledFlow:
        documents = {k: parse_document(text, order.names[k]) for k, text in order.texts.items()}
        made = check_specifications(documents)
        return self._compile(made, order.artifact, flow, order.parameters, backend)

    def _compile(
        self,
        made: Specifications,
        artifact: str,
        flow: str | None,
        given: Mapping[str, Any] | None,
        backend: str,
    ) -> CompiledFlow:
        usual = self.project.resources
        compiled = compile_flow(
            made, artifact=artifact, usual=usual, flow=flow, given=given, name=self.folder.name
        )
        # Where data sets and models are found by name; a worker that does not see it uses its own sources.
        here = {"WEFT_PROJECT": str(self.folder)} if is_seen_by(self.project, backend) else {}
        nodes = (replace(n, variables=here | n.variables) for n in compiled.plan.nodes)
        return replace(compiled, plan=replace(compiled.plan, nodes=tuple(nodes)))
