"""run_plan: what runs, with what, what is told, and what happens when something fails."""

import threading

import flow_programs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_plan import dags

from weft.core import InvariantError, Resources, UnavailableError, UserError, machine_memory_bytes
from weft.flow import Event, Node, NodeState, Plan, Store, run_plan
from weft.flow.share import divide


def node(name: str, program: str, **options) -> Node:
    return Node(name, f"flow_programs:{program}", **options)


def run_one(store, resources, program, **options):
    return run_plan(Plan("one", (node("a", program, **options),)), store, resources=resources)


def expected_totals(plan: Plan) -> dict[str, int]:
    totals: dict[str, int] = {}
    for n in plan.order:
        totals[n.name] = n.parameters["n"] + sum(totals[s] for s in n.inputs.values())
    return totals


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=dags(), workers=st.integers(2, 4))
def test_any_plan_gives_the_same_side_by_side_as_one_by_one(tmp_path_factory, plan, workers):
    limits = Resources(1000, 4)
    one = run_plan(plan, Store(tmp_path_factory.mktemp("one")), resources=limits, workers=1)
    many = run_plan(plan, Store(tmp_path_factory.mktemp("many")), resources=limits, workers=workers)
    totals = expected_totals(plan)
    assert {n: o.value["n"] for n, o in one.outputs.items()} == totals
    assert one.outputs == many.outputs


@settings(max_examples=6, deadline=None)
@given(plan=dags(), data=st.data())
def test_keys_do_not_depend_on_the_order_of_the_nodes(tmp_path_factory, plan, data):
    store = Store(tmp_path_factory.mktemp("store"))
    other = Plan("other", tuple(data.draw(st.permutations(plan.nodes))))
    first = run_plan(plan, store, resources=Resources(1000, 2))
    second = run_plan(other, store, resources=Resources(1000, 2))
    assert set(second.states.values()) == {"cached"}
    assert first.outputs == second.outputs


def test_any_store_runs_a_plan_and_the_second_time_runs_nothing(any_store, resources):
    plan = Plan("p", (node("a", "total", parameters={"n": 2}), node("b", "total", inputs={"a": "a"})))
    first = run_plan(plan, any_store, resources=resources, run="first")
    second = run_plan(plan, any_store, resources=resources)
    assert first.states == {"a": "ran", "b": "ran"}
    assert second.states == {"a": "cached", "b": "cached"}
    assert second.outputs["b"].path("n.txt").read_text() == "2"
    assert second.outputs == first.outputs
    assert second.events[0].why == f"key {first.outputs['a'].key[:8]}…, made by run first"


def test_nodes_in_other_plans_are_shared(store, resources):
    shared = node("a", "total", parameters={"n": 2})
    run_plan(Plan("p", (shared, node("b", "total", inputs={"a": "a"}))), store, resources=resources)
    other = Plan("q", (shared, node("c", "total", inputs={"a": "a"}, parameters={"n": 5})))
    assert run_plan(other, store, resources=resources).states == {"a": "cached", "c": "ran"}


def test_what_follows_an_equal_result_does_not_run_again(store, resources):
    """The keys hold what the inputs are, not how they were made."""

    def plan(n):
        nodes = (
            node("a", "total", parameters={"n": n}),
            node("even", "parity", inputs={"a": "a"}),
            node("end", "constant", inputs={"x": "even"}),
        )
        return Plan("p", nodes)

    run_plan(plan(2), store, resources=resources)
    states = run_plan(plan(4), store, resources=resources).states
    assert states == {"a": "ran", "even": "ran", "end": "cached"}


def test_hints_and_limits_are_no_part_of_the_key(store, resources):
    run_one(store, resources, "constant", parameters={"x": 1}, hints={"path": "a"})
    changed = node(
        "a",
        "constant",
        parameters={"x": 1},
        hints={"path": "b"},
        resources=Resources(5, 1),
        retries=3,
        timeout_s=9,
    )
    assert run_plan(Plan("one", (changed,)), store, resources=resources).states == {"a": "cached"}


def test_files_in_folders_are_outputs_and_scratch_files_are_not(store, resources):
    output = run_one(store, resources, "nested").outputs["a"]
    assert list(output.files) == ["b.txt", "deep/er/a.txt"]
    assert output.path("deep/er/a.txt").read_text() == "a"


def test_json_files_are_read_in_one_call(store, resources):
    output = run_one(store, resources, "constant", parameters={"x": [1]}).outputs["a"]
    assert output.read_json("value.json") == {"x": [1]} == output.value


def test_a_file_that_a_node_did_not_make_is_refused_by_name(store, resources):
    plan = Plan("p", (node("a", "nested"), node("b", "missing", inputs={"a": "a"})))
    with pytest.raises(
        UserError, match=r"FLOW024.*'a' made no file 'nothing.txt'(.|\n)*b.txt, deep/er/a.txt"
    ):
        run_plan(plan, store, resources=resources)


def test_a_program_cannot_change_the_plan(store, resources):
    plan = Plan("p", (node("a", "mutate", parameters={"list": []}),))
    assert run_plan(plan, store, resources=resources).outputs["a"].value == {"length": 1}
    assert plan.nodes[0].parameters == {"list": []}


