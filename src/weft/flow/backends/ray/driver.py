"""The controller's end of the bridge: one process, asked with a time limit, made anew when it is gone."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from typing import Any

from weft.core import UnavailableError, missing_extra
from weft.flow.backends.ray.settings import NAME, RaySettings


class _Lost(UnavailableError):
    """The process that speaks to Ray has ended."""


class Driver:
    """Asks the cluster, from any thread, one question at a time.

    Args:
        settings: Where the cluster is, how long to wait for it.

    Raises:
        UserError: ``EXT001`` without the package.
    """

    def __init__(self, settings: RaySettings) -> None:
        if importlib.util.find_spec("ray") is None:
            raise missing_extra(f"the backend '{NAME}'", "ray", "ray")
        self._settings = settings
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, call: str, *, limit_s: float | None = None, **arguments: Any) -> Any:
        """Do one call in the cluster and return its value.

        Raises:
            UnavailableError: ``FLOW091`` when it fails or takes longer than the patience.
        """
        limit_s = self._settings.patience_s if limit_s is None else limit_s
        request = {"call": call, **arguments}
        with self._lock:
            if self._process is not None:
                # It may have died since; every call may be done twice.
                with contextlib.suppress(_Lost):
                    return self._exchange(request, limit_s)
            self._connect()
            return self._exchange(request, limit_s)

    # Inside

    def _connect(self) -> None:
        command = [sys.executable, "-P", "-W", "ignore", "-m", "weft.flow.backends.ray.bridge"]
        # Modules that this process found by its own path must be found there, too.
        path = os.pathsep.join(p for p in sys.path if p)
        environment = {**os.environ, "PYTHONPATH": path, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        weakref.finalize(self, _end, self._process)
        where = {"address": self._settings.address, "namespace": self._settings.namespace}
        try:
            self._exchange({"call": "connect", **where}, self._settings.patience_s)
        except UnavailableError:
            self._drop()
            raise

    def _exchange(self, request: dict[str, Any], limit_s: float) -> Any:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(_line(process.stdout.fileno(), time.monotonic() + limit_s))
        except TimeoutError as error:
            # An answer that comes late would be taken for that of the next question.
            self._drop()
            raise self._away(request["call"], "it took too long") from error
        except (OSError, ValueError) as error:
            self._drop()
            away = self._away(request["call"], "the connection was lost")
            raise _Lost(away.code, away.message, away.hint) from error
        if "error" in answer:
            raise self._away(request["call"], answer["error"])
        return answer["value"]

    def _drop(self) -> None:
        if self._process is not None:
            _end(self._process)
            self._process = None

    def _away(self, call: str, reason: str) -> UnavailableError:
        where = self._settings.address or os.environ.get("RAY_ADDRESS") or "this machine"
        hint = "check that its head can be reached, then ask again: what runs in the cluster goes on."
        if call == "connect":
            hint = (
                "start one here with `ray start --head`, or name one that runs: RAY_ADDRESS=host:port, or "
                "address under backends.ray in deployment.json."
            )
        return UnavailableError(
            "FLOW091",
            f"the Ray cluster of {where} did not do '{call}' (limit {self._settings.patience_s:g} s): "
            f"{reason.rstrip('.')}.",
            hint,
        )


def _line(file: int, until: float) -> bytes:
    """Read up to the end of a line, by ``until``."""
    data = b""
    while not data.endswith(b"\n"):
        ready, _, _ = select.select([file], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
        if not (chunk := os.read(file, 1 << 16)):
            raise ConnectionError
        data += chunk
    return data


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
