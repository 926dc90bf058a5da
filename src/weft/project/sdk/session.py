"""Session: a project in which flows written in Python run as jobs."""

from __future__ import annotations

import queue
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weft.flow.folder import lay_out
from weft.project.application import Application, Job, find_job, job_logs, stop_job
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
        self, flow: Flow, *, parameters: Mapping[str, Any] | None = None, repeat: Iterable[str] = ()
    ) -> Submitted:
        """Begin a flow as a job and return; it runs on beside the caller, and ends with its process.

        What a job that was cut short has finished is not repeated by the next.

        Args:
            flow: The flow.
            parameters: Parameter, or ``task.parameter``, → value; goes before what the flow says.
            repeat: Tasks that run even if the store holds their results.

        Raises:
            UserError: For a flow that cannot be run, as ``weft project build`` says it.
        """
        application = Application(self.project, application=flow.to_application())
        return Submitted(self.project, application, dict(parameters or {}), tuple(repeat))


class Submitted:
    """A job that was begun here.

    Attributes:
        run: Its name, under which ``weft job …`` knows it.
    """

    def __init__(
        self,
        project: ProjectFolder,
        application: Application,
        parameters: Mapping[str, Any],
        repeat: tuple[str, ...],
    ) -> None:
        self._project = project
        self._job: Job | None = None
        self._error: BaseException | None = None
        names: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def carry_out() -> None:
            try:
                self._job = application.run(parameters=parameters, repeat=repeat, on_start=names.put)
            except BaseException as error:
                self._error = error
            names.put(None)

        self._thread = threading.Thread(target=carry_out, name=f"job of {application.name}", daemon=True)
        self._thread.start()
        name = names.get()
        if name is None:
            assert self._error is not None
            raise self._error
        self.run: str = name

    def status(self) -> Job:
        """Return the job as it is now."""
        return find_job(self._project, self.run)

    def wait(self, timeout_s: float | None = None) -> Job:
        """Wait until the job has ended, or for so many seconds, and return it; a failed job is returned too.

        Raises:
            BaseException: What kept the job from being carried out at all.
        """
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error
        return self._job or self.status()

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
            WeftError: What ended the job, if anything did; ``APP033`` for a task that it has not.
        """
        output = self.wait().output(task)
        folder = Path(tempfile.mkdtemp(prefix="weft-result-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        lay_out(output, folder)
        return read_value(output.value[VALUE], folder)
