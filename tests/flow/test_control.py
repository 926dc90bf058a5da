"""A run that somebody stops from outside, and nodes that are to run again."""

import threading

import pytest

from weft.flow import Cancelled, Control, Event, Node, NodeState, Plan, run_plan


def chain(log) -> Plan:
    nodes = [
        Node(
            name,
            "flow_programs:total",
            parameters={"n": 1},
            inputs={"x": before} if before else {},
            hints={"log": str(log)},
        )
        for name, before in (("a", ""), ("b", "a"), ("c", "b"))
    ]
    return Plan("chain", tuple(nodes))


def test_a_run_that_is_told_to_stop_ends_its_nodes_and_says_so(store, resources):
    plan = Plan(
        "p",
        (
            Node("a", "flow_programs:total"),
            Node("b", "flow_programs:until_cancelled", inputs={"x": "a"}, hints={"started": "go"}),
        ),
    )
    import flow_programs

    started = flow_programs.EVENTS["go"] = threading.Event()
    stop, seen = threading.Event(), list[Event]()
    threading.Thread(target=lambda: (started.wait(20), stop.set()), daemon=True).start()
    with pytest.raises(Cancelled):
        run_plan(
            plan, store, resources=resources, run="told", control=Control(stop=stop), on_event=seen.append
        )
    ended = {e.node: e.state for e in seen if e.state is not NodeState.PROGRESS}
    assert ended == {"a": "ran", "b": "cancelled"}
    assert store.get_linked(store.get_ref("runs/told"))["state"] == "cancelled"


def test_nodes_that_are_to_be_repeated_run_though_the_store_holds_them(store, resources, tmp_path):
    plan = chain(tmp_path / "log")
    run_plan(plan, store, resources=resources)
    again = run_plan(plan, store, resources=resources, run="again", control=Control(repeat=frozenset("bc")))
    assert again.states == {"a": "cached", "b": "ran", "c": "ran"}
    assert "asked to repeat it" in again.summary()


def test_what_a_run_has_repeated_once_it_does_not_repeat_again(store, resources, tmp_path):
    plan, control = chain(tmp_path / "log"), Control(repeat=frozenset("bc"))
    run_plan(plan, store, resources=resources)
    run_plan(plan, store, resources=resources, run="again", control=control)
    resumed = run_plan(plan, store, resources=resources, run="again", control=control)
    assert set(resumed.states.values()) == {"cached"}
    other = run_plan(plan, store, resources=resources, run="other", control=control)
    assert other.states["b"] == "ran"
