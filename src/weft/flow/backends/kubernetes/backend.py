"""The five methods of a backend, on a Kubernetes cluster."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterable
from typing import Any

import yaml

from weft.core import UnavailableError, digest_bytes, to_json
from weft.flow.backends.base import AttemptSpec, AttemptState, Status
from weft.flow.backends.kubernetes.api import Api
from weft.flow.backends.kubernetes.manifest import job_manifest, service_manifest
from weft.flow.backends.kubernetes.reasons import status_of
from weft.flow.backends.kubernetes.settings import NAME, KubernetesSettings
from weft.flow.backends.marks import ask_stop, is_stop_asked
from weft.flow.store import Store
from weft.flow.worker import AttemptResult, keep_result, read_log, read_result

_LOOK_EVERY_S = 0.2


class KubernetesBackend:
    """Runs each attempt as a Job of its own name, so that asking twice makes one.

    The store remembers what the cluster has forgotten: jobs that were stopped, and those whose time is over.

    Args:
        store: Where specifications go, and where workers leave ends and logs.
        settings: Where the cluster is, and what its pods look like.

    Raises:
        UserError: ``EXT001`` without the package, at the first call that needs the cluster.
    """

    def __init__(self, store: Store, settings: KubernetesSettings | None = None) -> None:
        self._store = store
        self._settings = settings or KubernetesSettings()

    @property
    def name(self) -> str:
        """Return ``kubernetes``."""
        return NAME

    def render(self, spec: AttemptSpec) -> str:
        """Write the manifests that `start` would submit, as YAML; the cluster is not asked."""
        # Copied, since YAML would write a value that stands in two places once and point to it.
        manifests = json.loads(json.dumps(self._manifests(spec)))
        text: str = yaml.safe_dump_all(manifests, sort_keys=False, width=110)
        return text

    def start(self, spec: AttemptSpec) -> None:
        """Make the Job of an attempt, and its Service; what is there already stays as it is."""
        job, *services = self._manifests(spec)
        if read_result(self._store, spec.id) is not None or is_stop_asked(self._store, spec.id):
            return
        self._store.put_bytes(_written(spec))
        made = self._api.create_job(job) or self._api.job(spec.id)
        if services and made is not None:
            self._api.create_service(service_manifest(spec, self._settings, made["metadata"]["uid"]))

    def status(self, ids: Iterable[str]) -> dict[str, Status]:
        """Return how attempts are: one list of jobs and one of pods for a hundred of them."""
        wanted = list(ids)
        jobs = self._api.jobs(wanted)
        pods = self._api.pods(jobs)
        return {i: self._status(i, jobs.get(i), pods.get(i, [])) for i in wanted}

    def logs(self, id: str, offset: int = 0) -> bytes:
        """Return what an attempt wrote: from its first pod while it runs, afterwards from the store."""
        result = read_result(self._store, id)
        if result is not None and result.log:
            return read_log(self._store, id, offset)
        pods = self._api.pods([id]).get(id, [])
        live = self._api.log(pods[0]["metadata"]["name"]) if pods else None
        return (live or b"")[offset:]

    def stop(self, id: str) -> None:
        """Delete an attempt's Job and wait until its last pod is gone.

        Raises:
            UnavailableError: ``FLOW097`` when pods are still there after their time to end.
        """
        state = self.status([id])[id].state
        if state.is_ended or state is AttemptState.UNKNOWN:
            return
        # Noted first: a controller that dies here has still said that nobody is to start it again.
        ask_stop(self._store, id)
        self._api.delete_job(id)
        until = time.monotonic() + self._settings.grace_s + self._settings.patience_s
        while self._api.job(id) is not None or self._api.pods([id]):
            if time.monotonic() > until:
                raise _still_there(id, self._api.namespace)
            time.sleep(_LOOK_EVERY_S)
        if read_result(self._store, id) is None:
            keep_result(self._store, AttemptResult(id, AttemptState.STOPPED, "stopped"))

    # Inside

    @functools.cached_property
    def _api(self) -> Api:
        return Api(self._settings)

    def _manifests(self, spec: AttemptSpec) -> list[dict[str, Any]]:
        digest = digest_bytes(_written(spec))
        made = [job_manifest(spec, self._settings, digest)]
        return made + ([service_manifest(spec, self._settings)] if spec.nodes > 1 else [])

    def _status(self, id: str, job: dict[str, Any] | None, pods: list[dict[str, Any]]) -> Status:
        """Take the cluster's word for what runs, and the workers' for how it ended."""
        told = status_of(job, pods) if job is not None else Status(AttemptState.UNKNOWN)
        if job is not None and not told.state.is_ended:
            return told
        ranks = range(job["spec"].get("completions") or 1) if job is not None else (0,)
        found = [r for rank in ranks if (r := read_result(self._store, id, rank)) is not None]
        failed = next((r for r in found if r.state is AttemptState.FAILED), None)
        if failed is not None:
            return failed.status
        if found and found[0].state is AttemptState.SUCCEEDED:
            return found[0].status
        if told.state is AttemptState.FAILED:
            # Asked to stop by the cluster, a worker says that it was stopped; the cluster says why.
            return told
        if is_stop_asked(self._store, id):
            return found[0].status if found else Status(AttemptState.STOPPED, "stopped")
        if found or told.state is AttemptState.STOPPED:
            return Status(AttemptState.FAILED, "its job was deleted from outside", "FLOW096")
        return told


def _written(spec: AttemptSpec) -> bytes:
    return to_json(spec).encode()


def _still_there(id: str, namespace: str) -> UnavailableError:
    return UnavailableError(
        "FLOW097",
        f"attempt {id} was told to stop, and its pods in namespace '{namespace}' are still there.",
        "look at the machine they run on (kubectl describe pod), then stop it again.",
    )
