"""run_plan on the process backend: retries, limits, Ctrl-C, and kill -9 of whoever works."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from weft.core import Resources, UnavailableError, UserError
from weft.flow import Cancelled, Control, Node, Plan, Store, run_plan
from weft.flow.backends import AttemptState
from weft.flow.backends.process import ProcessBackend
from weft.testing.attempts import is_locked
from weft.testing.backends import make_spec, node

HERE = Path(__file__).parent
LIMITS = Resources(10**9, 2)


@pytest.fixture
def backend(tmp_path):
    return ProcessBackend(tmp_path / "process")


def wait_for(is_so, patience_s=60):
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run_one(made, store, backend, **options):
    events = []
    try:
        plan = Plan("one", (made,))
        result = run_plan(
            plan, store, resources=LIMITS, backend=backend, backoff_s=0.01, on_event=events.append, **options
        )
        return result, events
    except Exception as error:
        return error, events


def test_a_try_that_failed_is_followed_by_another(store, backend, tmp_path):
    flaky = Node("a", "flow_programs:flaky", parameters={"failures": 2}, retries=2)
    result, events = run_one(flaky, store, backend)
    assert result.outputs["a"].value == {"attempt": 3}
    notes = [e.note for e in events if e.state == "progress"]
    assert [n for n in notes if n.startswith("attempt")] == [
        f"attempt {n} failed (FLOW016: the server did not answer.), trying again" for n in (1, 2)
    ]
    assert [e.attempt for e in events if e.state == "started"] == [1, 2, 3]


def test_a_users_error_is_not_tried_again_and_says_what_was_printed(store, backend):
    error, events = run_one(node("a", "refuse", retries=3), store, backend)
    assert isinstance(error, UserError)
    assert str(error) == "SCH001: there is no table 'x'.\nHint: choose another."
    assert "node 'a', attempt 1 on process" in error.__notes__[0]
    assert "about to refuse" in error.__notes__[0]
    assert events[-1].state == "failed"


def test_progress_of_a_worker_arrives(store, backend, tmp_path):
    (tmp_path / "later").mkdir()
    hints = {"until": str(tmp_path / "go")}
    seen = []

    def watch(event):
        seen.append(event)
        if event.note == "half way":
            (tmp_path / "go").touch()

    plan = Plan("p", (node("a", "talk", hints=hints),))
    run_plan(plan, store, resources=LIMITS, backend=backend, on_event=watch)
    assert (1, 2) in [(e.done, e.total) for e in seen]


def test_what_waits_for_room_says_so(store, tmp_path):
    backend = ProcessBackend(tmp_path / "process", Resources(10**9, 1))
    hints = {"until": str(tmp_path / "go")}
    notes = []

    def watch(event):
        notes.append(event.note)
        if event.note.startswith("waits for"):
            (tmp_path / "go").touch()

    plan = Plan("p", tuple(node(n, "talk", hints=hints, version=n) for n in "ab"))
    run_plan(plan, store, resources=LIMITS, backend=backend, on_event=watch)
    assert "waits for 1 threads (0 free)" in notes


def test_stopping_a_run_stops_its_attempts(store, backend, tmp_path):
    lock, stop = tmp_path / "lock", threading.Event()

    def watch(event):
        if event.state == "started":
            threading.Thread(target=lambda: (wait_for(lambda: is_locked(lock)), stop.set())).start()

    plan = Plan("p", (node("a", "hold", hints={"lock": str(lock)}), node("b", "add", inputs={"a": "a"})))
    with pytest.raises(Cancelled):
        run_plan(plan, store, resources=LIMITS, backend=backend, on_event=watch, control=Control(stop))
    assert not is_locked(lock)


def test_an_attempt_that_somebody_stops_fails_the_run(store, backend, tmp_path):
    hints = {"until": str(tmp_path / "never")}

    def watch(event):
        if event.state == "started":
            (id,) = (p.name for p in (tmp_path / "process/running").iterdir())
            ProcessBackend(tmp_path / "process").stop(id)

    with pytest.raises(UserError) as caught:
        run_plan(
            Plan("p", (node("a", "talk", hints=hints),)),
            store,
            resources=LIMITS,
            backend=backend,
            on_event=watch,
        )
    assert caught.value.code == "FLOW070"


def test_a_worker_that_is_killed_is_followed_by_another(store, backend, tmp_path):
    hints = {"until": str(tmp_path / "go")}
    killed = []

    def watch(event):
        if event.state == "started" and not killed:
            (path,) = (tmp_path / "process/running").iterdir()
            killed.append(json.loads(path.read_bytes())["pid"])
            (tmp_path / "go").touch()
            os.kill(killed[0], signal.SIGKILL)

    plan = Plan("p", (node("a", "talk", hints=hints, retries=1),))
    result = run_plan(plan, store, resources=LIMITS, backend=backend, on_event=watch, backoff_s=0.01)
    assert result.states == {"a": "ran"}
    error, _ = run_one(node("a", "die_with_worker", version="2"), store, backend)
    assert isinstance(error, UnavailableError)
    assert error.code == "FLOW063"


RUN = """
import sys
from test_backend_runs import LIMITS, make_plan
from weft.flow import Store, run_plan
from weft.flow.backends.process import ProcessBackend

