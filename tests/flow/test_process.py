"""The process backend keeps to the suite of backends, and to what only it promises."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from weft.core import Resources, UserError, to_json
from weft.flow.backends import AttemptState
from weft.flow.backends import process as process_module
from weft.flow.backends.process import ProcessBackend
from weft.testing.attempts import is_locked
from weft.testing.backends import BackendSuite, make_spec


class TestProcess(BackendSuite):
    def make(self, folder):
        return ProcessBackend(folder / "process")

    def make_small(self, folder):
        return ProcessBackend(folder / "process", Resources(10**9, 1))


def wait_for(is_so, patience_s=30):
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_a_killed_worker_started_is_ended_and_the_attempt_failed(tmp_path, store):
    backend, lock = ProcessBackend(tmp_path / "process"), tmp_path / "lock"
    spec = make_spec(store, "hold", hints={"lock": str(lock)})
    backend.start(spec)
    wait_for(lambda: b"holding" in backend.logs(spec.id))
    os.kill(json.loads((tmp_path / "process/running" / spec.id).read_bytes())["pid"], signal.SIGKILL)
    wait_for(lambda: backend.status([spec.id])[spec.id].state.is_ended)
    status = backend.status([spec.id])[spec.id]
    assert (status.state, status.code, status.exit_code) == (AttemptState.FAILED, "FLOW063", -9)
    assert "SIGKILL" in status.reason
    assert not is_locked(lock)
    assert backend.logs(spec.id).startswith(b"holding")


def test_a_program_that_ends_its_own_process_is_told_from_one_that_returns(tmp_path, store):
    backend = ProcessBackend(tmp_path / "process")
    spec = make_spec(store, "leave")
    backend.start(spec)
    wait_for(lambda: backend.status([spec.id])[spec.id].state.is_ended)
    status = backend.status([spec.id])[spec.id]
    assert (status.code, status.exit_code) == ("FLOW064", 7)
    assert "ended itself with code 7" in status.reason


def test_what_no_machine_has_is_refused(tmp_path, store):
    backend = ProcessBackend(tmp_path / "process", Resources(10**7, 1))
    with pytest.raises(UserError, match="GB of memory") as caught:
        backend.start(make_spec(store, "add"))
    assert caught.value.code == "FLOW065"
    assert not list((tmp_path / "process").rglob("*.json"))


def test_a_node_that_uses_more_memory_than_it_asked_for_is_ended(tmp_path, store):
    backend = ProcessBackend(tmp_path / "process")
    spec = make_spec(store, "swell", resources=Resources(100_000_000, 1))
    backend.start(spec)
    wait_for(lambda: backend.status([spec.id])[spec.id].state.is_ended)
    status = backend.status([spec.id])[spec.id]
    assert (status.state, status.code) == (AttemptState.FAILED, "FLOW019")
    assert "MB of memory" in status.reason


def test_what_waits_can_be_stopped(tmp_path, store):
    backend = ProcessBackend(tmp_path / "process", Resources(10**9, 1))
    first = make_spec(store, "talk", hints={"until": str(tmp_path / "never")})
    second = make_spec(store, "add")
    backend.start(first)
    backend.start(second)
    backend.stop(second.id)
    backend.stop(first.id)
    states = {s.state for s in backend.status([first.id, second.id]).values()}
    assert states == {AttemptState.STOPPED}


def test_each_attempt_sees_the_gpus_it_was_given(tmp_path, store, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    backend = ProcessBackend(tmp_path / "process", Resources(10**9, 4, 2))
    until = {"until": str(tmp_path / "go")}
    specs = [make_spec(store, "see_gpus", run=f"r{i}", hints=until, version=str(i)) for i in range(3)]
    specs = [process_module.dataclasses.replace(s, resources=Resources(10**8, 1, 1)) for s in specs]
    for spec in specs:
        backend.start(spec)
    wait_for(lambda: backend.logs(specs[0].id) and backend.logs(specs[1].id))
    assert [backend.logs(s.id) for s in specs] == [b"4\n", b"7\n", b""]
    assert backend.status([specs[2].id])[specs[2].id].reason == "waits for 1 GPUs (0 free)"
    (tmp_path / "go").touch()
    wait_for(lambda: backend.status([specs[2].id])[specs[2].id].state.is_ended)


START = """
import os, signal, sys
from pathlib import Path
from weft.core import Resources, from_json
from weft.flow.backends import AttemptSpec
from weft.flow.backends.process import ProcessBackend

