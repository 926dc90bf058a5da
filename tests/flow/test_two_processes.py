"""Several processes, one store: each node is computed once, and locks of the dead hold nobody up."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from weft.core import Resources, UnavailableError, UserError
from weft.flow import Node, Plan, Store, run_plan
from weft.flow.locks import FileLock

HERE = Path(__file__).parent

RUN = """
import sys
from test_two_processes import LIMITS, make_plan
from weft.flow import Store, run_plan
sys.stdin.readline()
result = run_plan(make_plan(sys.argv[2]), Store(sys.argv[1]), resources=LIMITS)
print(result.outputs["n9"].value["n"], sorted(set(result.states.values())))
"""

HOLD = """
import sys, os, signal
from weft.flow import Store
claim = Store(sys.argv[1]).claim(sys.argv[2], "run old, process 1")
assert claim.try_acquire()
print("held", flush=True)
sys.stdin.readline()
"""

LIMITS = Resources(1_000_000, 2)


def make_plan(log: str) -> Plan:
    nodes = [
        Node(
            f"n{i}",
            "flow_programs:total",
            parameters={"n": i},
            inputs={"before": f"n{i - 1}"} if i else {},
            hints={"log": log},
        )
        for i in range(10)
    ]
    return Plan("two", tuple(nodes))


def start(code: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(HERE)},
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_three_processes_run_one_plan_and_no_node_runs_twice(tmp_path):
    log = tmp_path / "log"
    processes = [start(RUN, str(tmp_path / "store"), str(log)) for _ in range(3)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outs = [p.communicate(timeout=120)[0] for p in processes]
    assert [out.split()[0] for out in outs] == ["45"] * 3
    lines = [line.split()[0] for line in log.read_text().splitlines()]
    assert sorted(lines) == [f"n{i}" for i in range(10)]


def test_two_runs_in_one_process_compute_a_node_once(tmp_path):
    log = tmp_path / "log"
    store = Store(tmp_path / "store")

    def run():
        run_plan(make_plan(str(log)), store, resources=LIMITS)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.read_text().splitlines()) == 10


def test_two_nodes_with_one_key_are_computed_once(store, resources, tmp_path):
    log = tmp_path / "log"
    nodes = tuple(Node(n, "flow_programs:total", hints={"log": str(log)}) for n in "ab")
    result = run_plan(Plan("twins", nodes), store, resources=resources)
    assert sorted(result.states.values()) == ["cached", "ran"]
    assert len(log.read_text().splitlines()) == 1


def test_the_claim_of_a_killed_process_holds_nobody_up(store, resources):
    plan = Plan("p", (Node("a", "flow_programs:total"),))
    key = run_plan(plan, Store(store.url + "-other"), resources=resources).outputs["a"].key
    holder = start(HOLD, store.url, key)
    assert holder.stdout.readline() == "held\n"
    events = []

    def watch(event):
        events.append(event)
        if event.note:
            holder.send_signal(signal.SIGKILL)

    result = run_plan(plan, store, resources=resources, on_event=watch)
    holder.communicate()
    assert result.states == {"a": "ran"}
    assert events[0].note == "waiting for run old, process 1, which computes the same"


def test_what_another_process_made_while_one_waited_is_used(store, resources):
    plan = Plan("p", (Node("a", "flow_programs:total"),))
    key = run_plan(plan, Store(store.url + "-other"), resources=resources).outputs["a"].key
    claim = store.claim(key, "run other, process 1")
    assert claim.try_acquire()

    def watch(event):
        if event.note:
            # What the holder of the claim would have done by now.
            made = Store(store.url + "-other")
            record = made.get_linked(made.get_ref(f"nodes/{key}"))
            for file in record["record"]["files"].values():
                store.put_bytes(made.get_bytes(file["digest"]))
            body = {k: v for k, v in record.items() if k != "$links"}
            store.set_ref(f"nodes/{key}", store.put_linked(body, record["$links"]))
            claim.release()

    result = run_plan(plan, store, resources=resources, on_event=watch)
    assert str(result.events[0]).startswith("a  cached (made meanwhile by run")


def test_a_lock_is_free_again_after_its_file_was_removed_under_it(tmp_path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_acquire() and not second.try_acquire()
    (tmp_path / "lock").unlink()
    first.release()
    assert second.try_acquire()
    second.release()


def test_a_lock_is_held_by_one_thread_at_a_time(tmp_path):
    holders, most = [], []

    def work():
        for _ in range(30):
            with FileLock(tmp_path / "lock"):
                holders.append(1)
                most.append(len(holders))
                holders.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_a_run_of_a_name_that_is_under_way_is_refused(store, resources, monkeypatch):
    monkeypatch.setattr("weft.flow.lease._TAKEN_AFTER_S", 0.01)
    plan = Plan("p", (Node("a", "flow_programs:total"),))
    with (
        store.lease("amber-otter-17", "process 3"),
        pytest.raises(UnavailableError, match=r"FLOW025.*process 3"),
    ):
        run_plan(plan, store, resources=resources, run="amber-otter-17")
    assert run_plan(plan, store, resources=resources, run="amber-otter-17").states == {"a": "ran"}


def test_a_name_that_no_run_can_have_is_refused_before_anything_runs(store, resources, tmp_path):
    log = tmp_path / "log"
    plan = Plan("p", (Node("a", "flow_programs:total", hints={"log": str(log)}),))
    with pytest.raises(UserError, match="FLOW014"):
        run_plan(plan, store, resources=resources, run="../x")
    assert not log.exists()