folder, log, run = sys.argv[1:]

def tell(event):
    print(event.node, event.state, flush=True)

store, backend = Store(f"{folder}/store"), ProcessBackend(f"{folder}/process")
result = run_plan(make_plan(log), store, resources=LIMITS, backend=backend, run=run, on_event=tell)
print("total", result.outputs["last"].value["n"], flush=True)
"""


def make_plan(log: str) -> Plan:
    """Two chains that meet; each node writes down when it begins and ends, and takes a moment."""

    def step(name, n, **inputs):
        return Node(name, "flow_programs:slow_total", parameters={"n": n}, inputs=inputs, hints={"log": log})

    return Plan("crash", (step("a", 1), step("b", 2), step("c", 3, x="a"), step("last", 4, x="b", y="c")))


def start(folder: Path, run: str) -> subprocess.Popen:
    command = [sys.executable, "-c", RUN, str(folder), str(folder / "log"), run]
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=HERE)


@pytest.mark.parametrize("moment", ["a started", "b started", "a ran", "c started", "c ran", "last started"])
def test_a_controller_that_is_killed_leaves_a_run_that_the_next_one_takes_over(tmp_path, moment):
    controller = start(tmp_path, "amber-otter")
    for line in controller.stdout:
        if line.strip() == moment:
            break
    else:
        raise AssertionError(f"'{moment}' never came")
    controller.kill()
    controller.communicate()
    out, _ = start(tmp_path, "amber-otter").communicate(timeout=120)
    assert out.splitlines()[-1] == "total 10"
    words = Counter(tuple(line.split()[:2]) for line in (tmp_path / "log").read_text().splitlines())
    assert words == Counter((n, w) for n in ("a", "b", "c", "last") for w in ("began", "ended"))
    assert not list((tmp_path / "process/waiting").iterdir())
    assert not leftovers(tmp_path)


def test_two_controllers_side_by_side_do_each_node_once(tmp_path):
    controllers = [start(tmp_path, run) for run in ("one", "two")]
    for controller in controllers:
        out, _ = controller.communicate(timeout=120)
        assert out.splitlines()[-1] == "total 10"
    words = Counter(line.split()[0] for line in (tmp_path / "log").read_text().splitlines())
    assert words == Counter({n: 2 for n in ("a", "b", "c", "last")})
    assert not leftovers(tmp_path)


def test_a_run_that_failed_is_tried_anew_under_its_name(store, backend, tmp_path):
    flaky = Node("a", "flow_programs:flaky", parameters={"failures": 2}, retries=0)
    for attempt in (1, 2):
        error, events = run_one(flaky, store, backend, run="amber-otter")
        assert isinstance(error, UnavailableError)
        assert events[-1].attempt == attempt
    result, _ = run_one(flaky, store, backend, run="amber-otter")
    assert result.outputs["a"].value == {"attempt": 3}


def leftovers(folder: Path) -> list[str]:
    """Return the command lines of processes that still work for this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in text and "weft.flow.worker" in text:
            found.append(text)
    return found


