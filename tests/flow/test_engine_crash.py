"""Controllers that are killed: the next one takes their runs over, and repeats nothing that was finished."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from engine_kit import CONTROLLER, HERE, chain, logged, open_engine, start_controller, states

from weft.flow import Store, run_plan

LEDGER = "weft.flow.engine.ledger:Ledger"
CUTS = [
    (f"{LEDGER}.begin", 1, "before"),
    (f"{LEDGER}.begin", 1, "after"),
    (f"{LEDGER}.note", 2, "before"),
    (f"{LEDGER}.note", 2, "after"),
    ("weft.flow.attempt:commit", 1, "before"),
    ("weft.flow.attempt:commit", 2, "after"),
    ("weft.flow.attempt:commit", 4, "after"),
    ("weft.flow.runner:write_run", 1, "before"),
    ("weft.flow.runner:write_run", 1, "after"),
    (f"{LEDGER}.end", 1, "before"),
    (f"{LEDGER}.end", 1, "after"),
]


def finished(store: Path) -> set[str]:
    """Names of the nodes whose results are in the store."""
    place = Store(store)
    bodies = [place.get_linked(place.get_ref(name)) for name in place.list_refs("nodes")]
    return {f"n{body['record']['parts']['parameters']['n']}" for body in bodies}


@pytest.mark.parametrize(("where", "count", "moment"), CUTS)
def test_a_controller_killed_at_any_change_loses_nothing(
    database, tmp_path, controllers, where, count, moment
):
    log, store = tmp_path / "log", tmp_path / "store"
    with open_engine(database, store) as engine:
        run = engine.submit(chain(log), run="amber-1")
        process = start_controller(database, store, where, count, moment)
        controllers.append(process)
        assert process.wait(60) == -signal.SIGKILL
        before = finished(store)
        engine.start()
        status = engine.wait(run, timeout_s=40)
    assert (status.state, status.reason) == ("succeeded", "")
    again = logged(log)
    assert {n for n, times in again.items() if times > 1} & before == set()
    assert again.keys() == {"n0", "n1", "n2", "n3"}
    assert set(states(status).values()) <= {"ran", "cached"}
    result = run_plan(chain(log), Store(store), resources=engine._resources)
    assert result.outputs["n3"].value == {"n": 6}
    assert set(result.states.values()) == {"cached"}


def test_a_submission_is_there_as_a_whole_or_not_at_all(database, tmp_path, controllers):
    """The process is killed after the rows are written and before the transaction ends."""
    code_point = "weft.flow.engine.durable:Durable.enqueue"
    log, store = tmp_path / "log", tmp_path / "store"
    script = CONTROLLER.replace("engine.start()", f"engine.submit(chain({str(log)!r}), run='amber-1')")
    script = script.replace("import open_engine", "import chain, open_engine")
    for moment in ("before", "after"):
        process = subprocess.run(
            [sys.executable, "-c", script, database, str(store), code_point, "1", moment],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
            input="\n",
            capture_output=True,
            text=True,
        )
        assert process.returncode == -signal.SIGKILL, process.stderr
    with open_engine(database, store) as engine:
        assert list(engine.list()) == []
        run = engine.submit(chain(log), run="amber-1")
        engine.start()
        assert engine.wait(run, timeout_s=40).state == "succeeded"
    assert set(logged(log).values()) == {1}


def test_a_run_whose_controllers_die_again_and_again_is_given_up(sqlite_url, tmp_path, monkeypatch):
    with open_engine(sqlite_url, tmp_path / "store") as engine:
        run = engine.submit(chain(tmp_path / "log"), run="amber-1")
        for n in range(10):
            life = engine.status(run).life
            assert engine._ledger.begin(run, life, f"dead-{n}") is not None
            engine._ledger.take_over({f"dead-{n}"}, "me", set())
        engine.start()
        status = engine.wait(run, timeout_s=40)
    assert (status.state, status.code) == ("failed", "FLOW088")
    assert "died 10 times" in status.reason


def test_a_record_names_the_run_that_made_it_also_after_a_crash(sqlite_url, tmp_path, controllers):
    log, store = tmp_path / "log", tmp_path / "store"
    with open_engine(sqlite_url, store) as engine:
        run = engine.submit(chain(log), run="amber-1")
        process = start_controller(sqlite_url, store, "weft.flow.attempt:commit", 2, "after")
        controllers.append(process)
        assert process.wait(60) == -signal.SIGKILL
        engine.start()
        status = engine.wait(run, timeout_s=40)
    # The second result is there; that it is this run's own is told by its record.
    assert [n.state for n in status.nodes][2:] == ["ran", "ran"]
    assert {n.why.rpartition(" ")[2] for n in status.nodes if n.state == "cached"} <= {"amber-1"}
