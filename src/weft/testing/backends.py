"""A suite for authors of backends: subclass it, make the backend, and pytest does the rest.

class TestMyBackend(BackendSuite):
    def make(self, folder):
        return MyBackend(folder)
"""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weft.core import Resources
from weft.flow import Node, Plan, Store, run_plan
from weft.flow.backends import AttemptSpec, AttemptState, Backend, Status
from weft.flow.record import Parts, look_up
from weft.flow.worker import read_log, read_result
from weft.testing.attempts import is_locked

_PROGRAMS = "weft.testing.attempts"
LIMITS = Resources(2 * 10**9, 2)


class BackendSuite:
    """What every backend keeps to.

    Define `make`, and `make_small` where the backend counts what its machines have.
    """

    patience_s = 60.0

    def make(self, folder: Path) -> Backend:
        """Return the backend; two that are made with one folder see the same attempts."""
        raise AssertionError("the suite needs a backend: define make")

    def make_small(self, folder: Path) -> Backend | None:
        """Return the backend on a machine with one thread, or ``None`` where nothing is counted."""
        return None

    def make_store(self, folder: Path) -> Store:
        """Return the store, which the backend's machines reach by its URL."""
        return Store(folder / "store")

    def test_a_result_is_what_a_thread_of_this_process_makes(self, tmp_path: Path) -> None:
        """Same key, same content, same reported rows."""
        here = run_plan(_sum(), Store(tmp_path / "here"), resources=LIMITS)
        there = run_plan(_sum(), self.make_store(tmp_path), resources=LIMITS, backend=self.make(tmp_path))
        assert {n: (o.key, o.digest) for n, o in here.outputs.items()} == {
            n: (o.key, o.digest) for n, o in there.outputs.items()
        }
        assert [e.rows for e in there.events if e.node == "c"] == [3]

    def test_a_success_is_told(self, tmp_path: Path) -> None:
        """The record is in the store when the state is ``SUCCEEDED``."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        spec = make_spec(store, "add")
        backend.start(spec)
        status = self._end(backend, spec)
        assert status.state is AttemptState.SUCCEEDED, status
        record = look_up(store, spec.parts.key).record
        assert record is not None
        assert record.run == spec.run

    def test_an_error_keeps_its_code(self, tmp_path: Path) -> None:
        """What a program raises arrives with class, code, message and hint."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        spec = make_spec(store, "refuse")
        backend.start(spec)
        status = self._end(backend, spec)
        assert (status.state, status.code) == (AttemptState.FAILED, "SCH001")
        result = read_result(store, spec.id)
        assert result is not None and result.failure is not None
        assert str(result.failure.error()) == "SCH001: there is no table 'x'.\nHint: choose another."
        assert result.tail[0] == "about to refuse"

    def test_a_crash_is_told_by_its_signal_and_keeps_the_log(self, tmp_path: Path) -> None:
        """What was printed before survives."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        spec = make_spec(store, "crash")
        backend.start(spec)
        status = self._end(backend, spec)
        assert (status.state, status.code) == (AttemptState.FAILED, "FLOW064")
        assert "SIGSEGV" in status.reason
        for log in (backend.logs(spec.id), read_log(store, spec.id)):
            assert log.startswith(b"about to crash")

    def test_a_program_that_takes_too_long_is_ended(self, tmp_path: Path) -> None:
        """With everything that it started."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        lock = tmp_path / "lock"
        spec = make_spec(store, "hold", hints={"lock": str(lock)}, timeout_s=1.0)
        backend.start(spec)
        status = self._end(backend, spec)
        assert (status.state, status.code) == (AttemptState.FAILED, "FLOW008")
        assert not is_locked(lock)

    def test_stop_ends_grandchildren_in_sessions_of_their_own(self, tmp_path: Path) -> None:
        """When `stop` returns nothing of the attempt runs."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        lock = tmp_path / "lock"
        spec = make_spec(store, "hold", hints={"lock": str(lock)})
        backend.start(spec)
        self._until(lambda: b"holding" in backend.logs(spec.id))
        assert is_locked(lock)
        backend.stop(spec.id)
        assert not is_locked(lock)
        assert backend.status([spec.id])[spec.id].state is AttemptState.STOPPED
        assert look_up(store, spec.parts.key).record is None

    def test_logs_can_be_read_while_it_runs_and_after(self, tmp_path: Path) -> None:
        """From any offset; in the end they are in the store."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        spec = make_spec(store, "talk", hints={"until": str(tmp_path / "go")})
        backend.start(spec)
        self._until(lambda: backend.logs(spec.id) == b"first\n")
        assert backend.status([spec.id])[spec.id].state is AttemptState.RUNNING
        (tmp_path / "go").touch()
        assert self._end(backend, spec).state is AttemptState.SUCCEEDED
        assert backend.logs(spec.id, 6) == b"second\n"
        assert read_log(store, spec.id) == b"first\nsecond\n"

    def test_asking_again_changes_nothing(self, tmp_path: Path) -> None:
        """`start` of what runs or has ended, and `stop` of what has ended or never began."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        log = tmp_path / "log"
        spec = make_spec(store, "add", hints={"log": str(log)})
        assert backend.status([spec.id]) == {spec.id: Status(AttemptState.UNKNOWN)}
        backend.stop(spec.id)
        assert backend.logs(spec.id) == b""
        for _ in range(2):
            backend.start(spec)
        ended = self._end(backend, spec)
        backend.stop(spec.id)
        backend.start(spec)
        assert backend.status([spec.id])[spec.id] == ended
        assert log.read_text() == "a\n"

    def test_another_controller_finds_what_runs(self, tmp_path: Path) -> None:
        """By id alone, and starts nothing twice."""
        store, log = self.make_store(tmp_path), tmp_path / "go"
        spec = make_spec(store, "talk", hints={"until": str(log)})
        self.make(tmp_path).start(spec)
        other = self.make(tmp_path)
        self._until(lambda: other.logs(spec.id) == b"first\n")
        other.start(spec)
        assert other.status([spec.id])[spec.id].state is AttemptState.RUNNING
        log.touch()
        assert self._end(other, spec).state is AttemptState.SUCCEEDED
        assert other.logs(spec.id) == b"first\nsecond\n"

    def test_without_room_it_waits_and_says_for_what(self, tmp_path: Path) -> None:
        """The first in line begins once the other has ended."""
        backend, store = self.make_small(tmp_path), self.make_store(tmp_path)
        if backend is None:
            raise unittest.SkipTest("this backend does not count what its machines have")
        first = make_spec(store, "talk", hints={"until": str(tmp_path / "go")})
        second = make_spec(store, "add")
        backend.start(first)
        backend.start(second)
        waiting = backend.status([second.id])[second.id]
        assert waiting.state is AttemptState.PENDING
        assert "thread" in waiting.reason or "cpu" in waiting.reason.lower()
        (tmp_path / "go").touch()
        assert self._end(backend, second).state is AttemptState.SUCCEEDED

    def test_several_workers_find_each_other(self, tmp_path: Path) -> None:
        """Torchrun's environment; the output is that of rank 0."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        log = tmp_path / "log"
        spec = make_spec(store, "count", hints={"log": str(log)}, nodes=2)
        backend.start(spec)
        assert self._end(backend, spec).state is AttemptState.SUCCEEDED
        lines = sorted(log.read_text().splitlines())
        assert [line[:6] for line in lines] == ["0 of 2", "1 of 2"]
        assert len({line.split()[-1] for line in lines}) == 1
        record = look_up(store, spec.parts.key).record
        assert record is not None and record.value == {"rank": "0"}

    def test_secrets_are_neither_shown_nor_kept(self, tmp_path: Path) -> None:
        """Not in what would be submitted, nor in log, result or error."""
        backend, store = self.make(tmp_path), self.make_store(tmp_path)
        (tmp_path / "password").write_text("hunter22\n")
        spec = make_spec(store, "tell_secret", secrets={"PASSWORD": f"file:{tmp_path}/password"})
        backend.start(spec)
        status = self._end(backend, spec)
        assert status.code == "FLOW007"
        assert b"the password is ***" in backend.logs(spec.id)
        shown = [backend.render(spec), backend.logs(spec.id), read_result(store, spec.id), status]
        assert "hunter22" not in repr(shown)

    def test_a_plan_that_a_node_returns_runs_here_as_well(self, tmp_path: Path) -> None:
        """Nested, and found again in the store."""
        store, backend = self.make_store(tmp_path), self.make(tmp_path)
        first = node("a", "add", parameters={"n": 1})
        grown = node("b", "branch", parameters={"n": 2, "depth": 1}, inputs={"x": "a"})
        plan = Plan("grown", (first, grown))
        for state in ("ran", "cached"):
            result = run_plan(plan, store, resources=LIMITS, backend=backend)
            assert result.outputs["b"].value == {"n": 3}
            assert set(result.states.values()) == {state}

    def _end(self, backend: Backend, spec: AttemptSpec) -> Status:
        self._until(lambda: backend.status([spec.id])[spec.id].state.is_ended)
        return backend.status([spec.id])[spec.id]

    def _until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.patience_s
        while not is_so():
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.01)


def node(name: str, program: str, **options: Any) -> Node:
    """Make a node of one of the suite's programs."""
    return Node(name, f"{_PROGRAMS}:{program}", **options)


def make_spec(store: Store, program: str, *, run: str = "suite", **options: Any) -> AttemptSpec:
    """Make the specification of a first try of a node without inputs."""
    made = node("a", program, **options)
    return AttemptSpec.of(made, Parts.of(made, {}), run=run, store=store.url, resources=Resources(10**8, 1))


def _sum() -> Plan:
    numbers = [node(name, "add", parameters={"n": n}) for n, name in enumerate("ab", 1)]
    return Plan("sum", (*numbers, node("c", "add", inputs={"x": "a", "y": "b"})))
