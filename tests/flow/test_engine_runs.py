"""Durable runs: what is asked for happens, in any process, and is seen from any other."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from engine_kit import chain, logged, open_engine, start_controller, states

from weft.core import UnavailableError, UserError
from weft.flow import Node, Plan, Store
from weft.flow.engine import Engine, RunOptions, RunState


@pytest.fixture
def engine(sqlite_url, tmp_path):
    with open_engine(sqlite_url, tmp_path / "store") as engine:
        yield engine


def until(condition, limit_s=30.0):
    """Wait for something that another thread or process brings about."""
    waiting, slices = threading.Event(), int(limit_s / 0.02)
    for _ in range(slices):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("it did not come about")


def test_a_run_is_carried_out_by_another_process_and_watched_from_here(database, tmp_path, controllers):
    log = tmp_path / "log"
    with open_engine(database, tmp_path / "store") as engine:
        run = engine.submit(chain(log, steps=10))
        assert engine.status(run).state is RunState.QUEUED
        process = start_controller(database, tmp_path / "store")
        controllers.append(process)
        until(lambda: "running" in states(engine.status(run)).values())
        seen = engine.status(run)
        assert seen.state is RunState.RUNNING and str(process.pid) in seen.owner
        status = engine.wait(run, timeout_s=40)
        assert (status.state, states(status)) == ("succeeded", {f"n{i}": "ran" for i in range(4)})
        out, err = process.communicate("\n", timeout=40)
    assert (out, err) == ("started\nclosed\n", "")
    assert set(logged(log).values()) == {1}


def test_asking_twice_for_the_same_run_starts_it_once(engine, tmp_path):
    plan = chain(tmp_path / "log", 1)
    assert engine.submit(plan, run="amber-1") == engine.submit(plan, run="amber-1")
    assert [r.run for r in engine.list()] == ["amber-1"]
    with pytest.raises(UserError, match="FLOW082: there is another run named 'amber-1'"):
        engine.submit(chain(tmp_path / "log", 2), run="amber-1")
    with pytest.raises(UserError, match="FLOW082: 'a/b' cannot be the name"):
        engine.submit(plan, run="a/b")


def test_a_run_that_failed_is_tried_again_where_it_failed(engine, tmp_path):
    log = tmp_path / "log"
    nodes = (
        *chain(log, 2).nodes,
        Node("last", "flow_programs:fail", inputs={"x": "n1"}),
        Node("after", "flow_programs:total", inputs={"x": "last"}),
    )
    run = engine.submit(Plan("p", nodes), run="amber-1")
    engine.start()
    status = engine.wait(run, timeout_s=40)
    assert (status.state, status.code) == ("failed", "FLOW007")
    assert status.reason.startswith("FLOW007: node 'last' failed: ZeroDivisionError")
    assert states(status) == {"n0": "ran", "n1": "ran", "last": "failed", "after": "cancelled"}
    engine.retry(run, "last")
    again = engine.wait(run, timeout_s=40)
    assert (again.state, again.life) == ("failed", 2)
    assert logged(log) == {"n0": 1, "n1": 1}
    engine.retry(run, "n1")
    third = engine.wait(run, timeout_s=40)
    assert states(third) == {"n0": "ran", "n1": "ran", "last": "failed", "after": "cancelled"}
    assert logged(log) == {"n0": 1, "n1": 2}
    assert third.options.repeat == ("after", "last", "n1")
    with pytest.raises(UserError, match="FLOW009"):
        engine.retry(run, "n7")
    with pytest.raises(UserError, match="FLOW084: run 'amber-1' is failed: it is not possible to resume it"):
        engine.resume(run)


def test_a_fork_repeats_a_node_and_what_follows_and_takes_the_rest(engine, tmp_path):
    log = tmp_path / "log"
    run = engine.submit(chain(log))
    engine.start()
    engine.wait(run, timeout_s=40)
    fork = engine.wait(engine.fork(run, "n2"), timeout_s=40)
    assert states(fork) == {"n0": "cached", "n1": "cached", "n2": "ran", "n3": "ran"}
    assert fork.origin == f"fork of {run} from node n2"
    other = engine.wait(engine.rerun(run, {"n3": {"n": 5}}), timeout_s=40)
    assert states(other) == {"n0": "cached", "n1": "cached", "n2": "cached", "n3": "ran"}
    assert other.nodes[3].why == "parameters.n 3 → 5"
    assert logged(log) == {"n0": 1, "n1": 1, "n2": 2, "n3": 3}
    with pytest.raises(UserError, match="FLOW009"):
        engine.fork(run, "n9")


def test_a_paused_run_stands_still_until_it_goes_on(engine, tmp_path):
    log = tmp_path / "log"
    run = engine.submit(chain(log, 3, steps=15))
    engine.start()
    until(lambda: engine.status(run).nodes[0].state == "ran")
    engine.pause(run)
    paused = engine.wait(run, timeout_s=40)
    assert paused.state is RunState.PAUSED and paused.owner == ""
    assert "waiting" in states(paused).values() or "cancelled" in states(paused).values()
    engine.resume(run)
    assert engine.wait(run, timeout_s=40).state is RunState.SUCCEEDED
    assert logged(log) == {"n0": 1, "n1": 1, "n2": 1}
    with pytest.raises(UserError, match="FLOW084"):
        engine.pause(run)


def test_a_run_that_waits_can_be_paused_and_cancelled_without_a_controller(engine, tmp_path):
    first, second = (engine.submit(chain(tmp_path / "log", 1, name=n)) for n in "ab")
    engine.pause(first)
    engine.cancel(second)
    assert [engine.status(r).state for r in (first, second)] == ["paused", "cancelled"]
    engine.start()
    engine.resume(first)
    assert engine.wait(first, timeout_s=40).state is RunState.SUCCEEDED
    assert engine.status(second).state is RunState.CANCELLED


def test_a_cancelled_run_ends_what_is_at_work(engine, tmp_path):
    run = engine.submit(chain(tmp_path / "log", 2, steps=10_000))
    engine.start()
    until(lambda: engine.status(run).nodes[0].state == "running")
    engine.cancel(run)
    status = engine.wait(run, timeout_s=40)
    assert (status.state, states(status)) == ("cancelled", {"n0": "cancelled", "n1": "cancelled"})
    engine.forget(run)
    with pytest.raises(UserError, match="FLOW083: there is no run"):
        engine.status(run)


def test_limits_of_projects_and_resources_hold_runs_back(engine, tmp_path):
    engine.set_project_limit("shop", 1)
    engine.set_limit("warehouse", 2)
    shop, heavy = RunOptions(project="shop"), RunOptions(uses={"warehouse": 2}, priority=5)
    names = ("a", "b", "c", "d")
    options = (shop, shop, heavy, RunOptions(uses={"warehouse": 1}))
    runs = [
        engine.submit(chain(tmp_path / f"log-{n}", 1, name=n), run=n, options=o)
        for n, o in zip(names, options, strict=True)
    ]
    assert [engine.status(r).state for r in runs] == ["queued", "waiting", "queued", "waiting"]
    assert engine.status("b").reason == "waits for project shop (1 of 1 in use)"
    assert engine.status("d").reason == "waits for warehouse (2 of 2 in use)"
    with pytest.raises(UserError, match="FLOW087: run 'e' uses 3 of warehouse, and the limit is 2"):
        engine.submit(chain(tmp_path / "log"), run="e", options=RunOptions(uses={"warehouse": 3}))
    assert "e" not in {r.run for r in engine.list()}
    engine.start()
    assert [engine.wait(r, timeout_s=40).state for r in runs] == ["succeeded"] * 4
    assert {r.run for r in engine.list(project="shop")} == {"a", "b"}
    engine.set_limit("warehouse", None)
    assert engine.limits() == {"project shop": 1}


def test_a_run_for_a_backend_that_no_controller_has_fails_with_its_name(engine, tmp_path):
    run = engine.submit(chain(tmp_path / "log"), options=RunOptions(backend="cluster"))
    engine.start()
    status = engine.wait(run, timeout_s=40)
    assert (status.state, status.code) == ("failed", "FLOW089")
    assert "backend 'cluster'" in status.reason


def test_a_process_is_one_controller_and_can_be_one_again(sqlite_url, tmp_path):
    for _ in range(2):
        with open_engine(sqlite_url, tmp_path / "store") as first:
            first.start()
            with (
                open_engine(sqlite_url, tmp_path / "store") as second,
                pytest.raises(UserError, match="FLOW085"),
            ):
                second.start()
            run = first.submit(chain(tmp_path / "log", 1))
            assert first.wait(run, timeout_s=40).state is RunState.SUCCEEDED


def test_a_controller_that_is_closed_gives_its_runs_back(sqlite_url, tmp_path):
    log = tmp_path / "log"
    with open_engine(sqlite_url, tmp_path / "store") as engine:
        run = engine.submit(chain(log, 3, steps=20))
        engine.start()
        until(lambda: engine.status(run).nodes[1].state == "running")
    with open_engine(sqlite_url, tmp_path / "store") as engine:
        assert engine.status(run).state in ("queued", "running", "waiting")
        engine.start()
        assert engine.wait(run, timeout_s=40).state is RunState.SUCCEEDED
    assert logged(log) == {"n0": 1, "n1": 1, "n2": 1}


def test_what_is_no_database_is_refused_and_no_password_is_shown(tmp_path):
    store = Store(tmp_path / "store")
    for url in ("mysql://me:hunter2@host/db", "sqlite://", "nonsense"):
        with pytest.raises(UserError, match="FLOW080") as error:
            Engine(url, store)
        assert "hunter2" not in str(error.value)
    with pytest.raises(UnavailableError, match="FLOW081") as silent:
        Engine("postgresql://me:hunter2@127.0.0.1:1/db", store)
    assert "hunter2" not in str(silent.value)


def test_without_the_extra_the_error_names_it(tmp_path, monkeypatch, sqlite_url):
    monkeypatch.delitem(sys.modules, "weft.flow.engine.durable", raising=False)
    monkeypatch.setitem(sys.modules, "dbos", None)
    with pytest.raises(UserError, match=r"EXT001.*dbos.*\n.*weft\[server\]"):
        Engine(sqlite_url, Store(tmp_path / "store"))


def test_the_words_of_the_engine_bring_no_library():
    code = "import sys, weft.flow.engine; print([m for m in ('dbos', 'sqlalchemy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_only_one_module_knows_dbos():
    source = Path(__file__).parents[2] / "src" / "weft"
    knowing = [
        p.name for p in source.rglob("*.py") if "import dbos" in (t := p.read_text()) or "from dbos" in t
    ]
    assert knowing == ["durable.py"]


def test_a_controller_listens_on_no_port_and_says_nothing(sqlite_url, tmp_path, capfd):
    with open_engine(sqlite_url, tmp_path / "store") as engine:
        engine.start()
        assert engine.wait(engine.submit(chain(tmp_path / "log", 1)), timeout_s=40).state == "succeeded"
        mine = set()
        for entry in Path("/proc/self/fd").iterdir():
            try:
                mine.add(str(entry.readlink()))
            except FileNotFoundError:
                continue
        lines = [r.split() for f in ("tcp", "tcp6") for r in Path(f"/proc/net/{f}").read_text().splitlines()]
        assert not [r for r in lines if r[3] == "0A" and f"socket:[{r[9]}]" in mine]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("asked", "said", "found"),
    [
        ("cancel", "waiting", "cancelled"),
        ("cancel", "paused", "cancelled"),
        ("resume", "paused", "succeeded"),
    ],
)
def test_what_is_wanted_between_a_controllers_last_look_and_word_is_done(
    engine, tmp_path, asked, said, found
):
    run = engine.submit(chain(tmp_path / "log", 1))
    taken = engine._ledger.begin(run, 1, "me")
    if asked == "resume":
        engine.pause(run)
        engine.resume(run)
    else:
        engine.cancel(run)
    engine._ledger.end(taken, "me", said)
    engine.start()
    assert engine.wait(run, timeout_s=40).state == found