def test_targets_run_only_what_they_need(store, resources):
    plan = Plan("p", (node("a", "total"), node("b", "total", inputs={"a": "a"}), node("c", "fail")))
    result = run_plan(plan, store, resources=resources, targets=["b"])
    assert result.states == {"a": "ran", "b": "ran"}


def test_independent_nodes_run_side_by_side(store, resources):
    flow_programs.BARRIERS["two"] = threading.Barrier(2)
    plan = Plan("p", tuple(node(n, "meet", hints={"barrier": "two"}, parameters={"n": n}) for n in "ab"))
    result = run_plan(plan, store, resources=resources, workers=2)
    assert [o.value["memory"] for o in result.outputs.values()] == [500_000, 500_000]
    assert all(e.cpu_s is None for e in result.events)


def test_a_node_alone_gets_everything_and_its_use_is_measured(store, resources):
    result = run_one(store, resources, "share")
    assert result.outputs["a"].value == {"memory": 1_000_000, "threads": 4}
    assert result.events[0].cpu_s is not None and result.events[0].peak_bytes > 1_000_000


def test_a_node_gets_what_it_states_at_most_the_total(store, resources):
    nodes = (
        node("small", "share", resources=Resources(100, 1)),
        node("large", "share", resources=Resources(5_000_000, 4), inputs={"x": "small"}),
    )
    values = {n: o.value for n, o in run_plan(Plan("p", nodes), store, resources=resources).outputs.items()}
    assert values == {
        "small": {"memory": 100, "threads": 1},
        "large": {"memory": 1_000_000, "threads": 4},
    }


needs = st.one_of(st.none(), st.builds(Resources, st.integers(1, 150), st.integers(1, 10)))


@given(
    total=st.builds(Resources, st.integers(10, 100), st.integers(1, 8)),
    workers=st.integers(1, 6),
    rounds=st.lists(st.lists(needs, max_size=4), min_size=1, max_size=3),
)
def test_never_more_is_given_out_than_there_is_and_someone_always_starts(total, workers, rounds):
    held: list[Resources] = []
    for wanted in rounds:
        given = divide(total, workers, held=held, wanted=wanted)
        assert bool([g for g in given if g]) or bool(held) or not wanted
        held += [g for g in given if g is not None]
        assert len(held) <= workers
        assert sum(r.memory_bytes for r in held) <= total.memory_bytes
        assert sum(r.threads for r in held) <= max(total.threads, workers)


def test_events_tell_a_run_in_order(store, resources):
    events: list[Event] = []
    plan = Plan("p", (node("a", "constant", parameters={"x": 1}),))
    run_plan(plan, store, resources=resources, on_event=events.append)
    assert [e.state for e in events] == [NodeState.STARTED, NodeState.RAN]
    assert events[-1].rows == 10 and events[-1].rows_per_s > 0
    assert str(events[-1]) == "a  ran (first time)"


def test_events_come_in_the_thread_that_asked(store, resources):
    threads = set()
    plan = Plan("p", tuple(node(n, "constant", parameters={"x": n}) for n in "abc"))
    run_plan(plan, store, resources=resources, on_event=lambda _: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_an_error_of_the_watcher_ends_the_run_and_what_is_finished_stays(store, resources):
    def watch(event):
        if event.node == "b":
            raise RuntimeError("no terminal")

    plan = Plan("p", (node("a", "total"), node("b", "total", inputs={"a": "a"})))
    with pytest.raises(RuntimeError, match="no terminal"):
        run_plan(plan, store, resources=resources, on_event=watch)
    assert run_plan(plan, store, resources=resources).states["a"] == "cached"


def test_nodes_that_do_not_need_a_failed_one_still_finish(store, resources):
    nodes = (
        node("bad", "fail"),
        node("after", "total", inputs={"x": "bad"}),
        node("good", "total"),
        node("better", "total", inputs={"x": "good"}),
    )
    events: list[Event] = []
    with pytest.raises(InvariantError, match=r"FLOW007.*'bad'.*ZeroDivisionError: by nought") as caught:
        run_plan(Plan("p", nodes), store, resources=resources, on_event=events.append)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    last = {e.node: e.state for e in events}
    assert last == {"bad": "failed", "after": "cancelled", "good": "ran", "better": "ran"}
    assert run_plan(Plan("p", nodes[2:]), store, resources=resources).states == {
        "good": "cached",
        "better": "cached",
    }


def test_errors_of_ours_come_out_as_they_are(store, resources):
    with pytest.raises(UserError) as caught:
        run_one(store, resources, "refuse")
    assert caught.value.code == "SCH001"


def test_a_second_failure_is_a_note_on_the_first(store, resources):
    plan = Plan("p", (node("a", "fail"), node("b", "refuse")))
    with pytest.raises((InvariantError, UserError)) as caught:
        run_plan(plan, store, resources=resources)
    assert len(caught.value.__notes__) == 1 and "failed as well" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("program", "code", "kind"),
    [
        ("full", "FLOW012", UnavailableError),
        ("hungry", "FLOW019", UnavailableError),
        ("odd", "FLOW018", InvariantError),
        ("nothing_there", "FLOW006", UserError),
        ("NOT_A_FUNCTION", "FLOW006", UserError),
    ],
)
def test_what_a_program_may_do_wrong_has_a_code(store, resources, program, code, kind):
    with pytest.raises(kind, match=code):
        run_one(store, resources, program)


