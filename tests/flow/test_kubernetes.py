"""Attempts on Kubernetes: a real client, a small API server, containers as processes."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from kubernetes_handle import KubernetesHandle

from weft.core import Resources, UnavailableError, UserError
from weft.flow import Node, Store
from weft.flow.backends import AttemptSpec, AttemptState, attempt_id
from weft.flow.backends.kubernetes import KubernetesBackend, KubernetesSettings
from weft.flow.record import Parts, look_up

HERE = Path(__file__).parent
RESOURCES = Resources(1_000_000_000, 1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    handle = KubernetesHandle(tmp_path_factory.mktemp("cluster"))
    handle.start()
    yield handle
    handle.close()


@pytest.fixture
def settings(cluster, tmp_path):
    return KubernetesSettings(
        image="weft:test",
        kubeconfig=str(cluster.kubeconfig),
        claims={str(tmp_path): "store"},
        variables={"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1] / "src")])},
        command=[sys.executable, "-P", "-m", "weft.flow.worker"],
        grace_s=2,
        patience_s=20.0,
        overhead_bytes=0,
    )


@pytest.fixture
def backend(store, settings):
    return KubernetesBackend(store, settings)


def spec_of(
    store, program, *, number=1, nodes=1, resources=RESOURCES, secrets=None, image=None, **parameters
):
    secrets = secrets or {}
    node = Node(
        f"test {program}",
        f"cluster_programs:{program}",
        parameters=parameters,
        timeout_s=100.0,
        secrets=secrets,
    )
    parts = Parts.of(node, {})
    run = Path(store.url).parent.name
    name = attempt_id(run, node.name, parts.key, number)
    return AttemptSpec(name, run, number, node, parts, {}, store.url, resources, {}, secrets, image, nodes)


def wait_for(backend, spec, *states, reason="", limit_s=60.0):
    until = time.monotonic() + limit_s
    while True:
        status = backend.status([spec.id])[spec.id]
        if status.state in states and reason in status.reason:
            return status
        assert time.monotonic() < until and not (status.state.is_ended and status.state not in states), status
        time.sleep(0.03)


def wait_for_end(backend, spec):
    return wait_for(backend, spec, AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.STOPPED)


def pids_in(folder):
    until = time.monotonic() + 60
    while not (folder / "pids").exists():
        assert time.monotonic() < until, "the program did not begin"
        time.sleep(0.02)
    return [int(p) for p in (folder / "pids").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_an_attempt_runs_and_leaves_result_end_and_log(backend, store):
    spec = spec_of(store, "greet", name="kubernetes")
    backend.start(spec)
    status = wait_for_end(backend, spec)
    assert status.state is AttemptState.SUCCEEDED
    assert look_up(store, spec.parts.key).record.files.keys() == {"greeting.txt"}
    whole = backend.logs(spec.id)
    assert b"hello kubernetes" in whole
    assert backend.logs(spec.id, 3) == whole[3:]


def test_starting_twice_at_once_makes_one_job(backend, store, cluster):
    spec = spec_of(store, "greet", name="twice")
    others = [KubernetesBackend(store, backend._settings) for _ in range(3)]
    threads = [threading.Thread(target=b.start, args=(spec,)) for b in (backend, *others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for_end(backend, spec)
    backend.start(spec)
    assert [j["metadata"]["name"] for j in cluster.list("jobs")].count(spec.id) == 1
    assert sum(p["metadata"]["labels"]["job-name"] == spec.id for p in cluster.list("pods")) == 1


def test_an_attempt_that_nobody_started_is_unknown(backend):
    assert backend.status(["weft-nobody-1"])["weft-nobody-1"].state is AttemptState.UNKNOWN
    assert backend.logs("weft-nobody-1") == b""


def test_the_exit_of_a_program_is_told_with_its_code(backend, store):
    spec = spec_of(store, "fail")
    backend.start(spec)
    status = wait_for_end(backend, spec)
    assert status.state is AttemptState.FAILED and "the oven is cold" in status.reason
    assert b"before the end" in backend.logs(spec.id)


def test_logs_are_there_while_the_program_runs(backend, store, tmp_path):
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids_in(tmp_path)
    until = time.monotonic() + 30
    while b"waiting" not in backend.logs(spec.id):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert wait_for(backend, spec, AttemptState.RUNNING).started_us is not None
    (tmp_path / "go").touch()
    assert wait_for_end(backend, spec).state is AttemptState.SUCCEEDED


def test_stop_returns_when_the_whole_tree_is_gone(backend, store, tmp_path, cluster):
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids = pids_in(tmp_path)
    backend.stop(spec.id)
    assert [p for p in pids if is_running(p)] == []
    assert cluster.job(spec.id) is None
    assert backend.status([spec.id])[spec.id].state is AttemptState.STOPPED
    backend.start(spec)
    backend.stop(spec.id)
    assert cluster.job(spec.id) is None


def test_stopping_what_has_ended_changes_nothing(backend, store, cluster):
    spec = spec_of(store, "greet", name="ended")
    backend.start(spec)
    wait_for_end(backend, spec)
    backend.stop(spec.id)
    assert backend.status([spec.id])[spec.id].state is AttemptState.SUCCEEDED
    assert cluster.job(spec.id) is not None


def test_pods_that_do_not_end_are_told(backend, store, settings, tmp_path, cluster):
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids_in(tmp_path)
    pod = next(p for p in cluster.list("pods") if p["metadata"]["labels"]["job-name"] == spec.id)
    shim = int((cluster.folder / "pods" / pod["metadata"]["uid"] / "pid").read_text())
    os.kill(shim, signal.SIGSTOP)
    try:
        hasty = KubernetesBackend(store, replace(settings, grace_s=1, patience_s=0.1))
        with pytest.raises(UnavailableError, match="still there") as caught:
            hasty.stop(spec.id)
        assert caught.value.code == "FLOW097"
    finally:
        os.kill(shim, signal.SIGCONT)
    backend.stop(spec.id)


def test_memory_beyond_the_limit_is_told(backend, store):
    spec = spec_of(store, "devour", resources=Resources(300_000_000, 1))
    backend.start(spec)
    status = wait_for_end(backend, spec)
    assert status.state is AttemptState.FAILED
    assert "OOMKilled" in status.reason and status.exit_code == 137 and status.code == "FLOW096"


def test_an_evicted_pod_is_told(backend, store, cluster, tmp_path):
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids = pids_in(tmp_path)
    words = {"reason": "Evicted", "message": "The node was low on resource: memory."}
    cluster.call("POST", "/test/fail-pod", {"job": spec.id, **words})
    status = wait_for_end(backend, spec)
    assert (status.state, status.code) == (AttemptState.FAILED, "FLOW096")
    assert status.reason == "Evicted: The node was low on resource: memory"
    assert [p for p in pids if is_running(p)] == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            {"resources": Resources(10**9, 1, gpus=1)},
            "Unschedulable: 0/1 nodes are available: 1 Insufficient nvidia",
        ),
        ({"image": "missing:1"}, 'ImagePullBackOff: Back-off pulling image "missing:1"'),
        ({"secrets": {"TOKEN": "k8s:lost/token"}}, 'CreateContainerConfigError: secret "lost" not found'),
    ],
)
def test_what_a_pod_waits_for_is_told_until_it_is_stopped(backend, store, cluster, words, reason):
    spec = spec_of(store, "greet", **words)
    backend.start(spec)
    wait_for(backend, spec, AttemptState.PENDING, reason=reason)
    backend.stop(spec.id)
    assert not [p for p in cluster.list("pods") if p["metadata"]["labels"]["job-name"] == spec.id]


def test_a_secret_reaches_the_program_and_nothing_else(backend, store, cluster):
    cluster.add_secret("hub", token="open-sesame-77")
    spec = spec_of(store, "greet", name="secret", secrets={"TOKEN": "k8s:hub/token"})
    backend.start(spec)
    assert wait_for_end(backend, spec).state is AttemptState.SUCCEEDED
    assert look_up(store, spec.parts.key).record.value == {"secret": len("open-sesame-77")}
    assert "open-sesame-77" not in backend.render(spec) + str(cluster.job(spec.id))
    assert "open-sesame-77" not in backend.logs(spec.id).decode()


def test_workers_of_one_attempt_find_each_other(store, settings, cluster):
    backend = KubernetesBackend(store, replace(settings, port=cluster.port + 1))
    spec = spec_of(store, "meet", nodes=3)
    backend.start(spec)
    assert wait_for_end(backend, spec).state is AttemptState.SUCCEEDED
    assert look_up(store, spec.parts.key).record.value == {"ranks": ["0", "1", "2"]}
    services = [s for s in cluster.list("services") if s["metadata"]["name"] == spec.id]
    assert services[0]["metadata"]["ownerReferences"][0]["kind"] == "Job"


def test_a_service_lost_to_a_crash_is_made_by_the_next_start(store, settings, cluster, tmp_path):
    backend = KubernetesBackend(store, settings)
    spec = spec_of(store, "wait", nodes=2, folder=str(tmp_path))
    cluster.fault(match="/services", status=403, message="quota")
    with pytest.raises(UserError, match="quota"):
        backend.start(spec)
    backend.start(spec)
    assert [s for s in cluster.list("services") if s["metadata"]["name"] == spec.id]
    backend.stop(spec.id)


def test_the_api_server_may_die_while_an_attempt_runs(backend, store, settings, cluster, tmp_path):
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids = pids_in(tmp_path)
    cluster.kill()
    try:
        with pytest.raises(UnavailableError, match="did not answer within") as caught:
            KubernetesBackend(store, replace(settings, patience_s=0.2)).status([spec.id])
        assert caught.value.code == "FLOW091"
        answers = []
        asking = threading.Thread(target=lambda: answers.append(backend.status([spec.id])[spec.id]))
        asking.start()
    finally:
        cluster.start()
    asking.join(60)
    assert answers[0].state is AttemptState.RUNNING
    assert is_running(pids[0])
    (tmp_path / "go").touch()
    assert wait_for_end(backend, spec).state is AttemptState.SUCCEEDED
    assert sum(p["metadata"]["labels"]["job-name"] == spec.id for p in cluster.list("pods")) == 1


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 429}, {"status": 503, "count": 2}, {"delay_s": 1.0}]
)
def test_a_stumbling_server_is_asked_again(store, settings, cluster, fault):
    backend = KubernetesBackend(store, replace(settings, call_s=0.5))
    spec = spec_of(store, "greet", name=str(fault))
    for path in ("/jobs", "/pods"):
        cluster.fault(match=path, **fault)
    backend.start(spec)
    assert wait_for_end(backend, spec).state is AttemptState.SUCCEEDED
    assert sum(p["metadata"]["labels"]["job-name"] == spec.id for p in cluster.list("pods")) == 1


def test_what_the_cluster_refuses_is_told(store, settings, cluster, tmp_path):
    spec = spec_of(store, "greet", name="refused")
    cluster.fault(match="/jobs", status=403, reason="Forbidden", message="exceeded quota: gpus")
    with pytest.raises(UserError, match="403 exceeded quota: gpus") as caught:
        KubernetesBackend(store, settings).start(spec)
    assert caught.value.code == "FLOW092"
    config = tmp_path / "kubeconfig"
    config.write_text(cluster.kubeconfig.read_text().replace("sesame", "wrong"))
    with pytest.raises(UserError, match="401 Unauthorized"):
        KubernetesBackend(store, replace(settings, kubeconfig=str(config))).start(spec)


def test_many_attempts_are_asked_for_in_few_calls(backend, cluster):
    before = len(cluster.call("POST", "/test/calls"))
    found = backend.status([f"weft-many-{i}" for i in range(150)])
    calls = cluster.call("POST", "/test/calls")[before:]
    assert len(found) == 150
    assert calls == ["GET jobs", "GET jobs"]


def test_a_missing_package_is_named(store, settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(UserError, match=r"'kubernetes' needs kubernetes") as caught:
        KubernetesBackend(store, settings).status([])
    assert caught.value.code == "EXT001"


@pytest.mark.parametrize("field", ["kubeconfig", "context"])
def test_a_cluster_that_is_not_configured_is_told(store, settings, field):
    with pytest.raises(UserError, match="no cluster is configured") as caught:
        KubernetesBackend(store, replace(settings, **{field: "nowhere"})).status(["x"])
    assert caught.value.code == "FLOW090"


def test_what_a_cluster_forgot_the_store_remembers(store, settings, cluster):
    backend = KubernetesBackend(Store(store.url), replace(settings, keep_finished_s=0))
    spec = spec_of(store, "greet", name="forgotten")
    backend.start(spec)
    until = time.monotonic() + 60
    while cluster.job(spec.id) is not None:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert backend.status([spec.id])[spec.id].state is AttemptState.SUCCEEDED
    assert b"hello forgotten" in backend.logs(spec.id)
    backend.start(spec)
    assert cluster.job(spec.id) is None
