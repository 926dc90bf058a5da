"""The API server as this backend uses it: few calls, each with a time limit, repeated while it is away."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from weft.core import UnavailableError, UserError, missing_extra
from weft.flow.backends.kubernetes.manifest import ATTEMPT
from weft.flow.backends.kubernetes.settings import NAME, KubernetesSettings
from weft.flow.backends.settings import bad_setting

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_PAGE = 500
_IDS_PER_CALL = 100
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_AGAIN = (408, 429)


class Api:
    """Calls of one namespace, through the official client; answers are plain values.

    Args:
        settings: Where the cluster is, how long to wait for it.

    Raises:
        UserError: ``EXT001`` without the package, ``FLOW090`` when there is no such kubeconfig or context.
    """

    def __init__(self, settings: KubernetesSettings) -> None:
        self._client = _client()
        self._settings = settings
        self._connection, namespace = _connect(settings)
        self.namespace = settings.namespace or namespace
        # Some versions send a body without saying what it is, which only lenient servers accept.
        self._connection.set_default_header("Content-Type", "application/json")
        self._batch = self._client.BatchV1Api(self._connection)
        self._core = self._client.CoreV1Api(self._connection)

    def create_job(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Make a Job; None when there is one of this name."""
        call = self._batch.create_namespaced_job
        return self._made(lambda **limits: call(self.namespace, body, **limits))

    def create_service(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Make a Service; None when there is one of this name."""
        call = self._core.create_namespaced_service
        return self._made(lambda **limits: call(self.namespace, body, **limits))

    def job(self, name: str) -> dict[str, Any] | None:
        """Return a Job; None when there is none."""
        call = self._batch.read_namespaced_job
        data = self._call(lambda **limits: call(name, self.namespace, **limits), absent=(404,))
        return None if data is None else _plain(data)

    def jobs(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the Jobs of attempts that have one."""
        return {j["metadata"]["labels"][ATTEMPT]: j for j in self._list(self._batch.list_namespaced_job, ids)}

    def pods(self, ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the pods of attempts, in the order of their names."""
        found: dict[str, list[dict[str, Any]]] = {}
        for pod in self._list(self._core.list_namespaced_pod, ids):
            found.setdefault(pod["metadata"]["labels"][ATTEMPT], []).append(pod)
        return {k: sorted(v, key=lambda p: p["metadata"]["name"]) for k, v in found.items()}

    def log(self, pod: str) -> bytes | None:
        """Return what a pod's container wrote; None while it has not begun, or when it is gone."""
        call = self._core.read_namespaced_pod_log
        return self._call(lambda **limits: call(pod, self.namespace, **limits), absent=(400, 404))

    def delete_job(self, name: str) -> bool:
        """Ask for the end of a Job and, before it, of its pods; False when there is none."""
        call = self._batch.delete_namespaced_job
        policy = {"propagation_policy": "Foreground"}
        return (
            self._call(lambda **limits: call(name, self.namespace, **policy, **limits), absent=(404,))
            is not None
        )

    # Inside

    def _list(self, call: Callable[..., Any], ids: Iterable[str]) -> list[dict[str, Any]]:
        """List by label: one call for a hundred ids, whatever the number of objects beside them."""
        found: list[dict[str, Any]] = []
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), _IDS_PER_CALL):
            selector = f"{ATTEMPT} in ({','.join(wanted[start : start + _IDS_PER_CALL])})"
            page: dict[str, Any] = {"label_selector": selector, "limit": _PAGE}
            while True:
                arguments = dict(page)
                data = self._call(lambda given=arguments, **limits: call(self.namespace, **given, **limits))
                body = _plain(data or b"{}")
                found += body["items"]
                if not (rest := body["metadata"].get("continue")):
                    break
                page["_continue"] = rest
        return found

    def _made(self, call: Callable[..., Any]) -> dict[str, Any] | None:
        data = self._call(call, absent=(409,))
        return None if data is None else _plain(data)

    def _call(self, call: Callable[..., Any], absent: tuple[int, ...] = ()) -> bytes | None:
        """Do one call until it is answered; None for the statuses in ``absent``.

        Raises:
            UnavailableError: ``FLOW091`` when there was no answer within the patience.
            UserError: ``FLOW092`` when the cluster refuses.
        """
        until, pause = time.monotonic() + self._settings.patience_s, _FIRST_PAUSE_S
        while True:
            try:
                answer = call(_preload_content=False, _request_timeout=float(self._settings.call_s))
                data: bytes = answer.data
                return data
            except self._client.ApiException as error:
                if error.status in absent:
                    return None
                if not (error.status in _AGAIN or (error.status or 500) >= 500 or error.status == 409):
                    raise self._refused(error) from error
                reason = f"{error.status} {_message(error)}"
            except _http_errors() as error:
                reason = f"{type(error).__name__}: {error}"
            except ValueError as error:
                # The client checks a body before it sends it.
                raise bad_setting(NAME, "tolerations", str(error).replace("\n", " "), "correct it") from error
            if time.monotonic() + pause > until:
                raise self._away(reason)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _refused(self, error: Any) -> UserError:
        said = _message(error).rstrip(".")
        return UserError(
            "FLOW092",
            f"the cluster refused, in namespace '{self.namespace}': {error.status} {said}.",
            "correct what it names, or ask for the right to manage jobs, pods and services there.",
        )

    def _away(self, reason: str) -> UnavailableError:
        return UnavailableError(
            "FLOW091",
            f"the API server at {self._connection.configuration.host} did not answer "
            f"within {self._settings.patience_s:g} s: {reason}.",
            "check that it can be reached, then ask again: what runs in the cluster goes on.",
        )


def _client() -> Any:
    try:
        from kubernetes import client
    except ImportError as error:
        raise missing_extra(f"the backend '{NAME}'", "kubernetes", "kubernetes") from error
    return client


def _http_errors() -> type[Exception]:
    from urllib3.exceptions import HTTPError

    found: type[Exception] = HTTPError
    return found


def _connect(settings: KubernetesSettings) -> tuple[Any, str]:
    """Return a connection and the namespace that its configuration names."""
    from kubernetes import client, config

    connection = client.Configuration()
    # Retries are ours: the library's own know no limit in time.
    connection.retries = False
    if settings.kubeconfig is None and "KUBECONFIG" not in os.environ and (_ACCOUNT / "token").exists():
        config.load_incluster_config(client_configuration=connection)
        return client.ApiClient(connection), (_ACCOUNT / "namespace").read_text().strip()
    given = {"config_file": settings.kubeconfig, "context": settings.context}
    try:
        config.load_kube_config(client_configuration=connection, **given)
        contexts, current = config.list_kube_config_contexts(settings.kubeconfig)
    except (config.ConfigException, OSError, TypeError) as error:
        words = f"no cluster is configured: {error}"
        raise bad_setting(NAME, "kubeconfig", words, "name a kubeconfig and a context that it has") from error
    chosen = next((c for c in contexts if c["name"] == settings.context), current)
    return client.ApiClient(connection), chosen["context"].get("namespace") or "default"


def _plain(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data)
    return found


def _message(error: Any) -> str:
    """Return what the server said, which clients keep as text or as bytes, or not at all."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason or "")
