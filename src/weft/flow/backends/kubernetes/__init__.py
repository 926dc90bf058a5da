"""Attempts as Jobs of a Kubernetes cluster."""

from weft.flow.backends.kubernetes.backend import KubernetesBackend
from weft.flow.backends.kubernetes.settings import KubernetesSettings

__all__ = ["KubernetesBackend", "KubernetesSettings"]