backend = ProcessBackend(sys.argv[1], Resources(10**9, 1))
spec = from_json(AttemptSpec, Path(sys.argv[2]).read_bytes())
"""
POLL = "print(backend.status([spec.id])[spec.id].state, flush=True)"


def control(folder, spec, code, **options):
    """Let a controller in a process of its own do something with an attempt."""
    (folder / "spec.json").write_text(to_json(spec))
    command = [sys.executable, "-c", START + code, str(folder / "process"), str(folder / "spec.json")]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, **options)


def test_an_attempt_that_waits_is_started_by_the_process_that_asked_for_it(tmp_path, store, monkeypatch):
    backend = ProcessBackend(tmp_path / "process", Resources(10**9, 1))
    first = make_spec(store, "talk", hints={"until": str(tmp_path / "go")})
    second = make_spec(store, "see_gpus", hints={"until": str(tmp_path / "go")})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "mine")
    backend.start(first)
    backend.start(second)
    (tmp_path / "go").touch()
    wait_for(lambda: (tmp_path / "process/attempts" / first.id / "result.json").exists())
    asked = control(tmp_path, second, POLL, env={**os.environ, "CUDA_VISIBLE_DEVICES": "theirs"})
    assert asked.stdout == "pending\n"
    wait_for(lambda: backend.status([first.id, second.id])[second.id].state.is_ended)
    assert backend.logs(second.id) == b"mine\n"


def test_what_a_dead_process_asked_for_waits_until_another_asks_and_is_in_nobodys_way(
    tmp_path, store, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "mine")
    backend = ProcessBackend(tmp_path / "process", Resources(10**9, 1))
    until = {"until": str(tmp_path / "go")}
    first, lost = make_spec(store, "talk", hints=until), make_spec(store, "see_gpus", hints=until)
    third = make_spec(store, "add")
    backend.start(first)
    assert control(tmp_path, lost, f"backend.start(spec)\n{POLL}").stdout == "pending\n"
    backend.start(third)
    (tmp_path / "go").touch()
    wait_for(lambda: backend.status([first.id, third.id])[third.id].state.is_ended)
    waiting = backend.status([lost.id])[lost.id]
    assert (waiting.state, "asked for again" in waiting.reason) == (AttemptState.PENDING, True)
    backend.start(lost)
    wait_for(lambda: backend.status([lost.id])[lost.id].state.is_ended)
    assert backend.logs(lost.id) == b"mine\n"


def test_a_worker_whose_number_was_not_written_down_can_be_stopped(tmp_path, store):
    backend, lock = ProcessBackend(tmp_path / "process"), tmp_path / "lock"
    spec = make_spec(store, "hold", hints={"lock": str(lock)})
    killed = "os.pwrite = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\nbackend.start(spec)"
    assert control(tmp_path, spec, killed).returncode == -signal.SIGKILL
    wait_for(lambda: b"holding" in backend.logs(spec.id))
    assert "pid" not in json.loads((tmp_path / "process/running" / spec.id).read_bytes())
    backend.stop(spec.id)
    assert not is_locked(lock)
    assert backend.status([spec.id])[spec.id].state is AttemptState.STOPPED


def test_the_system_must_be_linux(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    with pytest.raises(UserError) as caught:
        ProcessBackend(tmp_path)
    assert caught.value.code == "FLOW071"


def test_an_image_that_is_not_used_is_told_in_the_log(tmp_path, store):
    backend = ProcessBackend(tmp_path / "process")
    spec = dataclasses.replace(make_spec(store, "add"), image="registry/images:7")
    backend.start(spec)
    wait_for(lambda: backend.status([spec.id])[spec.id].state.is_ended)
    assert b"image registry/images:7 is not used" in backend.logs(spec.id)
