"""Attempts on a real Ray cluster of two machines, both on this one."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from weft.core import Resources, UnavailableError, UserError
from weft.flow import Node, Store
from weft.flow.backends import AttemptSpec, AttemptState, attempt_id
from weft.flow.backends.ray import RayBackend, RaySettings
from weft.flow.backends.ray.driver import Driver
from weft.flow.record import Parts, look_up
from weft.testing.backends import BackendSuite

HERE = Path(__file__).parent
SMALL = Resources(100_000_000, 1)


class Machines:
    """The processes of the cluster."""

    def __init__(self, folder):
        path = os.pathsep.join([str(HERE), str(HERE.parents[1] / "src")])
        # A busy machine needs longer than Ray waits by default.
        environment = {**os.environ, "PYTHONPATH": path, "RAY_agent_register_timeout_ms": "180000"}
        command = [sys.executable, "-W", "ignore", str(HERE / "ray_cluster.py"), folder]
        said = Path(folder) / "said"
        with open(said, "w") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
            self._process = subprocess.Popen(command, env=environment, text=True, **pipes)
        self.address = self._process.stdout.readline().strip()
        self.said = "" if self.address else said.read_text()[-300:]

    def tell(self, word):
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ok\n"

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
            self._process.stdout.close()


@pytest.fixture(scope="session")
def machines():
    # Ray gives a machine 30 s to start its own processes, which a busy one may need.
    for _ in range(2):
        # Sockets of Ray have names below this folder, and few letters to spare.
        with tempfile.TemporaryDirectory(prefix="wr", ignore_cleanup_errors=True) as folder:
            found = Machines(folder)
            if found.address:
                yield found
                found.close()
                return
            found.close()
    pytest.skip(f"this machine is too busy for a Ray cluster: {found.said}")


@pytest.fixture(scope="session")
def settings(machines):
    return RaySettings(address=machines.address, grace_s=4)


@pytest.fixture(scope="session")
def driver(settings):
    made = Driver(settings)
    yield made
    made._drop()


@pytest.fixture
def backend(store, settings, driver):
    return sharing(driver, RayBackend(store, settings))


def sharing(driver, backend):
    """Let several backends of these tests ask through one connection, which takes seconds to make."""
    backend.__dict__["_driver"] = driver
    return backend


def spec_of(store, program, *, number=1, nodes=1, resources=SMALL, secrets=None, **parameters):
    node = Node(f"test {program}", f"cluster_programs:{program}", parameters=parameters)
    parts = Parts.of(node, {})
    run = Path(store.url).parent.name
    name = attempt_id(run, node.name, parts.key, number)
    spec = AttemptSpec(name, run, number, node, parts, {}, store.url, resources)
    return replace(spec, secrets=secrets or {}, nodes=nodes)


def wait_for(backend, spec, *states, limit_s=60.0):
    until = time.monotonic() + limit_s
    while (status := backend.status([spec.id])[spec.id]).state not in states:
        assert time.monotonic() < until and not status.state.is_ended, status
        time.sleep(0.1)
    return status


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


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def wait_until(condition, limit_s=30.0):
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def is_kept(backend, spec):
    return any(n == spec.id or n.startswith(f"{spec.id}.") for n in backend._names())


def test_an_attempt_runs_once_and_leaves_result_end_and_log(backend, store):
    spec = spec_of(store, "greet", name="ray")
    backend.start(spec)
    backend.start(spec)
    assert wait_for_end(backend, spec).state is AttemptState.SUCCEEDED
    assert look_up(store, spec.parts.key).record.files.keys() == {"greeting.txt"}
    whole = backend.logs(spec.id)
    assert whole.count(b"hello ray") == 1
    assert backend.logs(spec.id, 3) == whole[3:]
    wait_until(lambda: not is_kept(backend, spec))
    backend.start(spec)
    assert not is_kept(backend, spec)


def test_a_failure_is_told_by_its_program(backend, store):
    spec = spec_of(store, "fail")
    backend.start(spec)
    status = wait_for_end(backend, spec)
    assert status.state is AttemptState.FAILED and "the oven is cold" in status.reason
    assert b"before the end" in backend.logs(spec.id)


def test_stop_returns_when_the_whole_tree_is_gone(backend, store, tmp_path):
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids = pids_in(tmp_path)
    backend.stop(spec.id)
    assert [p for p in pids if is_running(p)] == []
    assert backend.status([spec.id])[spec.id].state is AttemptState.STOPPED
    backend.start(spec)
    backend.stop(spec.id)
    assert not is_kept(backend, spec)
    assert backend.status([spec.id])[spec.id].state is AttemptState.STOPPED


def test_another_controller_adopts_what_runs(backend, store, settings, tmp_path):
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids = pids_in(tmp_path)
    os.kill(backend._driver._process.pid, signal.SIGKILL)
    other = sharing(backend._driver, RayBackend(Store(store.url), settings))
    other.start(spec)
    assert other.status([spec.id])[spec.id].state is AttemptState.RUNNING
    wait_until(lambda: b"waiting" in other.logs(spec.id))
    assert is_running(pids[0])
    (tmp_path / "go").touch()
    assert wait_for_end(backend, spec).state is AttemptState.SUCCEEDED
    assert (tmp_path / "pids").read_text() == " ".join(map(str, pids))


def test_what_no_machine_has_room_for_waits_or_is_refused(backend, store, settings):
    spec = spec_of(store, "greet", resources=Resources(10**9, 64), name="large")
    backend.start(spec)
    status = backend.status([spec.id])[spec.id]
    assert (status.state, status.reason) == (
        AttemptState.PENDING,
        "waits for a machine with the CPUs, memory and GPUs it needs",
    )
    assert backend.logs(spec.id) == b""
    backend.stop(spec.id)
    assert not is_kept(backend, spec)
    fixed = sharing(backend._driver, RayBackend(store, replace(settings, is_fixed=True)))
    with pytest.raises(UserError, match=r"64 CPU, 1\.0 GB of memory on one machine") as caught:
        fixed.start(spec_of(store, "greet", resources=Resources(10**9, 64), name="refused"))
    assert caught.value.code == "FLOW098"


def test_workers_of_one_attempt_find_each_other_on_both_machines(store, settings, driver):
    backend = sharing(driver, RayBackend(store, replace(settings, placement="STRICT_SPREAD")))
    spec = spec_of(store, "meet", nodes=2)
    backend.start(spec)
    backend.start(spec)
    assert wait_for_end(backend, spec).state is AttemptState.SUCCEEDED
    assert look_up(store, spec.parts.key).record.value == {"ranks": ["0", "1"]}
    wait_until(lambda: not is_kept(backend, spec))


def test_a_worker_whose_keeper_is_killed_ends_what_it_started(backend, store, tmp_path):
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids = pids_in(tmp_path)
    worker = parent_of(pids[0])
    guard = parent_of(worker)
    os.kill(parent_of(guard), signal.SIGKILL)
    status = wait_for_end(backend, spec)
    assert (status.state, status.code) == (AttemptState.FAILED, "FLOW096")
    wait_until(lambda: not [p for p in pids if is_running(p)])


def test_a_cluster_that_is_away_is_told(store, settings):
    backend = RayBackend(store, replace(settings, address="127.0.0.1:1", patience_s=3))
    with pytest.raises(UnavailableError, match="did not do 'connect'") as caught:
        backend.status(["x"])
    assert caught.value.code == "FLOW091"


def test_what_is_printed_names_actors_and_needs_no_cluster(store):
    backend = RayBackend(store, RaySettings(address="127.0.0.1:1", resources={"disk": 1}))
    spec = spec_of(store, "greet", nodes=2, resources=Resources(10**9, 2, gpus=1))
    text = backend.render(spec)
    assert '"CPU": 2' in text and '"GPU": 1' in text and '"disk": 1' in text
    assert text.count(f'"id": "{spec.id}"') == 2
    assert store.num_blobs() == 0


def test_a_secret_of_kubernetes_is_refused(store):
    spec = spec_of(store, "greet", secrets={"TOKEN": "k8s:hub/token"})
    with pytest.raises(UserError, match="cannot be given to a worker on Ray") as caught:
        RayBackend(store).render(spec)
    assert caught.value.code == "FLOW095"


def test_a_placement_that_ray_does_not_know_is_refused():
    with pytest.raises(UserError, match="'SCATTER' is no placement") as caught:
        RaySettings(placement="SCATTER")
    assert caught.value.code == "FLOW090"


def test_a_missing_package_is_named(store, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="'ray' needs ray") as caught:
        RayBackend(store).status(["x"])
    assert caught.value.code == "EXT001"


def test_an_attempt_on_a_machine_that_dies_has_failed(store, settings, machines, driver, tmp_path):
    backend = sharing(driver, RayBackend(store, replace(settings, resources={"second": 1})))
    spec = spec_of(store, "wait", folder=str(tmp_path))
    backend.start(spec)
    pids = pids_in(tmp_path)
    machines.tell("kill")
    try:
        status = wait_for_end(backend, spec)
        assert (status.state, status.code) == (AttemptState.FAILED, "FLOW096")
        wait_until(lambda: not [p for p in pids if is_running(p)])
    finally:
        machines.tell("add")


class TestRay(BackendSuite):
    """What every backend keeps to, on the same cluster."""

    @pytest.fixture(autouse=True)
    def use(self, settings, driver):
        self.settings, self.driver = settings, driver

    def make(self, folder):
        return self._make(folder, {})

    def make_small(self, folder):
        return self._make(folder, {"second": 4.0})

    def _make(self, folder, resources):
        # Attempts of different tests have equal ids.
        chosen = replace(self.settings, namespace=folder.name, resources=resources)
        return sharing(self.driver, RayBackend(self.make_store(folder), chosen))
