"""Every hit and miss says why, in one line."""

from pathlib import Path

import pytest
from test_store import blob_path, damage

from weft.core import UserError
from weft.flow import Node, Plan, Store, run_plan

BASE = {"parameters": {"lr": 0.01, "deep": {"x": [1]}, "long": "x" * 50}, "digests": {"source": "a" * 64}}


def why(store, resources, *nodes, name="a"):
    result = run_plan(Plan("plan", nodes), store, resources=resources)
    return next(str(e) for e in result.events if e.node == name)


def constant(**options):
    return Node("a", "flow_programs:constant", **{**BASE, **options})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parameters": {**BASE["parameters"], "lr": 0.02}}, "parameters.lr 0.01 → 0.02"),
        ({"parameters": {**BASE["parameters"], "deep": {"x": [2]}}}, "parameters.deep.x [1] → [2]"),
        ({"parameters": {**BASE["parameters"], "new": None, "lr": "a"}}, "parameters.lr 0.01 → a"),
        (
            {"parameters": {**BASE["parameters"], "long": "y" * 50}},
            f"parameters.long {'x' * 39}… → {'y' * 39}…",
        ),
        ({"version": "2"}, "code version 1 → 2"),
        ({"digests": {"source": "b" * 64}}, "data source changed"),
        ({"digests": {}}, "data source is gone"),
        ({"digests": {**BASE["digests"], "more": "c" * 64}}, "data more is new"),
        ({"program": "flow_programs:nested"}, "program flow_programs:constant → flow_programs:nested"),
    ],
)
def test_a_miss_names_what_changed(store, resources, options, words):
    run_plan(Plan("plan", (constant(),)), store, resources=resources)
    changed = Node("a", **{"program": "flow_programs:constant", **BASE, **options})
    assert why(store, resources, changed) == f"a  ran ({words})"


def test_of_many_changes_the_first_are_named(store, resources):
    run_plan(Plan("plan", (constant(),)), store, resources=resources)
    many = constant(version="2", parameters={f"p{i}": i for i in range(4)})
    said = why(store, resources, many)
    assert said.startswith('a  ran (code version 1 → 2, parameters.deep {"x": [1]} → null, parameters.long')
    assert said.endswith("… → null and 5 more changes)")


def test_an_input_that_changed_is_named(store, resources):
    def nodes(n):
        return (
            Node("labels", "flow_programs:total", parameters={"n": n}),
            Node("a", "flow_programs:total", inputs={"labels": "labels"}),
        )

    run_plan(Plan("plan", nodes(1)), store, resources=resources)
    assert why(store, resources, *nodes(2)) == "a  ran (input labels changed)"


def test_the_comparison_is_with_the_last_run_of_the_same_plan(store, resources):
    run_plan(Plan("plan", (constant(),)), store, resources=resources)
    other = run_plan(Plan("other", (constant(version="7"),)), store, resources=resources)
    assert str(other.events[0]) == "a  ran (first time)"
    assert why(store, resources, constant(version="3")) == "a  ran (code version 1 → 3)"


def test_a_hit_names_the_key_and_the_run_that_made_it(store, resources):
    first = run_plan(Plan("plan", (constant(),)), store, resources=resources, run="amber-otter-17")
    key = first.outputs["a"].key
    assert why(store, resources, constant()) == f"a  cached (key {key[:8]}…, made by run amber-otter-17)"


def test_a_node_that_failed_last_time_says_so(store, resources):
    for expected in ("first time", "failed last time"):
        events = []
        with pytest.raises(UserError):
            nodes = (Node("a", "flow_programs:refuse"),)
            run_plan(Plan("plan", nodes), store, resources=resources, on_event=events.append)
        assert events[0].why == expected


def test_a_run_that_does_not_reach_a_node_does_not_forget_it(store, resources):
    def nodes(program, version):
        return (Node("x", program), Node("a", "flow_programs:total", version, inputs={"x": "x"}))

    run_plan(Plan("plan", nodes("flow_programs:total", "1")), store, resources=resources)
    with pytest.raises(UserError):
        run_plan(Plan("plan", nodes("flow_programs:refuse", "1")), store, resources=resources)
    assert why(store, resources, *nodes("flow_programs:total", "2")) == "a  ran (code version 1 → 2)"


def test_a_damaged_output_is_a_miss_that_names_it_and_is_made_again(store, resources):
    output = run_plan(Plan("plan", (constant(),)), store, resources=resources).outputs["a"]
    digest = output.files["value.json"]
    damage(blob_path(store, digest))
    said = why(Store(store.url), resources, constant())
    assert said == f"a  ran (output value.json is damaged, blob {digest[:12]}…)"
    assert store.get_bytes(digest)
    assert why(store, resources, constant()).startswith("a  cached")


def test_a_missing_output_is_a_miss_that_names_it(store, resources):
    output = run_plan(Plan("plan", (constant(),)), store, resources=resources).outputs["a"]
    blob_path(store, output.files["value.json"]).unlink()
    assert "output value.json is missing" in why(store, resources, constant())


@pytest.mark.parametrize("what", ["ref", "record", "no record"])
def test_a_damaged_record_is_a_miss(store, resources, what):
    key = run_plan(Plan("plan", (constant(),)), store, resources=resources).outputs["a"].key
    record = blob_path(store, store.get_ref(f"nodes/{key}"))
    if what == "ref":
        (Path(store.url) / "refs" / "nodes" / key).write_text("damaged")
    elif what == "record":
        damage(record)
    else:
        record.unlink()
    expected = "its record is missing" if what == "no record" else "its record is damaged"
    assert why(store, resources, constant()) == f"a  ran ({expected})"
    assert why(store, resources, constant()).startswith("a  cached")


def test_a_lost_record_of_the_last_run_costs_only_the_explanation(store, resources):
    run_plan(Plan("plan", (constant(),)), store, resources=resources)
    blob_path(store, store.get_ref("plans/plan")).unlink()
    assert why(store, resources, constant(version="2")) == "a  ran (first time)"


def test_what_a_remote_store_damaged_is_made_again_by_the_next_run(tmp_path, resources):
    plan = Plan(
        "plan",
        (
            Node("x", "flow_programs:total", parameters={"n": 1}),
            Node("a", "flow_programs:total", inputs={"x": "x"}),
        ),
    )
    first = Store(f"plain://{tmp_path}/remote", cache=tmp_path / "one")
    output = run_plan(plan, first, resources=resources, targets=["x"]).outputs["x"]
    digest = output.files["n.txt"]
    (tmp_path / "remote" / "blobs" / digest[:2] / digest[2:]).write_bytes(b"2")
    second = Store(first.url, cache=tmp_path / "two")
    with pytest.raises(UserError, match="FLOW011"):
        run_plan(plan, second, resources=resources)
    assert run_plan(plan, second, resources=resources).outputs["a"].value == {"n": 1}
    assert first.get_bytes(digest) == b"1"


@pytest.mark.parametrize("name", ["PREDICT COUNT(a.*, 0, 30, days) > 0", "x" * 500, "../..", "a/b", "ü"])
def test_any_text_can_name_a_plan(store, resources, name):
    for expected in ("ran", "cached"):
        result = run_plan(Plan(name, (constant(),)), store, resources=resources)
        assert result.states == {"a": expected}
