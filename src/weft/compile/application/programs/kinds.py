"""What each kind of program runs. The paths in a command lead into the task's own folders."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weft.compile.application.programs.task import Task
from weft.compile.environment import environment_python
from weft.core import UserError, missing_extra
from weft.flow import Cancelled, Context

_HERE = Path(__file__).parent
_LOOK_EVERY_S = 0.1


def run_python(context: Context) -> dict[str, Any]:
    """Run a Python file, a module, or a function that gets the task's parameters by name."""
    task = Task(context, "python")
    name = task.own.get("function") or task.own.get("module", "")
    python = _python(task)
    if "file" in task.own:
        command = [python, str(task.file(task.own["file"])), *task.arguments()]
    elif ":" in name:
        command = [python, "-P", str(_HERE / "call.py"), name]
    elif "function" in task.own:
        raise UserError(
            "APP014", f"task {context.node}: '{name}' is no function.", "write it as module:function."
        )
    else:
        command = [python, "-m", name, *task.arguments()]
    return task.run(lambda output: command)


def run_shell(context: Context) -> dict[str, Any]:
    """Run a command: a list is a program with its arguments, a text a line for ``sh``; or a script."""
    task = Task(context, "shell")
    said = task.own.get("command")
    if isinstance(said, list):
        command = [*task.arguments("command"), *task.arguments()]
    elif said is not None:
        # Parameters reach the line as environment variables and arguments, never as part of its text.
        command = ["/bin/sh", "-e", "-c", said, "sh", *task.arguments()]
    else:
        path = task.file(task.own["file"])
        start = [str(path)] if os.access(path, os.X_OK) else ["/bin/sh", "-e", str(path)]
        command = [*start, *task.arguments()]
    if not command:
        raise UserError("APP014", f"task {context.node}: the command is empty.", "name a program first.")
    return task.run(lambda output: command)


def run_jvm(context: Context) -> dict[str, Any]:
    """Run the main method of a class of the artifact on a Java virtual machine.

    Raises:
        UserError: ``APP025`` when this machine has no Java.
    """
    task = Task(context, "jvm")
    places = task.arguments("classPath") or [".", "classes", "lib/*", "*"]
    path = os.pathsep.join(str(task.sources / place) for place in places)
    command = [_java(context), *task.arguments("jvmArgs"), "-cp", path, task.own["className"]]
    return task.run(lambda output: [*command, *task.arguments()])


def run_notebook(context: Context) -> dict[str, Any]:
    """Execute a notebook with the task's parameters; the executed notebook is an output.

    Raises:
        UserError: ``EXT001`` when nbclient is not installed.
    """
    task = Task(context, "notebook")
    python = _python(task)
    if python == sys.executable and importlib.util.find_spec("nbclient") is None:
        raise missing_extra("the program notebook", "nbclient", "jupyter")
    source = task.file(task.own["file"])
    kernel = [task.own["kernel"]] if "kernel" in task.own else []
    run = [python, "-P", str(_HERE / "notebook_run.py"), str(source)]
    return task.run(lambda output: [*run, str(output / source.name), *kernel])


def _python(task: Task) -> str:
    """Return the Python of the project's own environment; without a lock, the one that runs Weft."""

    def log(line: str) -> None:
        task.context.log(f"{line}\n".encode())

    with _stopping(task.context) as stopped:
        return str(environment_python(task.sources, on_line=log, cancelled=stopped))


@contextlib.contextmanager
def _stopping(context: Context) -> Iterator[threading.Event]:
    """Yield an event that is set once the attempt has to stop; the reason is raised when it did."""
    stopped, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_EVERY_S):
            try:
                context.check()
            except BaseException:
                stopped.set()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stopped
    except Cancelled:
        context.check()
        raise
    finally:
        done.set()
        watcher.join()


def _java(context: Context) -> str:
    home = context.variables.get("JAVA_HOME") or os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if found is None:
        raise UserError(
            "APP025",
            f"task '{context.node}' needs Java, and there is none "
            + (f"in {home}." if home else "on the PATH."),
            "install a Java runtime, set JAVA_HOME, or give the task an image that has one.",
        )
    return found
