"""Runs in the hub: names, states, who owns them."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from weft.core import UserError
from weft.flow import Node, Plan, Store, run_plan
from weft.hub import Edge, Hub, RunState

TASK = {"type": "binary", "entity_table": "users", "entity_column": "user_id"}

START = """
import os, signal, sys
from weft.hub import Hub
run = Hub(sys.argv[1]).start_run(query=sys.argv[2], plan_digest="d")
print(run.name, flush=True)
if sys.argv[3] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.readline()
"""

MANY = """
import sys
from weft.hub import Hub
hub = Hub(sys.argv[1])
for i in range(25):
    run = hub.start_run(query=str(i))
    hub.finish_run(run.id, results={"i": i})
    hub.register_model("m", run=run.id, digest=f"{sys.argv[2]}-{i}")
"""


def start(code: str, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_run_is_kept_with_all_that_was_said(hub):
    begun = hub.start_run(
        query="PREDICT …",
        task=TASK,
        history="frozen",
        project="shop",
        plan_digest="ab" * 32,
        parameters={"seed": 0},
    )
    assert re.fullmatch(r"[a-z]+-[a-z]+-1", begun.name)
    assert (begun.state, begun.task_type, begun.entity) == ("running", "binary", "users.user_id")
    ended = hub.finish_run(begun.id, results={"auroc": 0.9}, report="cd" * 32)
    found = Hub(hub.address).get_run(begun.name)
    assert found == ended
    assert (found.state, found.results, found.report) == (RunState.SUCCEEDED, {"auroc": 0.9}, "cd" * 32)
    assert found.parameters == {"seed": 0} and found.task == TASK and found.history == "frozen"
    assert found.created_us <= found.ended_us and found.pid == os.getpid()


def test_a_run_is_found_by_name_id_number_beginning_and_as_the_latest(hub):
    runs = [hub.start_run(query=str(i)) for i in range(12)]
    for run in runs:
        for word in (run.name, run.id, str(run.number), run.id[:10]):
            assert hub.get_run(word).id == run.id
    assert hub.get_run().id == hub.get_run("latest").id == runs[-1].id


def test_a_run_that_is_not_there_is_refused(hub):
    for word in ("latest", "amber-otter-1", ""):
        with pytest.raises(UserError, match="FLOW053"):
            hub.get_run(word)


def test_a_beginning_that_several_share_is_refused_and_they_are_named(hub, monkeypatch):
    monkeypatch.setattr("weft.hub.runs.make_name", lambda n: f"amber-otter-{n}")
    for _ in range(8):
        hub.start_run()
    with pytest.raises(UserError, match=r"FLOW054.*8 runs: amber-otter-1, .*…"):
        hub.get_run("amber")


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (UserError("SCH001", "there is no table 'x'.", "choose."), "failed", "SCH001"),
        (ZeroDivisionError("by nought"), "failed", ""),
        (KeyboardInterrupt(), "cancelled", ""),
    ],
)
def test_a_run_that_fails_keeps_its_error(hub, error, state, code):
    run = hub.start_run()
    failed = hub.fail_run(run.name, error)
    assert (failed.state, failed.error["code"]) == (state, code)
    assert failed.is_resumable


def test_a_run_ends_once(hub):
    run = hub.start_run()
    hub.finish_run(run.id)
    for end in (lambda: hub.finish_run(run.id), lambda: hub.fail_run(run.id, ValueError("x"))):
        with pytest.raises(UserError, match="FLOW057"):
            end()


def test_runs_are_listed_newest_first_and_by_what_they_are(hub):
    one = hub.start_run(project="a", plan_digest="x")
    two = hub.start_run(project="b", plan_digest="x")
    hub.finish_run(two.id)
    assert [r.id for r in hub.list_runs()] == [two.id, one.id]
    assert [r.id for r in hub.list_runs(project="a")] == [one.id]
    assert [r.id for r in hub.list_runs(plan_digest="x", limit=1)] == [two.id]
    assert [r.id for r in hub.list_runs(state="running")] == [one.id]


def test_a_run_whose_process_was_killed_is_interrupted_and_can_be_resumed(hub):
    process = start(START, str(hub.address), "q", "die")
    name = process.communicate(timeout=60)[0].strip()
    assert process.returncode == -signal.SIGKILL
    assert hub.get_run(name).state is RunState.INTERRUPTED
    assert [r.name for r in hub.list_runs(state=RunState.INTERRUPTED, plan_digest="d")] == [name]
    resumed = hub.resume_run(name)
    assert (resumed.state, resumed.pid, resumed.query) == ("running", os.getpid(), "q")
    assert hub.finish_run(name, results={"x": 1}).state is RunState.SUCCEEDED


def test_a_run_of_a_living_process_is_running_and_is_left_alone(hub):
    process = start(START, str(hub.address), "q", "live")
    name = process.stdout.readline().strip()
    try:
        assert hub.get_run(name).state is RunState.RUNNING
        for act in (hub.resume_run, hub.finish_run, hub.delete_run):
            with pytest.raises(UserError, match=f"FLOW057.*{process.pid}"):
                act(name)
    finally:
        process.communicate("\n", timeout=60)
    assert hub.get_run(name).state is RunState.INTERRUPTED


def test_a_run_is_taken_from_a_living_process_by_who_knows_that_it_may(hub):
    process = start(START, str(hub.address), "q", "live")
    name = process.stdout.readline().strip()
    try:
        assert hub.take_run(name).pid == os.getpid()
        hub.fail_run(name, UserError("APP020", "no.", "yes."))
        taken = hub.take_run(name)
        assert (taken.state, taken.error, taken.ended_us) == ("running", None, None)
        hub.finish_run(name)
    finally:
        process.communicate("\n", timeout=60)
    with pytest.raises(UserError, match=r"FLOW057.*taken up"):
        hub.take_run(name)


def test_a_process_of_the_same_number_born_later_is_another(hub):
    run = hub.start_run()
    with hub._database.writing() as connection:
        connection.execute("UPDATE runs SET process = 'an earlier boot:1'")
    assert hub.get_run(run.id).state is RunState.INTERRUPTED


def test_of_another_machine_a_run_stays_running(hub):
    run = hub.start_run()
    with hub._database.writing() as connection:
        connection.execute("UPDATE runs SET host = 'elsewhere.invalid', pid = 1")
    assert hub.get_run(run.id).state is RunState.RUNNING


def test_a_run_that_succeeded_is_not_resumed(hub):
    run = hub.start_run()
    hub.finish_run(run.id)
    with pytest.raises(UserError, match=r"FLOW057.*resumed"):
        hub.resume_run(run.id)


def test_three_processes_and_their_names_never_collide(hub):
    processes = [start(MANY, str(hub.address), n) for n in "abc"]
    for process in processes:
        assert process.wait(timeout=120) == 0
        process.communicate()
    runs = hub.list_runs()
    assert len({r.name for r in runs}) == len({r.id for r in runs}) == 75
    assert {r.state for r in runs} == {RunState.SUCCEEDED}
    assert [m.version for m in hub.list_models("m")] == list(range(75, 0, -1))


def test_threads_share_a_hub(hub):
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda i: hub.start_run(query=str(i)), range(20)))
    assert len({r.name for r in runs}) == 20


def test_a_deleted_run_lets_go_of_its_results(hub, tmp_path):
    store = Store(tmp_path / "store")
    run = hub.start_run()
    store.set_ref(f"runs/{run.name}", store.put_bytes(b"x"))
    hub.add_edges([Edge("a", "b", "node", run.id)])
    hub.finish_run(run.id)
    hub.delete_run(run.name, store=store)
    assert store.list_refs() == {} and hub.list_runs() == () and hub.lineage("a") == ()
    assert hub.start_run().number == 2


def test_a_run_with_a_registered_model_is_not_deleted(hub):
    run = hub.start_run()
    hub.finish_run(run.id)
    hub.register_model("churn", run=run.id, digest="d")
    with pytest.raises(UserError, match=r"FLOW058.*churn:1"):
        hub.delete_run(run.id)
    hub.delete_model("churn:1")
    assert hub.delete_run(run.id).id == run.id


def test_a_prediction_is_followed_back_to_the_data_it_came_from(hub, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "hub_programs.py").write_text(
        "def write(context):\n"
        "    (context.directory / 'f').write_text(context.node)\n"
        "    return {'node': context.node}\n"
    )

    def node(name, **options):
        return Node(name, "hub_programs:write", parameters={"name": name}, **options)

    plan = Plan(
        "p",
        (
            node("rows", digests={"source": "s" * 64}),
            node("labels", inputs={"rows": "rows"}),
            node("model", inputs={"rows": "rows", "labels": "labels"}),
            node("other"),
        ),
    )
    from weft.core import Resources

    result = run_plan(plan, Store(tmp_path / "store"), resources=Resources(1000, 2))
    run = hub.start_run()
    for _ in range(2):
        hub.record_lineage(run.id, plan, result.outputs)
    steps = hub.lineage(result.outputs["model"].files["f"])
    assert steps[0] == Edge(
        result.outputs["model"].files["f"], result.outputs["model"].digest, "model", run.id
    )
    assert {e.via for e in steps} == {"model", "labels", "rows"}
    assert steps[-1].used == "s" * 64
    assert result.outputs["model"].files["f"] in {e.made for e in hub.descendants("s" * 64)}


def test_lineage_that_runs_in_a_circle_ends(hub):
    hub.add_edges([Edge("a", "b", "x"), Edge("b", "c", "y"), Edge("c", "a", "z"), Edge("a", "a", "w")])
    assert len(hub.lineage("a")) == 4
