"""Many runs at once, large plans, and a disk that is full."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_kit import HERE, chain, open_engine

from weft.core import UnavailableError, peak_memory_bytes
from weft.flow import Event, Node, NodeState, Plan, Store
from weft.flow.engine import RunState
from weft.flow.engine.ledger import Ledger


def numbered(run: int, log: Path) -> Plan:
    """Ten nodes of which five follow each other and five stand beside them; all keys are the run's own."""
    nodes = []
    for i in range(10):
        inputs = {"before": f"n{i - 2}"} if i > 1 and i % 2 else {}
        hints = {"log": str(log)}
        nodes.append(
            Node(f"n{i}", "flow_programs:total", parameters={"n": i, "of": run}, inputs=inputs, hints=hints)
        )
    return Plan(f"p{run}", tuple(nodes))


@pytest.mark.slow
def test_two_hundred_runs_at_once_lose_and_double_nothing(sqlite_url, tmp_path):
    with open_engine(sqlite_url, tmp_path / "store", runs_at_once=16) as engine:
        engine.start()
        first = engine.submit(numbered(0, tmp_path / "log"))
        assert engine.wait(first, timeout_s=60).state is RunState.SUCCEEDED
        before = peak_memory_bytes()
        runs = [engine.submit(numbered(i, tmp_path / "log")) for i in range(1, 200)]
        ended = {engine.wait(run, timeout_s=300).state for run in runs}
        assert ended == {RunState.SUCCEEDED}
        assert peak_memory_bytes() - before < 200_000_000
        assert {engine.status(r).life for r in runs} == {1}
    assert len((tmp_path / "log").read_text().splitlines()) == 2000
    assert len(Store(tmp_path / "store").list_ref_names("nodes")) == 2000


def test_two_thousand_nodes_are_noted_in_one_transaction_and_read_at_once(sqlite_url, tmp_path):
    plan = Plan("wide", tuple(Node(f"n{i}", "flow_programs:total") for i in range(2000)))
    with open_engine(sqlite_url, tmp_path / "store") as engine:
        run = engine.submit(plan)
        ledger: Ledger = engine._ledger
        assert ledger.begin(run, 1, "me") is not None
        events = {(run, n.name): Event(n.name, NodeState.RAN, "first time") for n in plan.nodes}
        started = time.process_time()
        ledger.note("me", events)
        noted = time.process_time()
        assert {n.state for n in engine.status(run).nodes} == {"ran"}
        assert noted - started < 2 and time.process_time() - noted < 2
        # Who has lost the run writes nothing.
        ledger.note("other", {(run, "n0"): Event("n0", NodeState.FAILED)})
        assert engine.status(run).nodes[0].state == "ran"


FULL = """
import resource, sys
from engine_kit import chain, open_engine
from weft.core import UnavailableError
from weft.flow import Store
url, store, log = sys.argv[1:]
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
engine = open_engine(url, store)
engine.submit(chain(log, 1), run="before")
size = int(sys.stdin.readline())
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
codes = set()
for i in range(2000):
    try:
        engine.submit(chain(log, 1), run=f"r{i}")
    except UnavailableError as error:
        codes.add(error.code)
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
known = {r.run for r in engine.list()}
print(codes, i, f"r{i}" in known, "before" in known, len(known) == i + 1, flush=True)
print(engine.submit(chain(log, 1), run=f"r{i}"))
engine.close()
"""


def test_a_full_disk_under_the_database_is_said_and_leaves_nothing_half(sqlite_url, tmp_path):
    store, log = tmp_path / "store", tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", FULL, sqlite_url, str(store), str(log)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        sizes = 400_000 + max((p.stat().st_size for p in tmp_path.glob("weft.db*")), default=0)
        out, err = process.communicate(f"{sizes}\n", timeout=120)
    words = out.split()
    assert words[0] == "{'FLOW012'}", (out, err)
    assert words[2:5] == ["False", "True", "True"], (out, err)
    with open_engine(sqlite_url, store) as engine:
        engine.start()
        assert engine.wait(words[5], timeout_s=60).state is RunState.SUCCEEDED


def test_a_run_whose_store_is_full_fails_and_goes_on_when_there_is_room(sqlite_url, tmp_path, monkeypatch):
    from weft.flow import attempt

    real, is_full = attempt.commit, [True]

    def commit(store, parts, *args, **options):
        if is_full[0] and parts.parameters["n"] == 2:
            raise OSError(28, "No space left on device")
        return real(store, parts, *args, **options)

    monkeypatch.setattr(attempt, "commit", commit)
    log = tmp_path / "log"
    with open_engine(sqlite_url, tmp_path / "store") as engine:
        engine.start()
        run = engine.submit(chain(log))
        status = engine.wait(run, timeout_s=60)
        assert (status.state, status.code) == ("failed", "FLOW012")
        assert [n.state for n in status.nodes] == ["ran", "ran", "failed", "cancelled"]
        is_full[0] = False
        engine.retry(run)
        assert engine.wait(run, timeout_s=60).state is RunState.SUCCEEDED
    counts = [line.split()[0] for line in log.read_text().splitlines()]
    assert sorted(counts) == ["n0", "n1", "n2", "n2", "n3"]


def test_the_end_of_a_run_is_written_once_the_database_has_room_again(sqlite_url, tmp_path, monkeypatch):
    with open_engine(sqlite_url, tmp_path / "store") as engine:
        real, failures = engine._ledger.end, [2]

        def end(*args, **options):
            if failures[0]:
                failures[0] -= 1
                raise UnavailableError("FLOW012", "there is no space left for the database.", "free some.")
            return real(*args, **options)

        monkeypatch.setattr(engine._ledger, "end", end)
        engine.start()
        run = engine.submit(chain(tmp_path / "log", 2))
        status = engine.wait(run, timeout_s=60)
        assert (status.state, status.life, failures) == ("succeeded", 1, [0])
