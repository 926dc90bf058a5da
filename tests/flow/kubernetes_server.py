"""A small Kubernetes API server for tests: real HTTP on loopback, containers run as processes.

    python kubernetes_server.py FOLDER PORT CPUS

All that it knows lies in FOLDER, so that one that was killed goes on where it was. Beside the API, tests may
``POST /test/faults {"status": 500, "count": 2, "match": "/jobs", "delay_s": 1}`` and ``POST /test/fail-pod``.
"""

import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
from kubernetes_cluster import Cluster, now

TOKEN = "sesame"
_KINDS = {"jobs": "Job", "pods": "Pod", "services": "Service", "secrets": "Secret"}
_GROUPS = {"jobs": "apis/batch/v1", "pods": "api/v1", "services": "api/v1", "secrets": "api/v1"}
_PATH = re.compile(r"/(api/v1|apis/batch/v1)/namespaces/([a-z0-9-]+)/(\w+)(?:/([a-z0-9.-]+))?(?:/(log))?")
_TERM = re.compile(r"([\w./-]+)\s*(?:(!=|==|=)\s*([\w.-]*)|in\s*\(([^)]*)\))?\s*(?:,|$)")


class Refused(Exception):
    """An answer other than success, in the form that Kubernetes gives it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, folder: Path, port: int, cpus: int) -> None:
        self.cluster = Cluster(folder, {"cpu": cpus, "memory": 64 * 10**9, "nvidia.com/gpu": 0})
        self.faults: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.fault_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def _answer(self, method: Any) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        split = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(split.query).items()}
        try:
            if split.path.startswith("/test/"):
                self._test(split.path, json.loads(raw or b"{}"))
                return
            self._check(raw)
            self._stumble(split.path)
            found = _PATH.fullmatch(split.path)
            if not found or found[3] not in _KINDS or _GROUPS[found[3]] != found[1]:
                raise Refused(404, "NotFound", "the server could not find the requested resource")
            with self.server.cluster.lock:
                self.server.calls.append(f"{self.command} {found[3]}")
                result = method(found[2], found[3], found[4], found[5], json.loads(raw or b"{}"))
            if isinstance(result, bytes):
                self._send(200, result, "text/plain")
            else:
                self._send(201 if self.command == "POST" else 200, json.dumps(result).encode())
        except Refused as error:
            self._refuse(error)

    def _check(self, raw: bytes) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Unauthorized", "Unauthorized")
        if raw and not self.headers.get("Content-Type", "").startswith("application/json"):
            raise Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")

    def _stumble(self, path: str) -> None:
        with self.server.fault_lock:
            fault = next((f for f in self.server.faults if re.search(f.get("match", ""), path)), None)
            if fault is None:
                return
            fault["count"] -= 1
            if fault["count"] == 0:
                self.server.faults.remove(fault)
        time.sleep(fault.get("delay_s", 0))
        if status := fault.get("status"):
            raise Refused(
                status, fault.get("reason", "InternalError"), fault.get("message", "an error on the server")
            )

    # The API

    def _get(self, namespace: str, resource: str, name: str | None, sub: str | None, _: dict) -> Any:
        if name is None:
            return self._list(namespace, resource)
        body = self._find(namespace, resource, name)
        if sub == "log":
            if body["status"]["phase"] == "Pending":
                message = f'container "worker" in pod "{name}" is waiting to start: ContainerCreating'
                raise Refused(400, "BadRequest", message)
            return self.server.cluster.log(body)
        return body

    def _list(self, namespace: str, resource: str) -> dict:
        terms = parse_selector(self.query.get("labelSelector", ""))
        found = [
            o
            for o in self.server.cluster.all(resource, namespace)
            if all(matches(o["metadata"].get("labels", {})) for matches in terms)
        ]
        start, limit = int(self.query.get("continue", 0)), int(self.query.get("limit", 0)) or len(found)
        metadata = {"resourceVersion": str(self.server.cluster.version)}
        if start + limit < len(found):
            metadata["continue"] = str(start + limit)
        version = "batch/v1" if resource == "jobs" else "v1"
        page = found[start : start + limit]
        return {"apiVersion": version, "kind": f"{_KINDS[resource]}List", "metadata": metadata, "items": page}

    def _post(self, namespace: str, resource: str, _: str | None, __: str | None, body: dict) -> dict:
        try:
            kubernetes_validate.validate(body, "1.34", strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Refused(422, "Invalid", f"{body.get('kind')} is invalid: {error.message}") from None
        name = body["metadata"]["name"]
        if (resource, namespace, name) in self.server.cluster.objects:
            raise Refused(409, "AlreadyExists", f'{resource} "{name}" already exists')
        if self.query.get("dryRun"):
            return body
        return self.server.cluster.add(resource, namespace, body)

    def _delete(self, namespace: str, resource: str, name: str, _: str | None, options: dict) -> dict:
        body = self._find(namespace, resource, name)
        policy = self.query.get("propagationPolicy") or options.get("propagationPolicy")
        if resource == "jobs" and policy == "Foreground":
            body["metadata"].setdefault("deletionTimestamp", now())
            body["metadata"]["finalizers"] = ["foregroundDeletion"]
            return self.server.cluster.save("jobs", body)
        if resource == "pods":
            self.server.cluster.delete_pod(body)
            return body
        self.server.cluster.remove(resource, body)
        return body

    def _find(self, namespace: str, resource: str, name: str) -> dict:
        body = self.server.cluster.objects.get((resource, namespace, name))
        if body is None:
            raise Refused(404, "NotFound", f'{resource} "{name}" not found')
        return body

    # For tests

    def _test(self, path: str, body: dict) -> None:
        if path == "/test/faults":
            with self.server.fault_lock:
                self.server.faults.append({"count": 1, **body})
        elif path == "/test/fail-pod":
            with self.server.cluster.lock:
                for pod in self.server.cluster.all("pods"):
                    if pod["metadata"]["labels"].get("job-name") == body["job"]:
                        self.server.cluster.fail_pod(pod, body["reason"], body["message"])
        elif path == "/test/calls":
            self._send(200, json.dumps(self.server.calls).encode())
            return
        self._send(200, b"{}")

    def _refuse(self, error: Refused) -> None:
        words = {"status": "Failure", "message": error.message, "reason": error.reason, "code": error.status}
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, **words}
        self._send(error.status, json.dumps(body).encode())

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


def parse_selector(text: str) -> list[Any]:
    """Read ``a=b, c in (d, e), f`` as a list of tests of labels."""
    terms: list[Any] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if not found or found.end() == position:
            raise Refused(400, "BadRequest", f"unable to parse requirement: {text[position:]}")
        position = found.end() + (len(text[found.end() :]) - len(text[found.end() :].lstrip()))
        terms.append(_test_of(*found.groups()))
    return terms


def _test_of(key: str, operator: str | None, value: str | None, several: str | None) -> Any:
    if several is not None:
        wanted = {v.strip() for v in several.split(",")}
        return lambda labels: labels.get(key) in wanted
    if operator is None:
        return lambda labels: key in labels
    if operator == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


if __name__ == "__main__":
    server = Server(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    server.serve_forever(0.05)
