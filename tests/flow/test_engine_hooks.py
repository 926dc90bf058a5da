"""What a caller hears of the runs of its controller, and what its own errors do."""

import logging

import pytest
from engine_kit import LIMITS, chain
from test_engine_runs import until

from weft.core import UserError
from weft.flow import Node, Plan, Store
from weft.flow.engine import Engine, Hooks, RunState


class Heard(Hooks):
    """Writes down what it hears; raises what it is told to."""

    def __init__(self, **raises):
        self.said, self.raises = [], raises

    def hear(self, name, *said):
        self.said.append((name, *said))
        if name in self.raises:
            raise self.raises[name]

    def began(self, run):
        self.hear("began", run)

    def event(self, run, event):
        self.hear("event", run, event.node, event.state.value)

    def succeeded(self, result):
        self.hear("succeeded", result.run, sorted(result.outputs))

    def ended(self, run, state, error):
        self.hear("ended", run, state, error and error.code)


def carried_out(tmp_path, hooks, plan=None):
    """A run that a controller with these hooks brought to its end."""
    url = f"sqlite:///{tmp_path}/weft.db"
    with Engine(url, Store(tmp_path / "store"), resources=LIMITS, hooks=hooks) as engine:
        run = engine.submit(plan or chain(tmp_path / "log", 1), run="amber-1")
        engine.start()
        return engine.wait(run, timeout_s=40)


def test_a_run_is_heard_from_its_begin_to_its_end(tmp_path):
    hooks = Heard()
    assert carried_out(tmp_path, hooks).state == "succeeded"
    assert hooks.said[0] == ("began", "amber-1")
    assert hooks.said[1] == ("event", "amber-1", "n0", "started")
    assert hooks.said[-2:] == [("event", "amber-1", "n0", "ran"), ("succeeded", "amber-1", ["n0"])]


def test_a_run_that_fails_ends_with_its_error(tmp_path):
    hooks = Heard()
    plan = Plan("gone", (Node("n", "no_such_module:f"),))
    status = carried_out(tmp_path, hooks, plan)
    assert status.state == "failed"
    assert hooks.said[-1] == ("ended", "amber-1", RunState.FAILED, status.code)


@pytest.mark.parametrize("code", ["APP036", "FLOW025"])
def test_what_success_raises_fails_the_run_once(tmp_path, code):
    hooks = Heard(succeeded=UserError(code, "nothing was left.", "leave something."))
    status = carried_out(tmp_path, hooks)
    assert (status.state, status.code) == ("failed", code)
    assert status.reason == f"{code}: nothing was left."
    names = [name for name, *_ in hooks.said if name != "event"]
    assert names == ["began", "succeeded", "ended"]


def test_a_bug_in_what_hears_fails_the_run_and_not_the_controller(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL, "weft.flow.engine")
    status = carried_out(tmp_path, Heard(began=ZeroDivisionError("no")))
    assert (status.state, status.code) == ("failed", "FLOW007")


def test_what_events_and_ends_raise_changes_nothing(tmp_path, caplog):
    caplog.set_level(logging.ERROR, "weft.flow.engine")
    hooks = Heard(event=ZeroDivisionError("no"), ended=ZeroDivisionError("nor this"))
    assert carried_out(tmp_path, hooks).state == "succeeded"
    assert "ZeroDivisionError" in caplog.text
    other = Heard(ended=ZeroDivisionError("nor this"))
    (tmp_path / "other").mkdir()
    assert (
        carried_out(tmp_path / "other", other, Plan("gone", (Node("n", "no_such_module:f"),))).state
        == "failed"
    )


def test_a_run_that_is_paused_and_cancelled_says_so(tmp_path):
    hooks, url = Heard(), f"sqlite:///{tmp_path}/weft.db"
    with Engine(url, Store(tmp_path / "store"), resources=LIMITS, hooks=hooks) as engine:
        run = engine.submit(chain(tmp_path / "log", 1, steps=2000), run="amber-1")
        engine.start()
        for ask, how in ((engine.pause, "paused"), (engine.cancel, "cancelled")):
            until(lambda: engine.status(run).nodes[0].state == "running")
            ask(run)
            assert engine.wait(run, timeout_s=40).state == how
            assert hooks.said[-1] == ("ended", "amber-1", RunState(how), None)
            if how == "paused":
                engine.resume(run)


def test_serving_ends_when_it_is_told_to(tmp_path):
    url, asked = f"sqlite:///{tmp_path}/weft.db", []
    with Engine(url, Store(tmp_path / "store"), resources=LIMITS) as engine:
        engine.serve(until=lambda: asked.append(1) or len(asked) == 2)
    assert len(asked) == 2
