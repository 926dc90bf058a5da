"""Workers, their programs, and controllers that start them, killed at each change of state of an attempt."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from engine_kit import HERE, LIMITS, chain, logged, open_engine, start_controller

from weft.flow import Plan, Store, run_plan
from weft.flow.engine import RunOptions

# Runs at the start of every interpreter: kills it at the first call of one function, before it or after it.
CUT = """
import json, os, signal, sys, threading
module, name, moment, mark = json.loads(os.environ["WEFT_TEST_CUT"])

def look(frame, event, _):
    if event != {"before": "call", "after": "return"}[moment] or frame.f_code.co_name != name:
        return
    if frame.f_globals.get("__name__") != module:
        return
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(look)
threading.setprofile(look)
"""
WORKER, CHILD, RECORD = "weft.flow.worker.command", "weft.flow.worker.child", "weft.flow.record"
RESULT, PROCESS = "weft.flow.worker.result", "weft.flow.backends.process"
IN_WORKERS = [
    (WORKER, "_read", "after"),
    (WORKER, "_attend", "before"),
    (CHILD, "_work", "before"),
    (RECORD, "commit", "before"),
    (RECORD, "commit", "after"),
    (CHILD, "_work", "after"),
    (WORKER, "_keep", "before"),
    (RESULT, "keep_result", "after"),
    (RESULT, "write_result", "after"),
]
COMMITTED = IN_WORKERS[4:]
IN_CONTROLLERS = [
    (f"{PROCESS}:ProcessBackend._prepare", "after"),
    (f"{PROCESS}:ProcessBackend._launch", "before"),
    ("os:pwrite", "before"),
    (f"{PROCESS}:ProcessBackend._launch", "after"),
    (f"{PROCESS}:ProcessBackend._bury", "before"),
    ("weft.flow.runner:write_run", "before"),
]


def retried(log, length=2) -> Plan:
    plan = chain(log, length)
    return replace(plan, nodes=tuple(replace(n, retries=2) for n in plan.nodes))


def assert_nothing_is_left(folder: Path):
    """No process of an attempt lives: each has the folder's name in its command or its environment."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            said = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:
            continue
        is_own = os.getpid() == int(path.name)
        assert is_own or not (str(folder).encode() in said and b"weft.flow.worker" in said), said


def assert_done(status, log, store, most=1):
    assert (status.state, status.reason) == ("succeeded", "")
    times = logged(log)
    assert times.keys() == {"n0", "n1"}
    assert times["n1"] == 1 and times["n0"] <= most
    plan = retried(log)
    result = run_plan(plan, Store(store), resources=LIMITS)
    assert result.outputs["n1"].value == {"n": 1}
    assert set(result.states.values()) == {"cached"}


@pytest.mark.slow
@pytest.mark.parametrize("point", IN_WORKERS, ids=lambda p: f"{p[1]}-{p[2]}")
def test_a_worker_killed_at_any_change_repeats_nothing_that_is_there(database, tmp_path, monkeypatch, point):
    site, mark, log, store = (tmp_path / name for name in ("site", "mark", "log", "store"))
    site.mkdir()
    (site / "sitecustomize.py").write_text(CUT)
    path = os.pathsep.join([str(site), str(HERE), *sys.path])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("WEFT_TEST_CUT", json.dumps([*point, str(mark)]))
    with open_engine(database, store) as engine:
        run = engine.submit(retried(log), run="amber-1", options=RunOptions(backend="process"))
        engine.start()
        status = engine.wait(run, timeout_s=90)
    assert mark.exists()
    assert_done(status, log, store, most=1 if point in COMMITTED else 2)
    assert_nothing_is_left(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("where", "moment"), IN_CONTROLLERS)
def test_a_controller_killed_as_it_starts_an_attempt_leaves_one_of_it(
    database, tmp_path, controllers, where, moment
):
    log, store = tmp_path / "log", tmp_path / "store"
    with open_engine(database, store) as engine:
        run = engine.submit(retried(log), run="amber-1", options=RunOptions(backend="process"))
        process = start_controller(database, store, where, 1, moment)
        controllers.append(process)
        assert process.wait(60) == -signal.SIGKILL
        controllers.append(start_controller(database, store))
        status = engine.wait(run, timeout_s=90)
    assert_done(status, log, store)
    assert_nothing_is_left(tmp_path)
