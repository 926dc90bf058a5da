"""Session: a project in which flows written in Python run as jobs."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weft.flow.folder import lay_out
from weft.project.application import (
    Application,
    Job,
    find_job,
    job_logs,
    stop_job,
    task_output,
    wait_for_job,
)
from weft.project.folder import ProjectFolder
from weft.project.sdk.tasks import Flow
from weft.project.sdk.values import VALUE, read_value


class Session:
    """A project in which flows written in Python run as jobs.

    The files of the folder are the sources that tasks find, as for ``weft job run``, so a task of a flow must
    be in a module of that folder.

    Args:
        project: The project's folder, or a `ProjectFolder`.

    Example:
        ``job = weft.Session().submit(flow, parameters={"train.rate": 0.2}); model = job.result("train")``
    """

    def __init__(self, project: str | Path | ProjectFolder = ".") -> None:
        self.project = project if isinstance(project, ProjectFolder) else ProjectFolder(project)

    def submit(
        self,
        flow: Flow,
        *,
        parameters: Mapping[str, Any] | None = None,
        repeat: Iterable[str] = (),
        backend: str = "process",
    ) -> Submitted:
        """Submit a flow as a job, as ``weft job submit`` does, and return; it outlives this process.

        A controller carries it out, which is started where none is.

        Args:
            flow: The flow.
            parameters: Parameter, or ``task.parameter``, → value; goes before what the flow says.
            repeat: Tasks that run even if the store holds their results.
            backend: Where tasks run, see `Application.submit`.

        Raises:
            UserError: For a flow that cannot be run, as ``weft project build`` says it; ``EXT001`` when the
                extra ``server`` is not installed.
            UnavailableError: ``APP028`` when no controller can be started; the job is kept.
        """
        application = Application(self.project, application=flow.to_application())
        job = application.submit(parameters=parameters, repeat=repeat, backend=backend)
        return Submitted(self.project, job.run)

    def run(
        self, flow: Flow, *, parameters: Mapping[str, Any] | None = None, repeat: Iterable[str] = ()
    ) -> Submitted:
        """Carry a flow out as a job in this process, and return when it has ended; it needs no controller.

        Args:
            flow: The flow.
            parameters: As for `submit`.
            repeat: As for `submit`.

        Raises:
            UserError: For a flow that cannot be run, as ``weft project build`` says it.
        """
        application = Application(self.project, application=flow.to_application())
        return Submitted(self.project, application.run(parameters=parameters, repeat=repeat).run)


class Submitted:
    """A job that a session began.

    Attributes:
        run: Its name, under which ``weft job …`` knows it.
    """

    def __init__(self, project: ProjectFolder, run: str) -> None:
        self._project = project
        self.run = run

    def status(self) -> Job:
        """Return the job as it is now."""
        return find_job(self._project, self.run)

    def wait(self, timeout_s: float | None = None) -> Job:
        """Wait until the job has ended, or for so many seconds, and return it, also one that failed."""
        job = self.status()
        if job.state not in ("waiting", "queued", "running"):
            return job
        return wait_for_job(self._project, self.run, timeout_s=timeout_s)

    def stop(self) -> Job:
        """Stop the job with everything that its tasks have started."""
        return stop_job(self._project, self.run)

    def logs(self, task: str | None = None) -> dict[str, str]:
        """Return what the tasks printed."""
        return job_logs(self._project, self.run, task)

    def result(self, task: str) -> Any:
        """Wait for the job and return what one of its tasks returned.

        Paths of files that the task has returned stay as long as this object.

        Raises:
            WeftError: What ended the job, if anything did; ``APP033`` for a task that it has not, ``APP071``
                for one that did not end.
        """
        output = task_output(self._project, self.wait(), task)
        folder = Path(tempfile.mkdtemp(prefix="weft-result-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        lay_out(output, folder)
        return read_value(output.value[VALUE], folder)