def test_results_are_those_of_a_run_that_nobody_killed(tmp_path, backend):
    plan = make_plan(str(tmp_path / "log"))
    here = run_plan(plan, Store(tmp_path / "here"), resources=LIMITS)
    there = run_plan(plan, Store(tmp_path / "there"), resources=LIMITS, backend=backend)
    assert {n: o.digest for n, o in here.outputs.items()} == {n: o.digest for n, o in there.outputs.items()}


def test_a_backend_gets_what_nodes_ask_for_and_refuses_what_it_has_not(store, backend):
    huge = Resources(10**15, 3)
    error, _ = run_one(Node("a", "flow_programs:share", resources=huge), store, backend)
    assert isinstance(error, UserError) and error.code == "FLOW065"


def test_what_nodes_ask_for_is_not_cut_to_what_the_controller_has(store, backend):
    asked = Resources(2 * 10**9, 2)
    made = Node("a", "flow_programs:share", resources=asked)
    result, _ = run_one(made, store, backend)
    assert result.outputs["a"].value == {"memory": asked.memory_bytes, "threads": 2}


def test_a_backend_is_asked_for_what_a_node_is_estimated_to_need(store, backend, tmp_path):
    asked = Resources(10**9, 2)
    needing = Node(
        "b", "flow_programs:share", inputs={"a": "a"}, resources=asked, needs="flow_programs:needs_of_inputs"
    )
    plan = Plan("estimated", (Node("a", "flow_programs:fill", parameters={"size": 400_000}), needing))
    there = run_plan(plan, store, resources=LIMITS, backend=backend)
    assert there.outputs["b"].value == {"memory": 400_000_000, "threads": 1}
    assert there.outputs["a"].size_bytes == 400_000
    here = run_plan(plan, Store(tmp_path / "other"), resources=LIMITS)
    assert here.outputs["b"].value == {"memory": asked.memory_bytes, "threads": 2}


def test_an_estimate_that_cannot_be_made_ends_the_node(store, backend):
    error, _ = run_one(Node("a", "flow_programs:share", needs="flow_programs:nothing"), store, backend)
    assert isinstance(error, UserError) and error.code == "FLOW006"


class Flickering(ProcessBackend):
    """Does not answer one of the questions."""

    num_asked = 0
    silent = 1

    def status(self, ids):
        self.num_asked += 1
        if self.num_asked == self.silent:
            raise UnavailableError("FLOW063", "the folder did not answer.", "try again.")
        return super().status(ids)


@pytest.mark.parametrize(("silent", "is_patient"), [(1, True), (2, False)])
def test_one_unanswered_question_ends_no_run(store, tmp_path, silent, is_patient):
    flickering = Flickering(tmp_path / "process")
    flickering.silent = silent
    share = Node("a", "flow_programs:share")
    result, _ = run_one(share, store, flickering, run="named", control=Control(is_patient=is_patient))
    assert result.outputs["a"].value["threads"] and flickering.num_asked > silent


def test_who_waits_for_a_backend_that_is_not_there_is_told_at_once(store, tmp_path):
    class Absent(ProcessBackend):
        def start(self, spec):
            raise UnavailableError("FLOW091", "there is no cluster.", "start one.")

    flickering = Flickering(tmp_path / "process")
    for backend, run in ((flickering, "named"), (Absent(tmp_path / "absent"), None)):
        error, _ = run_one(Node("a", "flow_programs:share", retries=3), store, backend, run=run)
        assert isinstance(error, UnavailableError)
    assert flickering.num_asked == 1


class MovedOn(ProcessBackend):
    """Ends an attempt just when somebody has looked for its result and not yet for its worker."""

    between = None

    def _started_us(self, id):
        if self.between is not None:
            act, self.between = self.between, None
            act()
        return super()._started_us(id)


def test_an_attempt_that_ends_between_two_looks_is_not_forgotten(store, tmp_path):
    watching, other = MovedOn(tmp_path / "process"), ProcessBackend(tmp_path / "process")
    spec = make_spec(store, "hold", hints={"lock": str(tmp_path / "lock")})
    watching.start(spec)
    wait_for(lambda: b"holding" in watching.logs(spec.id))
    watching.between = lambda: other.stop(spec.id)
    assert watching.status([spec.id])[spec.id].state is AttemptState.STOPPED
