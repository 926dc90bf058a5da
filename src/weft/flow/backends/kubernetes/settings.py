"""What a deployment says of its cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from weft.flow.backends.settings import check_positive

NAME = "kubernetes"


@dataclass(frozen=True)
class KubernetesSettings:
    """Where attempts run in a cluster, and as whom. Nothing here is part of a node's key.

    Attributes:
        image: Of nodes that name none.
        namespace: By default that of the context, or ``default``.
        context: In the kubeconfig; by default its current one.
        kubeconfig: By default ``$KUBECONFIG`` or ``~/.kube/config``; inside a pod, its service account.
        queue: Kueue's local queue that jobs wait in.
        service_account: Of the pods. Without one they get no token of the cluster.
        node_selector: Labels that a machine must have.
        tolerations: As Kubernetes writes them.
        image_pull_secrets: Names.
        priority_class: Of the pods.
        claims: Folder → persistent volume claim that is mounted there, such as that of the store.
        variables: Environment of the workers, plain values.
        secrets: Environment of the workers, such as the store's credentials: variable → ``k8s:name/key``.
        labels: Of jobs and pods, beside Weft's own.
        command: How a worker is started in the image.
        gpu_resource: What a GPU is called in this cluster.
        overhead_bytes: Memory of a pod beyond what its node's program may use: the worker's own.
        port: On which workers of one node find each other.
        keep_finished_s: How long the cluster remembers a job that has ended; the store always does.
        start_within_s: Added to a node's time limit for fetching its image and its inputs.
        grace_s: Between asking a pod to stop and killing it.
        call_s: Limit for one request to the API server.
        patience_s: For how long requests are repeated while the API server does not answer.
    """

    image: str | None = None
    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    queue: str | None = None
    service_account: str | None = None
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)
    image_pull_secrets: list[str] = field(default_factory=list)
    priority_class: str | None = None
    claims: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=lambda: ["python", "-P", "-m", "weft.flow.worker"])
    gpu_resource: str = "nvidia.com/gpu"
    overhead_bytes: int = 200_000_000
    port: int = 29500
    keep_finished_s: int = 3600
    start_within_s: int = 900
    grace_s: int = 30
    call_s: float = 10.0
    patience_s: float = 30.0

    def __post_init__(self) -> None:
        check_positive(self, NAME, "port", "start_within_s", "grace_s", "call_s")
