"""Plan and Node: checks when made, order, JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import Resources, UserError, from_json, to_json
from weft.flow import Node, Plan


def chain(*names: str) -> tuple[Node, ...]:
    pairs = zip(names, (None, *names), strict=False)
    return tuple(Node(n, "m:f", inputs={"before": b} if b else {}) for n, b in pairs)


@st.composite
def dags(draw, max_nodes=8):
    """Plans of random shape, nodes in random order."""
    count = draw(st.integers(1, max_nodes))
    nodes = []
    for i in range(count):
        sources = draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set()
        inputs = {f"in{s}": f"node{s}" for s in sorted(sources)}
        nodes.append(Node(f"node{i}", "flow_programs:total", parameters={"n": i}, inputs=inputs))
    return Plan("random", tuple(draw(st.permutations(nodes))))


@given(dags())
def test_every_node_comes_after_its_inputs_in_the_order(plan):
    place = {n.name: i for i, n in enumerate(plan.order)}
    assert sorted(place) == sorted(n.name for n in plan.nodes)
    for node in plan.nodes:
        assert all(place[source] < place[node.name] for source in node.inputs.values())


@given(dags())
def test_a_plan_survives_json(plan):
    assert Plan.from_json(plan.to_json()) == plan
    assert from_json(Plan, to_json(plan)) == plan


@given(dags(), st.data())
def test_a_circle_in_any_plan_is_refused(plan, data):
    node = data.draw(st.sampled_from(plan.nodes))
    needed = data.draw(st.sampled_from(plan.needed_for([node.name])))
    closed = Node(needed.name, needed.program, inputs={**needed.inputs, "back": node.name})
    nodes = tuple(closed if n.name == needed.name else n for n in plan.nodes)
    with pytest.raises(UserError, match="FLOW003"):
        Plan("circle", nodes)


def test_all_fields_of_a_node_survive_json():
    node = Node(
        "a",
        "m:f",
        "2",
        {"x": [1, {"y": None}]},
        {},
        {"data": "0" * 64},
        {"path": "p"},
        Resources(5, 1),
        2,
        1.5,
    )
    plan = Plan("p", (node,))
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json(plan.to_json()).digest == plan.digest


def test_two_nodes_of_one_name_are_refused():
    with pytest.raises(UserError, match=r"FLOW001.*'a'"):
        Plan("p", (Node("a", "m:f"), Node("a", "m:g")))


def test_an_input_that_no_node_makes_is_refused_by_name():
    with pytest.raises(UserError, match="FLOW002: input 'x' of node 'a' is the output of 'b'"):
        Plan("p", (Node("a", "m:f", inputs={"x": "b"}),))


def test_a_circle_is_named_in_the_order_of_its_nodes():
    nodes = (Node("a", "m:f", inputs={"x": "c"}), *chain("a", "b", "c")[1:])
    with pytest.raises(UserError, match=r"FLOW003.*'a', 'b', 'c', 'a'"):
        Plan("p", nodes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": " "}, "name is empty"),
        ({"program": ""}, "no program"),
        ({"retries": -1}, "retries is -1"),
        ({"timeout_s": 0.0}, "timeout_s is 0.0"),
        ({"parameters": {"x": object()}}, "parameters are not plain JSON"),
        ({"hints": {"x": {1}}}, "hints are not plain JSON"),
    ],
)
def test_a_node_that_cannot_be_is_refused(options, words):
    with pytest.raises(UserError, match=rf"FLOW004.*{words}"):
        Node(**{"name": "a", "program": "m:f", **options})


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 3}', '{"name": "p", "nodes": [{"what": 1}]}', "null"])
def test_text_that_is_no_plan_is_refused(text):
    with pytest.raises(UserError, match="FLOW005"):
        Plan.from_json(text)


def test_an_unknown_target_is_refused_and_the_names_are_listed():
    with pytest.raises(UserError, match=r"FLOW009(.|\n)*'a', 'b'"):
        Plan("p", chain("a", "b")).needed_for(["z"])


def test_targets_bring_what_they_need_and_nothing_else():
    plan = Plan("p", (*chain("a", "b", "c"), Node("d", "m:f")))
    assert [n.name for n in plan.needed_for(["b"])] == ["a", "b"]
