"""Servers that the tests of other rooms bring along: a cluster's, and S3's."""

import sys
import urllib.request
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "flow"))


@pytest.fixture
def s3(monkeypatch):
    """A real server of S3's interface with an empty bucket ``shop``; return what workers need to reach it."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    plain = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    secret = {"AWS_ACCESS_KEY_ID": "AKIDOFTHETESTS", "AWS_SECRET_ACCESS_KEY": "s3cr3t-of-the-tests"}
    for name, value in (plain | secret).items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", b"").close()
    s3fs.S3FileSystem().mkdir("shop")
    yield plain, secret
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture
def cluster(tmp_path):
    """A server of the interface of Kubernetes; its pods are processes of this machine."""
    from kubernetes_handle import KubernetesHandle

    handle = KubernetesHandle(tmp_path / "cluster")
    handle.start()
    yield handle
    handle.close()
