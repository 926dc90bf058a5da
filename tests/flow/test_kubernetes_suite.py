"""What every backend keeps to, on Kubernetes."""

import sys
from pathlib import Path

import pytest
from kubernetes_handle import KubernetesHandle

from weft.flow.backends.kubernetes import KubernetesBackend, KubernetesSettings
from weft.testing.backends import BackendSuite

_SOURCE = str(Path(__file__).parents[2] / "src")


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    """A cluster with room, and one with a single CPU."""
    handles = [KubernetesHandle(tmp_path_factory.mktemp("cluster"), cpus) for cpus in (64, 1)]
    for handle in handles:
        handle.start()
    yield handles
    for handle in handles:
        handle.close()


class TestKubernetes(BackendSuite):
    @pytest.fixture(autouse=True)
    def use(self, clusters):
        self.clusters = clusters

    def make(self, folder):
        return self._make(folder, self.clusters[0])

    def make_small(self, folder):
        return self._make(folder, self.clusters[1])

    def _make(self, folder, cluster):
        settings = KubernetesSettings(
            image="weft:test",
            kubeconfig=str(cluster.kubeconfig),
            # Attempts of different tests have equal ids.
            namespace=folder.name.replace("_", "-"),
            claims={str(folder): "store"},
            variables={"PYTHONPATH": _SOURCE},
            command=[sys.executable, "-P", "-m", "weft.flow.worker"],
            port=cluster.port + 2,
            grace_s=5,
        )
        return KubernetesBackend(self.make_store(folder), settings)