@pytest.mark.parametrize("program", ["no_such_module:f", "not_registered", "flow_programs:BARRIERS.x"])
def test_a_program_that_does_not_exist_is_refused_by_name(store, resources, program):
    with pytest.raises(UserError, match=rf"FLOW006.*{program}"):
        run_plan(Plan("p", (Node("a", program),)), store, resources=resources)


def test_a_value_that_is_not_plain_is_refused(store, resources):
    with pytest.raises(InvariantError, match="FLOW018"):
        run_one(store, resources, "odd", parameters={"set": True})


def test_a_registered_program_is_found_by_its_name(store, resources, monkeypatch):
    from importlib import metadata

    entry = metadata.EntryPoint("total", "flow_programs:total", "weft.programs")
    monkeypatch.setattr(metadata, "entry_points", lambda group, name: [entry] if name == entry.name else [])
    result = run_plan(Plan("p", (Node("a", "total"),)), store, resources=resources)
    assert result.states == {"a": "ran"}


def test_a_failed_attempt_is_tried_again(store, resources):
    plan = Plan("p", (node("a", "flaky", parameters={"failures": 2}, retries=2),))
    events: list[Event] = []
    result = run_plan(plan, store, resources=resources, backoff_s=0.001, on_event=events.append)
    assert result.outputs["a"].value == {"attempt": 3} and result.events[0].attempt == 3
    assert next(e.note for e in events if e.note).startswith("attempt 1 failed (FLOW016")


def test_an_attempt_too_few_fails(store, resources):
    plan = Plan("p", (node("a", "flaky", parameters={"failures": 2}, retries=1),))
    with pytest.raises(UnavailableError, match="FLOW016"):
        run_plan(plan, store, resources=resources, backoff_s=0.001)


def test_what_the_user_must_change_is_not_tried_again(store, resources):
    events: list[Event] = []
    with pytest.raises(UserError):
        plan = Plan("p", (node("a", "refuse", retries=5),))
        run_plan(plan, store, resources=resources, on_event=events.append)
    assert [e.state for e in events] == ["started", "failed"]


@pytest.mark.parametrize("program", ["overrun", "late"])
def test_an_attempt_that_takes_too_long_fails(store, resources, program):
    with pytest.raises(UnavailableError, match=r"FLOW008.*limit of 0.01 s"):
        run_one(store, resources, program, timeout_s=0.01)


def test_ctrl_c_stops_what_runs_and_keeps_what_is_finished(store, resources):
    flow_programs.EVENTS["go"] = threading.Event()
    plan = Plan(
        "p",
        (
            node("a", "total"),
            node("b", "until_cancelled", inputs={"x": "a"}, hints={"started": "go"}),
            node("c", "total", inputs={"x": "b"}),
        ),
    )
    seen: list[Event] = []

    def watch(event):
        seen.append(event)
        if event.node == "b" and event.state is NodeState.PROGRESS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, store, resources=resources, on_event=watch, run="stopped")
    assert {e.node: e.state for e in seen} == {"a": "ran", "b": "cancelled", "c": "cancelled"}
    assert store.get_linked(store.get_ref("runs/stopped"))["state"] == "cancelled"
    assert run_plan(Plan("p", plan.nodes[:1]), store, resources=resources).states == {"a": "cached"}


def test_a_plan_without_nodes_has_nothing_to_do(store, resources):
    assert run_plan(Plan("empty", ()), store, resources=resources).summary() == ""


def test_the_scratch_folders_are_gone_after_a_run(store, resources):
    run_one(store, resources, "nested")
    assert list(store._local.temporaries.folder.rglob("*")) == []


def test_how_far_a_node_was_outlives_its_failures_and_goes_once_it_is_done(store, resources):
    for count in (1, 2):
        with pytest.raises(InvariantError, match=f"{count} of 3"):
            run_one(store, resources, "counting")
    (folder,) = (store._local.root / "unfinished").iterdir()
    done = run_one(store, resources, "counting")
    assert done.outputs["a"].value == {"count": 3}
    assert not folder.exists()


@pytest.mark.parametrize("need", [Resources(10**15, 1), Resources(1, 10**5), Resources(1, 1, 1000)])
def test_what_this_machine_has_not_is_refused_before_it_runs(store, resources, need):
    node = Node("a", "flow_programs:constant", resources=need)
    with pytest.raises(UserError, match="FLOW065: node 'a' can never run on this machine"):
        run_plan(Plan("p", (node,)), store, resources=resources)


def test_what_all_workers_of_a_node_ask_for_counts_together(store, resources):
    half = Resources(machine_memory_bytes() * 6 // 10, 1)
    with pytest.raises(UserError, match="FLOW065"):
        run_plan(
            Plan("p", (Node("a", "flow_programs:constant", resources=half, nodes=2),)), store, resources=half
        )
