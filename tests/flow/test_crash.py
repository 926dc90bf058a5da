"""Killed at any moment, the next run repeats no finished node and ends with the same results."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from weft.core import Resources
from weft.flow import Node, Plan, Store, run_plan

HERE = Path(__file__).parent
LIMITS = Resources(1_000_000, 2)

# Ends its own process with SIGKILL at the n-th call that changes the files of the store, before or after it.
RUN = """
import itertools, os, pathlib, signal, sys
from test_crash import LIMITS, make_plan
from weft.flow import Store, run_plan

url, log, call, count, moment = sys.argv[1:]
calls = itertools.count(1)

def counted(original):
    def wrapper(*arguments, **options):
        is_last = next(calls) == int(count)
        if is_last and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = original(*arguments, **options)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return wrapper

if call == "rename":
    pathlib.Path.replace = counted(pathlib.Path.replace)
elif call == "sync":
    os.fsync = counted(os.fsync)
elif call == "write":
    pathlib.Path.write_bytes = counted(pathlib.Path.write_bytes)

def tell(event):
    if event.state in ("ran", "cached"):
        print(event.node, event.state, flush=True)

result = run_plan(make_plan(log), Store(url), resources=LIMITS, on_event=tell)
print("total", result.outputs["last"].value["n"], flush=True)
"""


def make_plan(log: str) -> Plan:
    """Two chains that meet, so that nodes run side by side."""

    def node(name, n, **inputs):
        hints = {"log": log}
        return Node(name, "flow_programs:total", parameters={"n": n}, inputs=inputs, hints=hints)

    return Plan(
        "crash",
        (
            node("a", 1),
            node("b", 2),
            node("c", 3, x="a"),
            node("d", 4, x="b"),
            node("e", 5, x="c"),
            node("last", 6, x="d", y="e"),
        ),
    )


def start(store: Path, log: Path, call: str, count: int, moment: str) -> subprocess.Popen:
    command = [sys.executable, "-c", RUN, str(store), str(log), call, str(count), moment]
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE
    )


def stored_nodes(folder: Path) -> set[str]:
    """Names of the nodes whose result is in the store: those that are finished."""
    store = Store(folder)
    return {Path(n).name for n in store.list_refs("nodes")}


def check_resumed(folder: Path, log: Path) -> None:
    """Run the plan again in this process: nothing that was stored may run again."""
    finished = stored_nodes(folder)
    before = Counter(log.read_text().split("\n")[:-1]) if log.exists() else Counter()
    store = Store(folder)
    result = run_plan(make_plan(str(log)), store, resources=LIMITS)
    assert result.outputs["last"].value["n"] == 21
    ran = {n for n, s in result.states.items() if s == "ran"}
    assert not {result.outputs[n].key for n in ran} & finished
    after = Counter(line.split()[0] for line in log.read_text().splitlines())
    logged_before = Counter(line.split()[0] for line in before.elements())
    assert after - logged_before == Counter(ran)
    assert all(store.check(d) == "" for o in result.outputs.values() for d in o.files.values())
    assert not [p for p in (folder / "tmp").rglob("*") if p.is_file() and p.suffix != ".lock"]
    again = run_plan(make_plan(str(log)), store, resources=LIMITS)
    assert set(again.states.values()) == {"cached"}


CUTS = [("rename", n, "before") for n in (1, 2, 3, 4, 5, 7, 9, 12, 15, 18, 20, 21)]
CUTS += [("rename", 3, "after"), ("rename", 20, "after"), ("sync", 2, "before"), ("sync", 5, "after")]
CUTS += [("write", 2, "before")]


@pytest.mark.parametrize(("call", "count", "moment"), CUTS)
def test_killed_at_a_write_of_the_store_nothing_finished_is_repeated(tmp_path, call, count, moment):
    log = tmp_path / "log"
    process = start(tmp_path / "store", log, call, count, moment)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (out, err)
    check_resumed(tmp_path / "store", log)


@pytest.mark.parametrize("seed", range(2))
def test_killed_from_outside_again_and_again_the_run_still_ends(tmp_path, seed):
    """Each process is killed once it has told of a random number of finished nodes."""
    rng = random.Random(seed)
    log = tmp_path / "log"
    told: set[str] = set()
    for _ in range(4):
        process = start(tmp_path / "store", log, "none", 0, "before")
        for _ in range(rng.randint(1, 4)):
            words = process.stdout.readline().split()
            if len(words) == 2 and words[0] != "total":
                assert not (words[1] == "ran" and words[0] in told), f"{words[0]} was finished and ran again"
                told.add(words[0])
        process.kill()
        process.communicate()
    check_resumed(tmp_path / "store", log)


def test_the_results_are_those_of_a_run_that_nobody_killed(tmp_path):
    calm = run_plan(make_plan(str(tmp_path / "calm")), Store(tmp_path / "one"), resources=LIMITS)
    start(tmp_path / "two", tmp_path / "log", "rename", 11, "before").communicate(timeout=60)
    resumed = run_plan(make_plan(str(tmp_path / "log")), Store(tmp_path / "two"), resources=LIMITS)
    assert calm.outputs == resumed.outputs
