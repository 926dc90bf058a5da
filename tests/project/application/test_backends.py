"""Jobs on the process backend: the same results, errors and logs as inline; what would be submitted."""

import json
import time

import pytest
import yaml
from test_jobs import STEPS, one, runs, start_waiting, states, whys, write

from weft.core import UserError
from weft.project import ProjectFolder
from weft.project.application import Application, find_job, job_logs, stop_job


def test_a_job_on_a_backend_finds_what_ran_inline_and_the_other_way_round(tmp_path):
    steps = Application(write(tmp_path / "steps"))
    first = steps.run(backend="process")
    assert states(first) == {"first": "ran", "second": "ran"}, first.error
    assert first.output("second").path("m").read_text() == "1\n"
    assert job_logs(ProjectFolder(steps.folder), first.run) == {"first": "one\n", "second": "two\n"}
    assert set(states(steps.run()).values()) == {"cached"}
    assert whys(steps.rerun(first.run, parameters={"y": 2}))["second"] == "parameters.y 1 → 2"


def test_a_failure_on_a_backend_has_the_same_code_and_exit_code(tmp_path):
    failing = one("echo the reason; exit 3", retries=1)
    job = Application(write(tmp_path / "p", failing)).run(backend="process")
    assert job.state == "failed"
    assert job.error.code == "APP020"
    assert job.error.exit_code == 1
    assert "attempt 2, ended with exit code 3" in job.error.message
    assert job_logs(ProjectFolder(tmp_path / "p")) == {"only": "the reason\nthe reason\n"}


def test_workers_of_a_task_find_each_other_on_a_backend(tmp_path):
    line = 'echo "rank $RANK of $WORLD_SIZE at $MASTER_ADDR"'
    job = Application(write(tmp_path / "p", one(line, nodes=2))).run(backend="process")
    assert job.state == "succeeded", job.error
    printed = job_logs(ProjectFolder(tmp_path / "p"))["only"].splitlines()
    assert sorted(printed) == ["[1] rank 1 of 2 at 127.0.0.1", "rank 0 of 2 at 127.0.0.1"]


def test_a_worker_outlives_its_controller_and_is_adopted(tmp_path):
    place, end = tmp_path / "pid", tmp_path / "end"
    line = f"echo $$ > pid; mv pid {place}; echo begun; while ! test -e {end}; do sleep 0.05; done"
    with start_waiting(tmp_path / "p", place, line, backend="process") as process:
        process.kill()
    folder = ProjectFolder(tmp_path / "p")
    assert find_job(folder).state == "interrupted"
    end.touch()
    job = Application(folder).retry()
    assert job.state == "succeeded", job.error
    assert job_logs(folder) == {"only": "begun\n"}  # it ran once


def test_a_job_on_a_backend_is_stopped_from_another_process(tmp_path):
    place = tmp_path / "pid"
    line = f"echo $$ > pid; mv pid {place}; sleep 300"
    with start_waiting(tmp_path / "p", place, line, backend="process") as process:
        assert stop_job(ProjectFolder(tmp_path / "p")).state == "cancelled"
        assert process.wait(60) == 0


def test_workers_that_a_killed_controller_left_are_stopped(tmp_path):
    place = tmp_path / "pid"
    line = f"echo $$ > pid; mv pid {place}; sleep 300"
    with start_waiting(tmp_path / "p", place, line, backend="process") as process:
        process.kill()
    folder = ProjectFolder(tmp_path / "p")
    assert find_job(folder).state == "interrupted"
    assert runs(place.read_text().strip())
    assert stop_job(folder).state == "cancelled"
    assert not runs(place.read_text().strip())
    with pytest.raises(UserError, match="APP032"):
        stop_job(folder)
    (tmp_path / "p/mlapplication.json").write_text(json.dumps(one("true")))
    assert Application(folder).run(backend="process").state == "succeeded"


def test_an_attempt_that_waited_when_its_controller_was_killed_is_stopped(tmp_path):
    place = tmp_path / "pid"
    waits = {"program": "shell", "parameters": {"command": "true"}}
    holds = {"program": "shell", "parameters": {"command": f"echo $$ > pid; mv pid {place}; sleep 300"}}
    both = {"tasks": {"holds": holds, "waits": waits}, "flows": {"both": {"holds": [], "waits": []}}}
    said = {"defaults": {"cpu": 1}, "backends": {"process": {"threads": 1}}}
    with start_waiting(tmp_path / "p", place, both, backend="process", deployment=said) as process:
        queue = tmp_path / "p/.weft/process/waiting"
        deadline = time.monotonic() + 60
        while not (queue.exists() and any(queue.iterdir())):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    assert stop_job(ProjectFolder(tmp_path / "p")).state == "cancelled"
    assert not any(queue.iterdir())


def test_what_would_be_submitted_is_printed_and_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hunter22")
    application = json.loads(json.dumps(STEPS))
    application["tasks"]["second"]["secrets"] = {"TOKEN": "env:MY_TOKEN"}
    made = Application(write(tmp_path / "p", application))
    rendered = made.render("process")
    assert list(rendered) == ["first", "second"]
    assert "env:MY_TOKEN" in rendered["second"]
    assert "hunter22" not in rendered["second"]
    with pytest.raises(UserError, match="APP031"):
        find_job(ProjectFolder(tmp_path / "p"))


def test_only_a_backend_is_submitted_to(tmp_path):
    made = Application(write(tmp_path / "p"))
    with pytest.raises(UserError, match="APP026"):
        made.render("inline")
    for act in (made.render, lambda name: made.run(backend=name)):
        with pytest.raises(UserError, match=r"FLOW093(.|\n)*write process"):
            act("proces")


def test_what_a_deployment_says_of_processes_is_read(tmp_path):
    folder = write(tmp_path / "p", deployment={"backends": {"process": {"memory": "1MB"}}})
    with pytest.raises(UserError, match="FLOW065"):
        job = Application(folder).run(backend="process")
        raise job.error
    folder = write(tmp_path / "q", deployment={"backends": {"process": {"memory": "1GB", "bogus": 3}}})
    with pytest.raises(UserError, match="FLOW090"):
        Application(folder).run(backend="process")


def test_the_manifests_of_a_cluster_follow_the_deployment(tmp_path):
    deployment = {
        "defaults": {"image": "registry.example/shop:1", "cpu": 2, "memory": "4GB"},
        "tasks": {"second": {"gpus": 1}},
        "backends": {
            "kubernetes": {"namespace": "teams", "queue": "night", "claims": {str(tmp_path): "shared"}}
        },
    }
    made = Application(write(tmp_path / "p", deployment=deployment))
    rendered = made.render("kubernetes")
    second = next(yaml.safe_load_all(rendered["second"]))
    assert second["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "night"
    (container,) = second["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/shop:1"
    assert str(container["resources"]["limits"]["nvidia.com/gpu"]) == "1"
    deployment["backends"]["kubernetes"] = {"namespce": "x"}
    with pytest.raises(UserError, match=r"(?s)FLOW090.*namespce.*write namespace"):
        Application(write(tmp_path / "p", deployment=deployment)).render("kubernetes")
