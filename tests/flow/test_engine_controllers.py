"""Several controllers on one database: a run has one of them, and only the dead are followed."""

import fcntl
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from engine_kit import chain, logged, open_engine, start_controller
from test_engine_runs import until

from weft.core import UnavailableError
from weft.flow.engine import RunOptions
from weft.flow.engine.alive import Absence, FilePresence, Watchdog, presence_of
from weft.flow.engine.tables import open_engine as open_database


def test_two_controllers_share_runs_and_no_node_runs_twice(database, tmp_path, controllers):
    store = tmp_path / "store"
    with open_engine(database, store) as engine:
        controllers += [start_controller(database, store) for _ in range(2)]
        assert [p.stdout.readline() for p in controllers] == ["started\n"] * 2
        runs = [engine.submit(chain(tmp_path / f"log-{i}", 3, name=f"c{i}", steps=10)) for i in range(8)]
        owners = set()

        def all_over():
            found = engine.list()
            owners.update(r.owner for r in found if r.owner)
            return all(r.state.is_over for r in found)

        until(all_over, 60)
        assert {r.state for r in engine.list()} == {"succeeded"}
    assert len(runs) == 8 and len(owners) == 2
    for i in range(8):
        assert logged(tmp_path / f"log-{i}") == {"n0": 1, "n1": 1, "n2": 1}


def test_the_runs_of_a_dead_controller_go_on_and_those_of_a_living_one_stay(database, tmp_path, controllers):
    store = tmp_path / "store"
    with open_engine(database, store) as engine:
        first = engine.submit(chain(tmp_path / "first", 3, name="a", steps=150))
        one = start_controller(database, store)
        controllers.append(one)
        until(lambda: engine.status(first).nodes[0].state == "ran", 40)
        owner = engine.status(first).owner
        # A controller that comes second leaves the run where it is.
        two = start_controller(database, store)
        controllers.append(two)
        assert two.stdout.readline() == "started\n"
        second = engine.submit(chain(tmp_path / "second", 1, name="b"))
        assert engine.wait(second, timeout_s=40).state == "succeeded"
        assert engine.status(first).owner == owner
        one.send_signal(signal.SIGKILL)
        status = engine.wait(first, timeout_s=60)
        assert (status.state, status.life) == ("succeeded", 2)
    counts = logged(tmp_path / "first")
    assert counts["n0"] == 1 and set(counts) == {"n0", "n1", "n2"}


def test_a_controller_that_stands_still_is_not_taken_for_dead(sqlite_url, tmp_path, controllers):
    """A process that is stopped holds its lock: only its end lets go of it."""
    store = tmp_path / "store"
    with open_engine(sqlite_url, store) as engine:
        run = engine.submit(chain(tmp_path / "log", 2, steps=30))
        process = start_controller(sqlite_url, store)
        controllers.append(process)
        until(lambda: engine.status(run).nodes[0].state == "running", 40)
        os.kill(process.pid, signal.SIGSTOP)
        engine.start()
        threading.Event().wait(2.5)
        assert engine.status(run).life == 1
        os.kill(process.pid, signal.SIGCONT)
        assert engine.wait(run, timeout_s=40).state == "succeeded"
        assert engine.status(run).life == 1
    assert logged(tmp_path / "log") == {"n0": 1, "n1": 1}


@pytest.mark.parametrize("jump_s", [-3e8, 3e8])
def test_a_clock_that_is_years_off_takes_no_run_from_anybody(
    database, tmp_path, controllers, monkeypatch, jump_s
):
    store, log = tmp_path / "store", tmp_path / "log"
    with open_engine(database, store) as engine:
        run = engine.submit(chain(log, 2, steps=100))
        controllers.append(start_controller(database, store))
        until(lambda: engine.status(run).nodes[0].state == "running", 40)
        now, now_ns = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: now() + jump_s)
        monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(jump_s * 1e9))
        engine.start()
        assert engine.wait(run, timeout_s=60).state == "succeeded"
        assert engine.status(run).life == 1
    assert logged(log) == {"n0": 1, "n1": 1}


