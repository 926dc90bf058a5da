"""Starts, kills and restarts the API server of tests, and speaks to it as kubectl would."""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml
from kubernetes_server import TOKEN

_SERVER = Path(__file__).with_name("kubernetes_server.py")


class KubernetesHandle:
    """One server and its folder; `close` leaves no process of it behind."""

    def __init__(self, folder: Path, cpus: int = 64) -> None:
        self.cpus = cpus
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.kubeconfig = folder / "kubeconfig"
        self.write_config(TOKEN)
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [sys.executable, "-W", "ignore", str(_SERVER), str(self.folder), str(self.port)]
        command.append(str(self.cpus))
        self._process = subprocess.Popen(command)
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                self.call("POST", "/test/calls")
                return
            assert self._process.poll() is None and time.monotonic() < until, "the server did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.kill()
        for pid in (self.folder / "pods").glob("*/pid"):
            if not (pid.parent / "end.json").exists():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid.read_text()), signal.SIGTERM)
                until = time.monotonic() + 20
                while not (pid.parent / "end.json").exists() and time.monotonic() < until:
                    time.sleep(0.02)

    def call(self, method: str, path: str, body: object = None) -> dict:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def fault(self, **words: object) -> None:
        self.call("POST", "/test/faults", words)

    def job(self, name: str) -> dict | None:
        try:
            return self.call("GET", f"/apis/batch/v1/namespaces/weft-tests/jobs/{name}")
        except urllib.error.HTTPError as error:
            assert error.code == 404
            return None

    def list(self, resource: str) -> list[dict]:
        group = "apis/batch/v1" if resource == "jobs" else "api/v1"
        return self.call("GET", f"/{group}/namespaces/weft-tests/{resource}")["items"]

    def add_secret(self, name: str, **values: str) -> None:
        data = {k: base64.b64encode(v.encode()).decode() for k, v in values.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
        self.call("POST", "/api/v1/namespaces/weft-tests/secrets", body)

    def write_config(self, token: str) -> None:
        named = {"cluster": "c", "user": "u", "namespace": "weft-tests"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "contexts": [{"name": "tests", "context": named}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "u", "user": {"token": token}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))
