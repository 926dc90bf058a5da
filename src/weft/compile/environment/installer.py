"""pip as a process of its own: which one, with what around it, and what it said last."""

from __future__ import annotations

import collections
import importlib.util
import os
import re
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.compile.guarding import guarded
from weft.flow import Cancelled

_NUM_LINES = 12
_GRACE_S = 1.0
_USER = re.compile(r"(://)[^/@\s]+@")
# What would lead an installer, or a Python, to another place than the environment.
_DROPPED = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER",
    "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON", "PIP_REQUIREMENT", "PIP_CONSTRAINT",
)  # fmt: skip
_SET = {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"}
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code.
        output: All it wrote to stdout.
        last: The last lines of what it wrote to both, without users and passwords of addresses.
    """

    code: int
    output: str
    last: str


def pip_command(python: Path) -> list[str]:
    """Return how to call pip for an environment: Weft's own pip, or else the environment's."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", str(python)]
    return [str(python), "-m", "pip"]


def run_process(
    command: Sequence[str],
    *,
    secrets: Sequence[str] = (),
    on_line: Tell | None = None,
    cancelled: threading.Event | None = None,
    held: Sequence[int] = (),
) -> Ended:
    """Run a command with all that it starts, which is ended when this is interrupted or its process dies.

    Args:
        command: Program and arguments; no shell.
        held: Open files that stay open until nothing of it is left.
        secrets: Texts that are cut out of every line.
        on_line: Told each line.
        cancelled: Ends the process when set.

    Raises:
        Cancelled: ``cancelled`` was set.
    """
    said = _Said(secrets, on_line)
    process = subprocess.Popen(
        guarded(command, grace_s=_GRACE_S, held=held),
        env={k: v for k, v in os.environ.items() if k not in _DROPPED} | _SET,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=held,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    try:
        _pump(process, said.take, cancelled or threading.Event())
        code = process.wait()
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    return Ended(code, "".join(said.output), "\n".join(said.last))


class _Said:
    """What a process wrote: its output as it is, and its last lines without secrets."""

    def __init__(self, secrets: Sequence[str], on_line: Tell | None) -> None:
        self.output: list[str] = []
        self.last: collections.deque[str] = collections.deque(maxlen=_NUM_LINES)
        self._words = sorted((s for s in secrets if s), key=len, reverse=True)
        self._on_line = on_line

    def take(self, text: str, is_output: bool) -> None:
        if is_output:
            self.output.append(text)
        line = _USER.sub(r"\1***@", text.rstrip())
        for word in self._words:
            line = line.replace(word, "***")
        if line:
            self.last.append(line)
            if self._on_line is not None:
                self._on_line(line)


def _pump(
    process: subprocess.Popen[bytes], take: Callable[[str, bool], None], cancelled: threading.Event
) -> None:
    rest = {True: b"", False: b""}
    with selectors.DefaultSelector() as selector:
        assert process.stdout is not None and process.stderr is not None
        selector.register(process.stdout, selectors.EVENT_READ, True)
        selector.register(process.stderr, selectors.EVENT_READ, False)
        while selector.get_map():
            if cancelled.is_set():
                raise Cancelled("environment")
            for key, _ in selector.select(0.1):
                data = os.read(key.fd, 1 << 16)
                lines = (rest[key.data] + data).splitlines(keepends=True)
                is_open = bool(data) and bool(lines) and not lines[-1].endswith((b"\n", b"\r"))
                rest[key.data] = lines.pop() if is_open else b""
                for line in lines:
                    take(line.decode(errors="replace"), key.data)
                if not data:
                    selector.unregister(key.fileobj)
