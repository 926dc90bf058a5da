"""Whether a controller works on a project's submitted jobs; how one is started that outlives its caller."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from weft.core import UnavailableError
from weft.flow.locks import FileLock
from weft.project.folder import ProjectFolder

LOG = "controller.log"
_LOCK = "controller.lock"


def controller_lock(folder: ProjectFolder) -> FileLock:
    """Return the lock that the controller holds which is started on its own; its file names the process."""
    return FileLock(folder.state / _LOCK, f"process {os.getpid()}")


def ensure_controller(folder: ProjectFolder) -> None:
    """Start a controller in a session of its own, unless one holds the lock.

    A job is to be submitted before: a controller that ends looks for jobs once more after it let go.

    Raises:
        UnavailableError: ``APP028`` when the process cannot be started.
    """
    lock = controller_lock(folder)
    if not lock.try_acquire():
        return
    lock.release()
    logs = folder.state / "logs"
    command = [sys.executable, "-P", "-m", "weft.project.application.detached", str(folder.folder)]
    try:
        logs.mkdir(exist_ok=True)
        with (logs / LOG).open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=folder.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        raise UnavailableError(
            "APP028",
            f"the controller of {folder.folder} cannot be started: {error}.",
            "the job is kept; when there is room again, start one: weft job serve.",
        ) from error
    # Whoever submits and lives on collects it when it ends.
    threading.Thread(target=process.wait, name="weft-controller", daemon=True).start()
