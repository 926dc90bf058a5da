"""Nodes that return plans: they run, are found again, nest, and are refused when they are none."""

import pytest

from weft.core import UserError, to_plain
from weft.flow import Node, Plan, run_plan
from weft.flow.growth import grow
from weft.testing.backends import node

A = node("a", "add", parameters={"n": 1})


def branching(n, depth=0, **options):
    parameters = {"n": n, "depth": depth}
    return node("b", "branch", parameters=parameters, inputs={"x": "a"}, **options)


def test_the_output_of_the_node_that_is_named_becomes_that_of_the_node(store, resources):
    after = node("c", "add", parameters={"n": 100}, inputs={"b": "b"})
    result = run_plan(Plan("p", (A, branching(3), after)), store, resources=resources)
    assert result.outputs["b"].value == result.outputs["b/last"].value == {"n": 1 + 2 + 3}
    assert result.outputs["b"].node == "b"
    assert result.outputs["c"].value == {"n": 106}
    assert set(result.states) == {"a", "b", "b/part0", "b/part1", "b/part2", "b/last", "c"}


def test_what_was_grown_is_found_again_and_explained(store, resources):
    def plan(n):
        return Plan("p", (A, branching(n)))

    run_plan(plan(2), store, resources=resources, run="first")
    again = run_plan(plan(2), store, resources=resources)
    assert set(again.states.values()) == {"cached"}
    more = run_plan(plan(3), store, resources=resources)
    assert {n for n, s in more.states.items() if s == "ran"} == {"b", "b/part2", "b/last"}
    assert "parameters.n 2 → 3" in more.summary()
    assert store.gc(grace_s=0, keep_s=0).num_refs == 3
    assert set(run_plan(plan(2), store, resources=resources).states.values()) == {"cached"}


def test_plans_nest(store, resources):
    result = run_plan(Plan("p", (A, branching(2, depth=2))), store, resources=resources)
    assert result.outputs["b"].value == {"n": 3}
    assert "b/last/last/part1" in result.states


def test_a_node_that_fails_within_fails_the_run_and_what_follows_does_not_run(store, resources):
    bad = Node("b", "flow_programs:grow_bad", inputs={"x": "a"})
    after = node("c", "add", inputs={"b": "b"})
    events = {}
    with pytest.raises(UserError) as caught:
        run_plan(
            Plan("p", (A, bad, after)),
            store,
            resources=resources,
            on_event=lambda e: events.update({e.node: e.state}),
        )
    assert caught.value.code == "SCH001"
    assert events["c"] == "cancelled"


def test_a_node_may_read_what_the_one_that_grew_it_made(store, resources):
    result = run_plan(Plan("p", (Node("b", "flow_programs:grow_self"),)), store, resources=resources)
    assert result.outputs["b"].value == {"n": 7}
    assert not [name for name in result.outputs if "$" in name]


NODE = to_plain(Node("n", "m:f"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"$plan": {"nodes": [NODE]}, "$result": "other"}, "none of its nodes"),
        ({"$plan": {"nodes": [NODE]}}, "KeyError"),
        ({"$plan": "all", "$result": "n"}, "TypeError"),
        ({"$plan": {"nodes": [NODE, NODE]}, "$result": "n"}, "more than one node"),
        ({"$plan": {"nodes": [NODE | {"inputs": {"x": "$y"}}]}, "$result": "n"}, "KeyError"),
        ({"$plan": {"nodes": [NODE | {"inputs": {"x": "n"}}]}, "$result": "n"}, "wait for each other"),
        ({"$plan": {"nodes": [NODE | {"colour": "red"}]}, "$result": "n"}, "colour"),
    ],
)
def test_what_is_no_plan_is_refused(value, words):
    with pytest.raises(UserError, match=words) as caught:
        grow(A, value, 0)
    assert caught.value.code == "FLOW068"


def test_a_plan_without_end_is_refused(store, resources):
    with pytest.raises(UserError, match="without end") as caught:
        run_plan(Plan("p", (A, branching(1, depth=30))), store, resources=resources)
    assert caught.value.code == "FLOW068"