def test_who_holds_a_lock_is_alive_and_nobody_else(database):
    engine = open_database(database)
    one, two = presence_of(engine, "one"), presence_of(engine, "two")
    one.hold()
    two.hold()
    assert one.absent(["one", "two", "three"]) == {"three"}
    assert one.is_held() and two.is_held()
    two.release()
    absence = Absence(one)
    assert one.absent(["one", "two"]) == {"two"}
    if one.grace_s:
        assert absence.dead({"one", "two"}) == set()
        absence._since_s["two"] -= one.grace_s
    assert absence.dead({"one", "two"}) == {"two"}
    one.release()
    engine.dispose()


def test_a_lock_that_is_taken_away_is_noticed(sqlite_url, tmp_path):
    presence = FilePresence(tmp_path, "one")
    presence.hold()
    watchdog = Watchdog(presence)
    assert watchdog.is_sure()
    (tmp_path / "one").unlink()
    watchdog._seen_s -= 2
    assert not watchdog.is_sure()


def test_a_controller_whose_session_the_server_ends_takes_its_lock_anew(postgres_url):
    engine = open_database(postgres_url)
    presence = presence_of(engine, "one")
    presence.hold()
    watchdog = Watchdog(presence)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weft one'"
        )
    assert watchdog.is_sure()  # the connection is gone, but not for long enough
    assert watchdog.is_sure() and presence.is_held()
    assert presence.absent(["one"]) == set()
    presence.release()
    engine.dispose()


def test_a_controller_that_loses_its_place_stops_and_others_go_on(
    sqlite_url, tmp_path, controllers, monkeypatch
):
    store = tmp_path / "store"
    with open_engine(sqlite_url, store) as engine:
        run = engine.submit(chain(tmp_path / "log", 2, steps=60))
        threading.Thread(target=lambda: until(lambda: _cut(engine, run), 40), daemon=True).start()
        with pytest.raises(UnavailableError, match="FLOW085: this controller lost its place"):
            engine.serve()
    with open_engine(sqlite_url, store) as engine:
        assert engine.status(run).state in ("running", "queued")
        engine.start()
        assert engine.wait(run, timeout_s=40).state == "succeeded"
    assert logged(tmp_path / "log") == {"n0": 1, "n1": 1}


def _cut(engine, run) -> bool:
    """Remove the lock of the controller once it works."""
    if engine.status(run).nodes[0].state != "running":
        return False
    engine._controller._presence._lock.path.unlink()
    return True


def test_what_a_dead_controller_left_running_on_a_backend_is_adopted(database, tmp_path, controllers):
    store, log = tmp_path / "store", tmp_path / "log"
    with open_engine(database, store) as engine:
        options = RunOptions(backend="process")
        run = engine.submit(chain(log, 2, steps=200), run="amber-1", options=options)
        one = start_controller(database, store)
        controllers.append(one)
        until(lambda: Path(f"{log}.n0").exists(), 60)
        one.send_signal(signal.SIGKILL)
        controllers.append(start_controller(database, store))
        status = engine.wait(run, timeout_s=90)
        assert (status.state, status.life) == ("succeeded", 2)
    assert logged(log) == {"n0": 1, "n1": 1}


def test_a_cancelled_run_leaves_no_process_on_its_backend(sqlite_url, tmp_path, controllers):
    store, log = tmp_path / "store", tmp_path / "log"
    with open_engine(sqlite_url, store) as engine:
        options = RunOptions(backend="process")
        run = engine.submit(chain(log, 1, steps=5000), run="amber-1", options=options)
        controllers.append(start_controller(sqlite_url, store))
        until(lambda: Path(f"{log}.n0").exists(), 60)
        engine.cancel(run)
        assert engine.wait(run, timeout_s=60).state == "cancelled"
    with open(f"{log}.n0", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who held it has ended


def test_a_run_cancelled_after_its_controller_died_leaves_no_process_either(
    sqlite_url, tmp_path, controllers
):
    store, log = tmp_path / "store", tmp_path / "log"
    with open_engine(sqlite_url, store) as engine:
        options = RunOptions(backend="process")
        run = engine.submit(chain(log, 1, steps=5000), run="amber-1", options=options)
        controllers.append(start_controller(sqlite_url, store))
        until(lambda: Path(f"{log}.n0").exists(), 60)
        controllers[0].kill()
        controllers[0].wait()
        engine.cancel(run)
        assert engine.status(run).state == "running"  # nobody has ended its process yet
        controllers.append(start_controller(sqlite_url, store))
        assert engine.wait(run, timeout_s=60).state == "cancelled"
    with open(f"{log}.n0", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert logged(log) == {}
