"""An attempt as the objects of Kubernetes: one Job, and a Service where several workers find each other."""

from __future__ import annotations

import math
import re
from typing import Any

from weft.core import UserError
from weft.flow.backends.base import AttemptSpec
from weft.flow.backends.kubernetes.settings import NAME, KubernetesSettings
from weft.flow.backends.settings import bad_setting

ATTEMPT = "weft/attempt"
MANAGED = "app.kubernetes.io/managed-by"
CONTAINER = "worker"
INDEX = "batch.kubernetes.io/job-completion-index"
_SECRET = re.compile(r"k8s:([a-z0-9.-]+)/([\w.-]+)")


def job_manifest(spec: AttemptSpec, settings: KubernetesSettings, digest: str) -> dict[str, Any]:
    """Return the Job that runs an attempt whose specification lies in the store under ``digest``.

    Raises:
        UserError: ``FLOW090`` without an image, ``FLOW094`` for a store that pods cannot reach, ``FLOW095``
            for a secret that is none of Kubernetes.
    """
    labels = _labels(spec, settings)
    annotations = {"weft/run": spec.run, "weft/node": spec.node.name, "weft/key": spec.parts.key}
    job: dict[str, Any] = {
        # A node's retries are the controller's, which tells why each was made.
        "backoffLimit": 0,
        "completions": spec.nodes,
        "parallelism": spec.nodes,
        "podReplacementPolicy": "Failed",
        "ttlSecondsAfterFinished": settings.keep_finished_s,
        "template": {
            "metadata": {"labels": labels, "annotations": {**annotations, _SAFE_TO_EVICT: "false"}},
            "spec": _pod(spec, settings, digest),
        },
    }
    if spec.nodes > 1:
        job["completionMode"] = "Indexed"
    queue = {"kueue.x-k8s.io/queue-name": settings.queue} if settings.queue else {}
    metadata = {"name": spec.id, "labels": {**labels, **queue}, "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job}


def service_manifest(
    spec: AttemptSpec, settings: KubernetesSettings, uid: str | None = None
) -> dict[str, Any]:
    """Return the headless Service by whose name the workers of one attempt find the first.

    Args:
        spec: Of more than one worker.
        settings: Of the cluster.
        uid: Of the Job, with which the Service goes away.
    """
    metadata: dict[str, Any] = {"name": spec.id, "labels": _labels(spec, settings)}
    if uid is not None:
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": spec.id, "uid": uid}
        metadata["ownerReferences"] = [owner]
    body = {
        "clusterIP": "None",
        "selector": {ATTEMPT: spec.id},
        # The workers wait for each other before any of them could be called ready.
        "publishNotReadyAddresses": True,
        "ports": [{"name": "rendezvous", "port": settings.port}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body}


def secret_reference(variable: str, reference: str) -> dict[str, Any]:
    """Return the entry of a container's environment that takes a value from a Secret.

    Example:
        >>> secret_reference("TOKEN", "k8s:hub/token")["valueFrom"]
        {'secretKeyRef': {'name': 'hub', 'key': 'token'}}
    """
    found = _SECRET.fullmatch(reference)
    if not found:
        raise UserError(
            "FLOW095",
            f"the secret of {variable}, {reference.partition(':')[0]}:…, cannot be given to a pod.",
            "keep it in a Secret of the cluster and write k8s:name/key.",
        )
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": found[1], "key": found[2]}}}


def label_value(text: str) -> str:
    """Return ``text`` as the value of a label: at most 63 letters, digits, ``.``, ``_`` and ``-``."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:63].strip("-_.")


_SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"


def _labels(spec: AttemptSpec, settings: KubernetesSettings) -> dict[str, str]:
    own = {"weft/run": label_value(spec.run), "weft/node": label_value(spec.node.name)}
    return {**settings.labels, MANAGED: "weft", ATTEMPT: spec.id, **own}


def _pod(spec: AttemptSpec, settings: KubernetesSettings, digest: str) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": settings.grace_s,
        "automountServiceAccountToken": settings.service_account is not None,
        "containers": [_container(spec, settings, digest)],
        "volumes": _volumes(spec, settings),
    }
    if spec.node.timeout_s is not None:
        # The worker keeps the limit itself; this ends one that cannot. Time in a queue does not count.
        pod["activeDeadlineSeconds"] = math.ceil(spec.node.timeout_s) + settings.start_within_s
    if spec.nodes > 1:
        pod["subdomain"] = spec.id
    optional = {
        "serviceAccountName": settings.service_account,
        "priorityClassName": settings.priority_class,
        "nodeSelector": settings.node_selector,
        "tolerations": settings.tolerations,
        "imagePullSecrets": [{"name": n} for n in settings.image_pull_secrets],
    }
    return pod | {k: v for k, v in optional.items() if v}


def _container(spec: AttemptSpec, settings: KubernetesSettings, digest: str) -> dict[str, Any]:
    image = spec.image or settings.image
    if not image:
        words = f"node '{spec.node.name}' names no image and neither does the deployment"
        raise bad_setting(NAME, "image", words, "set image to one that has Weft installed")
    mounts = [{"name": f"claim-{i}", "mountPath": path} for i, path in enumerate(sorted(settings.claims))]
    return {
        "name": CONTAINER,
        "image": image,
        "command": _command(spec, settings, digest),
        "env": _environment(spec, settings),
        "resources": _resources(spec, settings),
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}, *mounts],
        # A worker that dies before it could write a log still leaves its last lines.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _command(spec: AttemptSpec, settings: KubernetesSettings, digest: str) -> list[str]:
    command = [*settings.command, digest, "--store", _reachable(spec, settings), "--echo"]
    if spec.nodes == 1:
        return command
    # The machine that runs a pod puts the number of the worker in place of its variable.
    return [*command, "--rank", "$(WEFT_RANK)", "--master", f"{spec.id}-0.{spec.id}:{settings.port}"]


def _resources(spec: AttemptSpec, settings: KubernetesSettings) -> dict[str, Any]:
    memory_bytes = spec.resources.memory_bytes + settings.overhead_bytes
    asked = {"cpu": str(spec.resources.threads), "memory": str(memory_bytes)}
    if spec.resources.gpus:
        asked[settings.gpu_resource] = str(spec.resources.gpus)
    return {"requests": asked, "limits": dict(asked)}


def _volumes(spec: AttemptSpec, settings: KubernetesSettings) -> list[dict[str, Any]]:
    # Data loaders need more than the 64 MB that containers get; what is used counts as the pod's memory.
    shared = {"medium": "Memory", "sizeLimit": str(spec.resources.memory_bytes // 2)}
    claims = [settings.claims[path] for path in sorted(settings.claims)]
    return [
        {"name": "shm", "emptyDir": shared},
        *({"name": f"claim-{i}", "persistentVolumeClaim": {"claimName": c}} for i, c in enumerate(claims)),
    ]


def _environment(spec: AttemptSpec, settings: KubernetesSettings) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [{"name": k, "value": v} for k, v in sorted(settings.variables.items())]
    if spec.nodes > 1:
        source = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
        entries.append({"name": "WEFT_RANK", "valueFrom": source})
    # References of other kinds are looked up by the worker itself.
    secrets = {**settings.secrets, **{k: v for k, v in spec.secrets.items() if v.startswith("k8s:")}}
    return [*entries, *(secret_reference(name, secrets[name]) for name in sorted(secrets))]


def _reachable(spec: AttemptSpec, settings: KubernetesSettings) -> str:
    """Return the store's address, if a pod can use it."""
    scheme, _, path = spec.store.rpartition("://")
    if scheme not in ("", "file", "local"):
        return spec.store
    if any(path == c or path.startswith(c.rstrip("/") + "/") for c in settings.claims):
        return spec.store
    raise UserError(
        "FLOW094",
        f"the store at {spec.store} is a folder of this machine, which pods do not see.",
        "set store in weft.yaml to s3://bucket/prefix or gs://…, or mount its volume under the same path "
        "with the setting claims.",
    )
