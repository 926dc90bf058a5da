"""Processes of a task: started under a guard, watched, their output logged, their whole tree ended."""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from weft.compile.guarding import guarded
from weft.core import ProgramFailed, UserError, WeftError
from weft.flow import Context
from weft.flow.faults import coded, out_of_memory
from weft.flow.logs import LogLines
from weft.flow.secret import Redactor, resolve_secrets
from weft.flow.worker.tree import excess_bytes

_GRACE_S = 5.0
_LOOK_EVERY_S, _LOOK_AT_MEMORY_EVERY_S = 0.05, 0.25
_LAST_LINES = 12
_LONGEST_LINE = 400
_NOT_STARTED = 127


class Child:
    """One process of a task with its tree.

    Args:
        context: Of the task.
        command: Program and arguments; no shell sees them.
        folder: Where it runs.
        environment: All of its environment variables.
        label: Stands before each line that it prints, where a task has several processes.
    """

    def __init__(
        self,
        context: Context,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        redactor: Redactor,
        label: str = "",
    ) -> None:
        # While the tree lives, nobody else begins at the same key, also when this process is killed.
        held = () if context.claim is None else (context.claim,)
        try:
            self._process = subprocess.Popen(
                guarded(command, grace_s=_GRACE_S, held=held),
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=held,
                start_new_session=True,
            )
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise _too_long(context, command, environment) from None
            raise
        self.last_lines: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        self._context, self._lines, self._label = context, LogLines(redactor), label.encode()
        self._fault: OSError | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process above its tree."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code; ``None`` while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_LOOK_EVERY_S)
        return None

    def stop(self) -> None:
        """End it with its tree; returns when nothing of it runs."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_GRACE_S + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Wait until all that it printed is logged."""
        self.stop()
        self._reader.join(_GRACE_S)
        assert self._process.stdout is not None
        if not self._reader.is_alive():
            self._process.stdout.close()

    def check(self) -> None:
        """Say that what it prints cannot be logged.

        Raises:
            WeftError: ``FLOW012`` when the disk is full.
        """
        if self._fault is not None:
            with coded(f"the log of task '{self._context.node}'"):
                raise self._fault

    def _read(self) -> None:
        # Whatever becomes of the log: a process that nobody listens to would stand still.
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        for data in iter(lambda: os.read(pipe, 1 << 16), b""):
            self._show(self._lines.feed(data))
        self._show(self._lines.end())

    def _show(self, lines: list[bytes]) -> None:
        for line in lines:
            self.last_lines.append(line.decode(errors="replace").rstrip("\r\n")[:_LONGEST_LINE])
        if self._label:
            lines = [self._label + line.rstrip(b"\r\n") + b"\n" for line in lines]
        if not lines or self._fault is not None:
            return
        try:
            self._context.log(b"".join(lines))
        except OSError as error:
            self._fault = error


def run_children(
    context: Context, commands: Sequence[tuple[Sequence[str], Mapping[str, str]]], folder: Path
) -> None:
    """Run the processes of a task to their end; when one fails the others are ended.

    Args:
        context: Of the task.
        commands: Command and environment of each.
        folder: Where they run.

    Raises:
        ProgramFailed: ``APP020`` when one ends with a failure.
        UserError: ``APP021`` when one cannot be started.
        UnavailableError: ``FLOW012`` when there is no space for what they print, ``FLOW019`` when they use
            more memory than the task asked for.
    """
    secrets = resolve_secrets(context.secrets)
    children: list[Child] = []
    try:
        for rank, (command, environment) in enumerate(commands):
            label = f"[{rank}] " if len(commands) > 1 else ""
            children.append(
                Child(
                    context,
                    command,
                    folder=folder,
                    environment={**environment, **secrets},
                    redactor=Redactor(secrets.values()),
                    label=label,
                )
            )
        _watch(context, children, commands)
    finally:
        for child in children:
            child.close()


def _watch(
    context: Context, children: list[Child], commands: Sequence[tuple[Sequence[str], Mapping[str, str]]]
) -> None:
    running = dict(enumerate(children))
    started = look_at = time.monotonic()
    while running:
        context.check()
        if context.limits is not None and time.monotonic() >= look_at:
            look_at = time.monotonic() + _LOOK_AT_MEMORY_EVERY_S
            _check_memory(context, children, context.limits.memory_bytes * len(commands))
        for rank, child in list(running.items()):
            child.check()
            code = child.poll()
            if code is None:
                continue
            del running[rank]
            child.close()
            if code:
                raise _failure(context, child, code, commands[rank][0], time.monotonic() - started)
            child.check()


def _check_memory(context: Context, children: list[Child], limit_bytes: int) -> None:
    if used := excess_bytes([child.pid for child in children], limit_bytes):
        raise out_of_memory(context.node, used, limit_bytes)


def _failure(context: Context, child: Child, code: int, command: Sequence[str], seconds: float) -> WeftError:
    lines = list(child.last_lines)
    if code == _NOT_STARTED and lines and lines[-1].startswith(f"{command[0]} cannot be started"):
        return UserError(
            "APP021",
            f"task '{context.node}': {lines[-1]}.",
            "name a program that is on the machine, or use an image that has it.",
        )
    said = (
        f"The end of its log:\n{chr(10).join('  ' + line for line in lines)}"
        if lines
        else "It printed nothing."
    )
    return ProgramFailed(
        "APP020",
        f"task '{context.node}', attempt {context.attempt}, ended with {_words(code)} after {seconds:.1f} s"
        f"{': ' + lines[-1].strip() if lines else ''}\n{said}",
        "mend what the log names, and run the job again: what is finished is not repeated.",
    )


def _too_long(context: Context, command: Sequence[str], environment: Mapping[str, str]) -> UserError:
    texts = {f"argument {i}": text for i, text in enumerate(command)}
    texts |= {f"variable {name}": text for name, text in environment.items()}
    largest = max(texts, key=lambda name: len(texts[name]))
    return UserError(
        "APP021",
        f"task '{context.node}': {command[0]} cannot be started: the system does not take arguments and "
        f"variables of this length; the longest is {largest}, {len(texts[largest]):,} characters.",
        "let the program read large parameters from the file that WEFT_PARAMETERS_FILE names.",
    )


def _words(code: int) -> str:
    number = code - 128 if code > 128 else -code
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"
    memory = ", which is what happens when a machine runs out of memory" if name == "SIGKILL" else ""
    return f"exit code {code} (signal {name}{memory})"


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
