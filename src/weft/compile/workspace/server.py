"""A Jupyter server of this machine: started, asked what it does, ended."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weft.core import Resources, UnavailableError, missing_extra

_READY_AFTER_S = 60.0
_END_AFTER_S = 8.0
_ASK_S = 10.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Address:
    """Where a workspace answers; whoever knows the token may run code there."""

    url: str
    token: str

    @property
    def link(self) -> str:
        """The address to open in a browser, token included."""
        return f"{self.url}lab?token={self.token}" if _has_lab() else f"{self.url}tree?token={self.token}"


@dataclass(frozen=True)
class Activity:
    """What a server does: seconds since anybody asked it for anything, and kernels that compute now."""

    idle_s: float
    num_busy: int


class JupyterServer:
    """A Jupyter server on loopback, behind a token of its own, with a project as its root.

    The token is handed over in the environment, so that it stands in no command line and no log. Each process
    of the workspace may hold as much memory as the workspace was given, and all of them share its cores.

    Args:
        folder: The root of the server: files that it shows, and where kernels start.
        resources: What the workspace may use.
        runtime: A private folder for sockets and addresses; made when missing.
        log: Takes what the server and its kernels print.
        host: Address that it listens on.
        port: Number of the port; 0 for a free one.

    Raises:
        UserError: ``EXT001`` when Jupyter is not installed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        resources: Resources,
        runtime: Path,
        log: Callable[[bytes], object],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if importlib.util.find_spec("jupyter_server") is None:
            raise missing_extra("a workspace", "jupyter-server", "jupyter")
        runtime.mkdir(parents=True, exist_ok=True)
        runtime.chmod(0o700)
        self._runtime = runtime
        self._token = secrets.token_urlsafe(32)
        self._process = self._begin(folder, host, port, resources)
        # Limits are inherited by kernels, which start later.
        limit = resources.memory_bytes
        resource.prlimit(self._process.pid, resource.RLIMIT_DATA, (limit, limit))
        cores = sorted(os.sched_getaffinity(0))[: max(1, resources.threads)]
        os.sched_setaffinity(self._process.pid, cores)
        self._pump = threading.Thread(target=self._pass_on, args=(log,), name="workspace-log", daemon=True)
        self._pump.start()

    @property
    def exit_code(self) -> int | None:
        """Exit code of the server once it has ended, else ``None``."""
        return self._process.poll()

    def wait_ready(self, check: Callable[[], object]) -> Address:
        """Wait until the server answers; ``check`` is called meanwhile and may raise.

        Raises:
            UnavailableError: ``APP060`` when it ends or does not answer in time.
        """
        deadline = time.monotonic() + _READY_AFTER_S
        while time.monotonic() < deadline and self.exit_code is None:
            check()
            if (address := self._announced()) is not None:
                self._address = address
                with contextlib.suppress(OSError):
                    self._ask("api/status")
                    return address
            time.sleep(0.1)
        code = self.exit_code
        told = f"did not answer in {_READY_AFTER_S:g} s" if code is None else f"ended with exit code {code}"
        raise UnavailableError(
            "APP060",
            f"the Jupyter server of a workspace {told} when it was started.",
            "look into the log of the workspace, and give it memory enough for a server and its kernels.",
        )

    def activity(self) -> Activity:
        """Ask the server what it does.

        Raises:
            OSError: When it does not answer.
        """
        status = self._ask("api/status")
        kernels = self._ask("api/kernels?no_track_activity=1")
        last = datetime.fromisoformat(status["last_activity"].replace("Z", "+00:00"))
        idle_s = (datetime.now(UTC) - last).total_seconds()
        return Activity(max(0.0, idle_s), sum(k["execution_state"] == "busy" for k in kernels))

    def stop(self) -> None:
        """End the server and its kernels; when this returns none of them runs."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(kind)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_END_AFTER_S)
        self._pump.join(_END_AFTER_S)

    def _begin(self, folder: Path, host: str, port: int, resources: Resources) -> subprocess.Popen[bytes]:
        settings = {
            "ServerApp.ip": host,
            "ServerApp.port": port,
            "ServerApp.open_browser": False,
            "ServerApp.root_dir": str(folder),
            "ServerApp.allow_root": os.geteuid() == 0,
            "ServerApp.terminals_enabled": False,
            "ServerApp.answer_yes": True,
        }
        command = [sys.executable, "-m", "jupyter_server", *(f"--{k}={v}" for k, v in settings.items())]
        environment = os.environ | {
            "JUPYTER_TOKEN": self._token,
            "JUPYTER_RUNTIME_DIR": str(self._runtime),
            **{name: str(resources.threads) for name in _THREAD_VARIABLES},
        }
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def _announced(self) -> Address | None:
        path = self._runtime / f"jpserver-{self._process.pid}.json"
        try:
            told = json.loads(path.read_text())
        except (OSError, ValueError):
            return None  # not written yet, or half of it
        return Address(told["url"], self._token)

    def _ask(self, path: str) -> Any:
        request = urllib.request.Request(
            self._address.url + path, headers={"Authorization": f"token {self._token}"}
        )
        # A proxy of the environment has no business on loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_ASK_S) as answer:
            return json.loads(answer.read())

    def _pass_on(self, log: Callable[[bytes], object]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            while text := stream.readline():
                log(text.replace(self._token.encode(), b"***"))


def _has_lab() -> bool:
    return importlib.util.find_spec("jupyterlab") is not None
