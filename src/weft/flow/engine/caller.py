"""Functions of users, called in a process of their own: what hangs, exits or crashes there ends only there.

``python -P -m weft.flow.engine.caller ANSWER`` reads the call as JSON from stdin and writes the answer to the
file ``ANSWER``; what the function prints is let through to stderr.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.core import UnavailableError, UserError, WeftError, from_plain, to_plain
from weft.flow.engine.words import Firing
from weft.flow.plan import Plan

_LOOK_EVERY_S = 0.05
_LONGEST_SHOWN = 300


class CallFailed(Exception):
    """The function gave no answer; the text says why."""


def call_function(
    name: str,
    parameters: Mapping[str, Any],
    firing: Firing | None = None,
    *,
    limit_s: float,
    stop: threading.Event | None = None,
) -> Plan | str:
    """Call ``module:function`` with ``parameters``, and the firing if there is one; return its plan or text.

    Args:
        name: Of the function.
        parameters: Plain values.
        firing: Second argument.
        limit_s: After so many seconds its process is ended, with all that it started.
        stop: Ends it when set.

    Raises:
        WeftError: What the function raised, if it is one of Weft's own.
        CallFailed: It failed otherwise, took too long, or returned something else.
    """
    with tempfile.TemporaryDirectory(prefix="weft-call-") as folder:
        answer, about = Path(folder) / "answer", {"parameters": parameters, "firing": to_plain(firing)}
        asked = {"path": sys.path, "function": name, **about}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "weft.flow.engine.caller", str(answer)],
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno() if _has_stderr() else subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = _wait(process, json.dumps(asked).encode(), limit_s, stop)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code is None:
            raise CallFailed(f"{name} took more than {limit_s:g} s")
        return _read(name, answer, code)


def _has_stderr() -> bool:
    try:
        return sys.stderr.fileno() >= 0
    except (AttributeError, OSError, ValueError):
        return False


def _wait(
    process: subprocess.Popen[bytes], asked: bytes, limit_s: float, stop: threading.Event | None
) -> int | None:
    """Return the exit code; ``None`` when the time is up."""
    until = time.monotonic() + limit_s
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(asked)
    while time.monotonic() < until and not (stop is not None and stop.is_set()):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK_EVERY_S)
    return None


def _read(name: str, path: Path, code: int) -> Plan | str:
    if not path.exists():
        raise CallFailed(f"{name} ended its process with exit code {code}")
    answer = json.loads(path.read_text(encoding="utf-8"))
    if "plan" in answer:
        return Plan.from_json(answer["plan"])
    if "text" in answer:
        return str(answer["text"])
    if "code" in answer:
        kind = UserError if answer["exit_code"] == 1 else UnavailableError
        raise kind(answer["code"], answer["message"], answer["hint"])
    raise CallFailed(f"{name} {answer['fault']}")


def main(target: str) -> None:
    """Answer the call that stands on stdin."""
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    text = json.dumps(_answer(asked))
    aside = Path(f"{target}.aside")
    aside.write_text(text, encoding="utf-8")
    aside.rename(target)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    module, _, function = asked["function"].partition(":")
    firing = [from_plain(Firing, asked["firing"])] if asked["firing"] is not None else []
    try:
        found = getattr(importlib.import_module(module), function)(asked["parameters"], *firing)
    except WeftError as error:
        said = {"code": error.code, "message": error.message, "hint": error.hint}
        return {**said, "exit_code": error.exit_code}
    except Exception as error:
        return {"fault": f"failed: {error!r}"[:_LONGEST_SHOWN]}
    if isinstance(found, Plan):
        return {"plan": found.to_json()}
    if isinstance(found, str):
        return {"text": found}
    return {"fault": f"returned a {type(found).__name__}"}


if __name__ == "__main__":
    main(sys.argv[1])
