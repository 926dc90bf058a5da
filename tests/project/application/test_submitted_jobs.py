"""Submitted jobs: carried out by a controller of their own, whatever becomes of the one that asked."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from test_jobs import one, states, write

from weft.core import Resources, UnavailableError, UserError
from weft.flow.backends.kubernetes import KubernetesBackend
from weft.project import ProjectFolder
from weft.project.application import (
    Application,
    find_job,
    follow_logs,
    job_logs,
    pause_job,
    resume_job,
    serve_jobs,
    stop_job,
    wait_for_job,
)
from weft.project.application import launch as launch_module
from weft.project.application import submission as submission_module
from weft.project.application.controller import _Idle
from weft.project.application.durable import ProjectBackends, name_backend, open_engine
from weft.project.application.launch import controller_lock


def weft(folder, *arguments, code=0):
    """Run a command in a process of its own, and return what it printed."""
    command = [sys.executable, "-P", "-m", "weft", *arguments, "--project", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout


def status(folder):
    return json.loads(weft(folder, "job", "status", "--json"))


def until(condition, limit_s=60.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def controller(folder):
    """Process of the controller that was started by itself; ``None`` when there is none."""
    with contextlib.suppress(OSError):
        found = re.search(r"\d+", (folder / ".weft" / "controller.lock").read_text())
        return int(found[0]) if found else None
    return None


class Place:
    """A project whose second task waits until it may end, and writes down each time it begins."""

    def __init__(self, folder):
        self.folder, self.end, self.log = folder / "p", folder / "end", folder / "log"
        wait = f"echo second >> {self.log}; while ! test -e {self.end}; do sleep 0.05; done"
        write(
            self.folder,
            {
                "tasks": {
                    "first": {"program": "shell", "parameters": {"command": f"echo first >> {self.log}"}},
                    "second": {
                        "program": "shell",
                        "parameters": {"command": f"{wait}; echo w > $WEFT_OUTPUT/w; echo done"},
                        "model": {"name": "tiny"},
                    },
                },
                "flows": {"steps": {"first": ["second"]}},
            },
        )

    @property
    def begun(self):
        return self.log.read_text().split() if self.log.exists() else []

    def open(self):
        return ProjectFolder(self.folder, threads=2)


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.end.touch()
    if (process := controller(made.folder)) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def alone(monkeypatch):
    """No controller is started by itself."""
    monkeypatch.setattr(submission_module, "ensure_controller", lambda folder: None)


@pytest.mark.slow
def test_a_job_outlives_the_command_and_is_seen_from_any_process(place):
    (place.folder / "weft.yaml").write_text(f"lineage: {place.log.parent}/told.jsonl\n")
    asked = json.loads(weft(place.folder, "job", "submit", "--json"))
    assert asked["state"] in ("queued", "running")
    until(lambda: place.begun == ["first", "second"])
    until(lambda: states(find_job(place.open())) == {"first": "ran", "second": "running"})
    seen = status(place.folder)
    assert (seen["run"], seen["state"]) == (asked["run"], "running")
    place.end.touch()
    until(lambda: find_job(place.open()).state == "succeeded")
    seen = status(place.folder)
    assert {n["name"]: n["state"] for n in seen["nodes"]} == {"first": "ran", "second": "ran"}
    assert seen["models"] == ["tiny:1"]
    assert job_logs(place.open(), task="second") == {"second": "done\n"}
    lines = (place.log.parent / "told.jsonl").read_text().splitlines()
    told = [json.loads(line)["eventType"] for line in lines]
    assert told == ["START", "COMPLETE"]
    # Nobody works for nothing: what was started by itself ends by itself.
    until(lambda: controller(place.folder) is None)
    assert (place.folder / ".weft" / "logs" / "controller.log").read_text() == ""


@pytest.mark.slow
def test_when_the_controller_is_killed_the_next_one_goes_on(place):
    weft(place.folder, "job", "submit")
    until(lambda: place.begun == ["first", "second"])
    os.kill(controller(place.folder), signal.SIGKILL)
    assert status(place.folder)["state"] == "running"
    place.end.touch()
    served = json.loads(weft(place.folder, "job", "serve", "--until-idle", "--json"))
    assert served == {"jobs": [status(place.folder)["run"]]}
    assert status(place.folder)["state"] == "succeeded"
    assert place.begun == ["first", "second"]
    assert [m.version for m in place.open().hub.list_models("tiny")] == [1]


@pytest.mark.slow
def test_a_controller_that_is_ended_gives_back_what_it_was_at(place):
    weft(place.folder, "job", "submit")
    until(lambda: place.begun == ["first", "second"])
    os.kill(controller(place.folder), signal.SIGTERM)
    until(lambda: controller(place.folder) is None)
    assert find_job(place.open()).state == "queued"
    assert (place.folder / ".weft" / "logs" / "controller.log").read_text() == ""
    place.end.touch()
    serve_jobs(place.open(), until_idle=True)
    assert find_job(place.open()).state == "succeeded"
    assert place.begun == ["first", "second", "second"]


class Listed:
    """In the place of an engine: what it says is open, call by call."""

    def __init__(self, folder, *answers):
        self.folder, self.answers, self.is_free = folder, list(answers), []

    def list(self, states):
        lock = controller_lock(self.folder)
        self.is_free.append(lock.try_acquire())
        lock.release()
        return self.answers.pop(0)


def test_a_job_that_comes_while_a_controller_ends_is_seen_by_one_of_the_two(tmp_path):
    folder = ProjectFolder(tmp_path)
    lock = controller_lock(folder)
    assert lock.try_acquire()
    engine = Listed(folder, ["job"], [], ["job"], [], [])
    is_idle = _Idle(engine, lock, 0.0)
    assert not is_idle()
    # It has let go, finds one that came meanwhile, and holds the lock again.
    assert not is_idle()
    assert lock.is_current()
    assert is_idle()
    assert engine.is_free == [False, False, True, False, True]
    # Where another took the lock meanwhile, what came is the other's.
    other = controller_lock(folder)
    late = Listed(folder, [], ["job"])
    late.list = lambda states, real=late.list: (real(states), other.try_acquire())[0]
    assert _Idle(late, lock, 0.0)()
    other.release()


def test_a_controller_lingers_and_bears_a_database_that_is_away(tmp_path):
    folder = ProjectFolder(tmp_path)
    lock = controller_lock(folder)
    assert not _Idle(Listed(folder, []), lock, 60.0)()

    class Away:
        def list(self, states):
            raise UnavailableError("FLOW081", "it does not answer.", "wait.")

    assert not _Idle(Away(), lock, 0.0)()


KILLED = """
import os, signal, sys
from weft.hub import Hub
from weft.project import ProjectFolder
from weft.project.application import serve_jobs
name, moment = sys.argv[2:]
real = getattr(Hub, name)
def cut(*args, **kwargs):
    if moment == "after":
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(Hub, name, cut)
serve_jobs(ProjectFolder(sys.argv[1]), until_idle=True)
"""


@pytest.mark.parametrize("point", ["register_model", "finish_run"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_model_is_registered_once_however_often_the_controller_dies(place, alone, point, moment):
    place.end.touch()
    job = Application(place.open()).submit(backend="inline")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(place.folder), point, moment], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    serve_jobs(place.open(), until_idle=True)
    found = find_job(place.open(), job.run)
    assert (found.state, found.models) == ("succeeded", ("tiny:1",))
    assert [m.version for m in place.open().hub.list_models("tiny")] == [1]
    assert place.begun == ["first", "second"]
    with open_engine(place.open()) as engine:
        assert engine.status(job.run).state == "succeeded"


@pytest.mark.slow
def test_a_job_is_stopped_and_taken_up_again(place):
    weft(place.folder, "job", "submit")
    until(lambda: place.begun == ["first", "second"])
    stopped = stop_job(place.open())
    assert (stopped.state, states(stopped)) == ("cancelled", {"first": "ran", "second": "cancelled"})
    assert place.open().hub.get_run().state == "cancelled"
    with pytest.raises(UserError, match="APP032"):
        stop_job(place.open())
    place.end.touch()
    weft(place.folder, "job", "retry")
    ended = wait_for_job(place.open(), timeout_s=60)
    assert (ended.state, ended.run) == ("succeeded", stopped.run)
    assert place.begun == ["first", "second", "second"]
    with pytest.raises(UserError, match="FLOW084"):
        Application(place.folder).retry()


def test_a_job_that_nobody_works_on_is_stopped_at_once(place, alone):
    job = Application(place.open()).submit()
    assert find_job(place.open()).state == job.state == "queued"
    assert stop_job(place.open()).state == "cancelled"
    assert place.open().hub.get_run().state == "cancelled"
    assert place.begun == []


@pytest.mark.slow
def test_a_job_stands_still_and_goes_on(place):
    weft(place.folder, "job", "submit")
    until(lambda: place.begun == ["first", "second"])
    paused = json.loads(weft(place.folder, "job", "pause", "--json"))
    assert paused["state"] == status(place.folder)["state"] == "paused"
    # No controller stays for it.
    until(lambda: controller(place.folder) is None)
    place.end.touch()
    assert json.loads(weft(place.folder, "job", "resume", "--json"))["state"] in ("queued", "running")
    assert wait_for_job(place.open(), timeout_s=60).state == "succeeded"
    assert place.begun == ["first", "second", "second"]
    with pytest.raises(UserError, match="FLOW084"):
        resume_job(place.open())


def test_only_a_submitted_job_stands_still(tmp_path):
    Application(write(tmp_path / "p", one("true"))).run()
    for ask in (pause_job, resume_job, wait_for_job):
        with pytest.raises(UserError, match="APP027"):
            ask(ProjectFolder(tmp_path / "p"))


def test_a_failing_task_is_told_by_whoever_asks_and_mended_in_the_same_job(tmp_path, alone):
    flag = tmp_path / "flag"
    folder = write(tmp_path / "p", one(f"echo the reason; test -e {flag} || exit 7"))
    job = Application(folder).submit()
    serve_jobs(ProjectFolder(folder), until_idle=True)
    failed = wait_for_job(ProjectFolder(folder))
    assert (failed.state, failed.error.code, failed.error.exit_code) == ("failed", "APP020", 1)
    assert "ended with exit code 7" in failed.error.message
    assert "the reason" in weft(folder, "job", "status")
    assert "".join(follow_logs(ProjectFolder(folder))) == "the reason\n"
    flag.touch()
    assert Application(folder).retry(task="only").state == "queued"
    serve_jobs(ProjectFolder(folder), until_idle=True)
    assert (find_job(ProjectFolder(folder)).state, find_job(ProjectFolder(folder)).run) == (
        "succeeded",
        job.run,
    )


@pytest.mark.slow
def test_waiting_ends_with_the_exit_code_of_the_job(tmp_path):
    folder = write(tmp_path / "p", one("exit 7"))
    printed = weft(folder, "job", "submit", "--wait", "--json", code=1)
    assert json.loads(printed)["state"] == "failed"
    until(lambda: controller(folder) is None)


def test_a_finished_task_of_a_submitted_job_runs_again_with_what_follows(tmp_path, alone):
    log = tmp_path / "log"
    step = {"program": "shell", "parameters": {"command": f"echo $WEFT_TASK >> {log}"}}
    tasks = {"a": step, "b": step, "c": {"program": "shell", "parameters": {"command": "exit 7"}}}
    folder = write(tmp_path / "p", {"tasks": tasks, "flows": {"f": {"a": ["b"], "b": ["c"]}}})
    job = Application(folder).submit(backend="inline")
    serve_jobs(ProjectFolder(folder), until_idle=True)
    weft(folder, "job", "retry", "--task", "b")
    serve_jobs(ProjectFolder(folder), until_idle=True)
    again = find_job(ProjectFolder(folder))
    assert (again.run, states(again)) == (job.run, {"a": "cached", "b": "ran", "c": "failed"})
    assert log.read_text().split() == ["a", "b", "b"]
    with pytest.raises(UserError, match="APP033"):
        Application(folder).retry(task="d")


def test_a_submitted_job_is_run_again_and_forked_in_the_same_way(tmp_path, alone):
    application = one("echo $WEFT_PARAMETER_N >> $WEFT_OUTPUT/n")
    application["tasks"]["only"]["parameters"]["n"] = 1
    folder = write(tmp_path / "p", application)
    job = Application(folder).submit(backend="inline", uses={"licence": 1}, priority=3)
    serve_jobs(ProjectFolder(folder), until_idle=True)
    again = Application(folder).rerun(job.run, parameters={"n": 2})
    forked = Application(folder).fork(job.run, "only")
    assert (again.state, forked.state) == ("queued", "queued")
    listed = json.loads(weft(folder, "runs", "--json"))["runs"]
    assert [(r["name"], r["state"]) for r in listed] == [
        (forked.run, "queued"),
        (again.run, "queued"),
        (job.run, "succeeded"),
    ]
    assert "queued" in weft(folder, "runs") and "interrupted" not in weft(folder, "runs")
    with open_engine(ProjectFolder(folder)) as engine:
        for run in (again.run, forked.run):
            options = engine.status(run).options
            assert (options.backend, options.uses, options.priority) == ("inline", {"licence": 1}, 3)
    serve_jobs(ProjectFolder(folder), until_idle=True)
    for run, why in ((again.run, "parameters.n 1 → 2"), (forked.run, "asked to repeat it")):
        found = find_job(ProjectFolder(folder), run)
        assert (found.state, found.node("only").why) == ("succeeded", why)
    waited = json.loads(weft(folder, "job", "rerun", job.run, "-p", "n=3", "--wait", "--json"))
    assert waited["state"] == "succeeded"
    until(lambda: controller(folder) is None)


def test_a_job_that_was_cut_off_before_the_engine_heard_of_it_is_taken_up(tmp_path, alone):
    folder = write(tmp_path / "p", one("true"))
    job = Application(folder).submit(backend="inline", repeat=["only"])
    with open_engine(ProjectFolder(folder)) as engine:
        options = engine.status(job.run).options
        engine.cancel(job.run)
        engine.forget(job.run)
        assert Application(folder).retry().state == "queued"
        assert engine.status(job.run).options == options
    serve_jobs(ProjectFolder(folder), until_idle=True)
    assert find_job(ProjectFolder(folder), job.run).state == "succeeded"


def test_jobs_are_kept_in_the_database_that_the_project_names(tmp_path, alone, database, postgres):
    folder = write(tmp_path / "p", one("true"))
    (folder / "weft.yaml").write_text(f"engine: {postgres}\n")
    job = Application(folder).submit(backend="inline")
    assert not (folder / ".weft" / "engine.db").exists()
    serve_jobs(ProjectFolder(folder), until_idle=True)
    assert find_job(ProjectFolder(folder), job.run).state == "succeeded"


def test_a_model_that_was_not_made_fails_the_job(tmp_path, alone):
    folder = write(tmp_path / "p", one("true", model={"name": "tiny"}))
    Application(folder).submit(backend="inline")
    serve_jobs(ProjectFolder(folder), until_idle=True)
    failed = find_job(ProjectFolder(folder))
    assert (failed.state, failed.error.code) == ("failed", "APP036")


def test_what_is_asked_for_wrongly_is_refused_before_there_is_a_job(tmp_path, monkeypatch):
    folder = write(tmp_path / "p", one("true"))
    with pytest.raises(UserError, match="FLOW093"):
        Application(folder).submit(backend="cloud")
    (folder / "weft.yaml").write_text("engine: mysql://host/db\n")
    with pytest.raises(UserError, match="FLOW080"):
        Application(folder).submit()
    (folder / "weft.yaml").unlink()
    monkeypatch.delitem(sys.modules, "weft.flow.engine.durable", raising=False)
    monkeypatch.setitem(sys.modules, "dbos", None)
    with pytest.raises(UserError, match=r"EXT001.*dbos.*\n.*weft\[server\]"):
        Application(folder).submit()
    with pytest.raises(UserError, match="APP031"):
        find_job(ProjectFolder(folder))


def test_a_job_whose_controller_cannot_be_started_is_kept(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    folder = write(tmp_path / "p", one("true"))
    monkeypatch.setattr(launch_module.subprocess, "Popen", refuse)
    with pytest.raises(UnavailableError, match="APP028"):
        Application(folder).submit(backend="inline")
    assert find_job(ProjectFolder(folder)).state == "queued"
    monkeypatch.undo()
    serve_jobs(ProjectFolder(folder), until_idle=True)
    assert find_job(ProjectFolder(folder)).state == "succeeded"


def test_a_second_controller_that_is_to_be_the_only_one_does_nothing(tmp_path, alone):
    folder = write(tmp_path / "p", one("true"))
    Application(folder).submit(backend="inline")
    with controller_lock(ProjectFolder(folder)):
        serve_jobs(ProjectFolder(folder), until_idle=True, is_only=True)
        assert find_job(ProjectFolder(folder)).state == "queued"
    serve_jobs(ProjectFolder(folder), until_idle=True, is_only=True)
    assert find_job(ProjectFolder(folder)).state == "succeeded"


def test_a_backend_is_found_by_its_name_and_the_digest_of_its_settings(tmp_path):
    folder = ProjectFolder(write(tmp_path / "p", one("true")))
    folder.resources = Resources(1_000_000_000, 1)
    backends = ProjectBackends(folder)
    name, digest = name_backend(folder, "kubernetes", {"namespace": "teams"})
    assert name == f"kubernetes@{digest}"
    found = backends[name]
    assert isinstance(found, KubernetesBackend)
    assert found is backends[name]
    assert found._settings.namespace == "teams"
    assert name_backend(folder, "process", {}) == ("process", "")
    assert set(backends) == {"process", "kubernetes", "ray"}
    assert len(backends) == 3
    assert "inline" not in backends and name in backends
    with pytest.raises(KeyError):
        backends["inline"]
