"""Applications through Python: built, run, found again, stopped, taken up, changed."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weft.core import UnavailableError, UserError, WeftError
from weft.project import ProjectFolder, open_run, runs_view
from weft.project.application import (
    TEMPLATES,
    Application,
    create_project,
    find_job,
    follow_logs,
    job_logs,
    stop_job,
)
from weft.project.application import stopping as stopping_module
from weft.project.application.printed import PrintedLog
from weft.project.artifacts import upload_artifact

STEPS = {
    "tasks": {
        "first": {"program": "shell", "parameters": {"command": "echo one; echo 1 > $WEFT_OUTPUT/n", "x": 1}},
        "second": {
            "program": "shell",
            "parameters": {"command": "cat $WEFT_INPUT_FIRST/n > $WEFT_OUTPUT/m; echo two", "y": 1},
        },
    },
    "flows": {"steps": {"first": ["second"]}},
}


def write(folder, application=STEPS, **files):
    folder.mkdir(exist_ok=True)
    (folder / "note.txt").write_text("sources of the example")
    for name, content in {"mlapplication": application, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2))
    return folder


def one(command, **fields):
    """An application of one task, ``only``."""
    return {"tasks": {"only": {"program": "shell", "parameters": {"command": command}, **fields}}}


@pytest.fixture
def steps(tmp_path):
    return Application(write(tmp_path / "steps"))


def states(job):
    return {n.name: n.state for n in job.nodes}


def whys(job):
    return {n.name: n.why for n in job.nodes}


def test_a_job_tells_what_ran_and_what_did_not_and_why(steps):
    first = steps.run()
    assert first.state == "succeeded"
    assert states(first) == {"first": "ran", "second": "ran"}
    assert first.output("second").path("m").read_text() == "1\n"
    again = steps.run()
    assert states(again) == {"first": "cached", "second": "cached"}
    assert whys(again)["first"].endswith(f"made by run {first.run}")
    changed = steps.run(parameters={"second.y": 2})
    assert states(changed) == {"first": "cached", "second": "ran"}
    assert str(changed.nodes[1]) == "second  ran (parameters.y 1 → 2)"
    assert changed.parameters["second"]["y"] == {"value": 2, "origin": "-p"}
    assert changed.to_json() == {
        "run": changed.run,
        "state": "succeeded",
        "nodes": [{"name": n.name, "state": n.state, "why": n.why} for n in changed.nodes],
    }
    assert "  second.y = 2  (-p)" in changed.text()


def test_a_job_is_found_again_with_its_logs(steps):
    job = steps.run()
    folder = ProjectFolder(steps.folder)
    found = find_job(folder)
    assert found.to_json() == job.to_json()
    assert found.details()["parameters"]["first"]["x"]["origin"].startswith(
        "task default, mlapplication.json:"
    )
    assert job_logs(folder) == {"first": "one\n", "second": "two\n"}
    cached = steps.run()
    assert steps.logs(cached.run, "first") == {"first": "one\n"}
    assert "".join(follow_logs(folder, job.run)) == "one\ntwo\n"


def test_following_a_job_reads_on_from_where_it_was(tmp_path, monkeypatch):
    place, end = tmp_path / "pid", tmp_path / "end"
    line = (
        f"echo $$ > pid; mv pid {place}; seq 1000; printf '\\303'; while ! test -e {end}; do sleep 0.05; done"
    )
    sizes, read = [], PrintedLog._read_file

    def counted(log, path):
        data = read(log, path)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(PrintedLog, "_read_file", counted)
    with start_waiting(tmp_path / "p", place, line + "; printf '\\251\\n'") as process:
        texts = follow_logs(ProjectFolder(tmp_path / "p"))
        shown = next(texts)
        end.touch()
        shown += "".join(texts)
        assert process.wait(60) == 0
    assert shown.split() == [*map(str, range(1, 1001)), "é"]
    assert sum(sizes) == len(shown.encode())


def test_the_log_of_a_try_is_shown_when_the_one_before_printed_nothing(tmp_path):
    flag = tmp_path / "flag"
    line = f"test -e {flag} || {{ touch {flag}; exit 1; }}; echo done"
    Application(write(tmp_path / "p", one(line, retries=1))).run()
    assert job_logs(ProjectFolder(tmp_path / "p")) == {"only": "done\n"}


def test_a_changed_source_runs_tasks_again_and_a_changed_default_only_its_own(steps):
    steps.run()
    changed = json.loads(json.dumps(STEPS))
    changed["tasks"]["second"]["parameters"]["y"] = 5
    assert states(Application(write(steps.folder, changed)).run()) == {"first": "cached", "second": "ran"}
    (steps.folder / "note.txt").write_text("other sources")
    job = Application(steps.folder).run()
    assert whys(job)["first"] == "data artifact changed"


def test_resources_and_retries_change_nothing_that_is_in_the_store(steps):
    steps.run()
    write(steps.folder, deployment={"defaults": {"cpu": 1, "memory": "1GB", "retries": 3, "timeout": "1m"}})
    assert set(states(Application(steps.folder).run()).values()) == {"cached"}


def test_a_failed_job_is_taken_up_where_it_failed(tmp_path):
    folder = write(tmp_path / "p")
    application = json.loads(json.dumps(STEPS))
    flag = tmp_path / "flag"
    application["tasks"]["second"]["parameters"]["command"] = f"echo trying; test -e {flag}"
    write(folder, application)
    failed = Application(folder).run()
    assert failed.state == "failed"
    assert states(failed) == {"first": "ran", "second": "failed"}
    assert failed.error.code == "APP020"
    with pytest.raises(WeftError, match="APP020"):
        failed.output("second")
    assert find_job(ProjectFolder(folder), failed.run).error.code == "APP020"
    flag.touch()
    (folder / "note.txt").write_text("changed meanwhile: the job keeps its own sources")
    mended = Application(folder).retry(failed.run)
    assert mended.run == failed.run
    assert states(mended) == {"first": "cached", "second": "ran"}
    with pytest.raises(UserError, match="FLOW057"):
        Application(folder).retry(failed.run)
    with pytest.raises(UserError, match="APP033"):
        Application(folder).retry(failed.run, "third")


def test_a_task_of_a_failed_job_is_run_again_when_asked(tmp_path):
    folder = write(tmp_path / "p")
    application = json.loads(json.dumps(STEPS))
    log = tmp_path / "log"
    application["tasks"]["first"]["parameters"]["command"] += f"; echo first >> {log}"
    application["tasks"]["last"] = {"program": "shell", "parameters": {"command": "exit 1"}}
    application["tasks"]["side"] = {"program": "shell", "parameters": {"command": f"echo side >> {log}"}}
    application["flows"]["steps"] = {"first": ["second"], "second": ["last"], "side": ["last"]}
    failed = Application(write(folder, application)).run()
    again = Application(folder).retry(failed.run, "first")
    assert again.run == failed.run
    ran = {"first": "ran", "second": "ran", "side": "cached", "last": "failed"}
    assert states(again) == ran
    assert whys(again)["first"] == whys(again)["second"] == "asked to repeat it"
    assert sorted(log.read_text().split()) == ["first", "first", "side"]
    # What it made anew stands, when the job is taken up without a task.
    third = Application(folder).retry(failed.run)
    assert states(third) == {**ran, "first": "cached", "second": "cached"}


def test_a_task_that_another_job_has_made_is_run_again_when_asked(tmp_path):
    folder = write(tmp_path / "p")
    made = Application(folder).run()
    application = json.loads(json.dumps(STEPS))
    application["tasks"]["second"]["parameters"]["command"] = "exit 1"
    failed = Application(write(folder, application)).run()
    assert whys(failed)["first"].endswith(f"made by run {made.run}")
    assert states(Application(folder).retry(failed.run, "first")) == {"first": "ran", "second": "failed"}


def test_a_task_on_a_backend_is_run_again_when_asked(tmp_path):
    log = tmp_path / "log"
    application = json.loads(json.dumps(STEPS))
    application["tasks"]["first"]["parameters"]["command"] += f"; echo first >> {log}"
    application["tasks"]["second"]["parameters"]["command"] = "exit 1"
    folder = write(tmp_path / "p", application)
    failed = Application(folder).run(backend="process")
    assert states(Application(folder).retry(failed.run, "first")) == {"first": "ran", "second": "failed"}
    assert log.read_text().split() == ["first", "first"]


def test_a_rerun_keeps_the_sources_and_the_files_of_its_job(steps):
    job = steps.run()
    shutil.copytree(steps.folder, steps.folder.with_name("kept"), ignore=shutil.ignore_patterns(".weft"))
    (steps.folder / "note.txt").write_text("other")
    write(steps.folder, one("true"))
    rerun = Application(steps.folder).rerun(job.run, parameters={"y": 9})
    assert rerun.run != job.run
    assert states(rerun) == {"first": "cached", "second": "ran"}
    twice = Application(steps.folder).rerun(rerun.run, parameters={"x": 2})
    assert twice.parameters["second"]["y"]["value"] == 9
    assert whys(twice)["first"] == "parameters.x 1 → 2"


def test_a_fork_runs_a_task_and_what_follows_anew(steps):
    job = steps.run()
    forked = steps.fork(job.run, "second")
    assert states(forked) == {"first": "cached", "second": "ran"}
    assert whys(forked)["second"] == "asked to repeat it"
    assert states(steps.fork(job.run, "first")) == {"first": "ran", "second": "ran"}
    with pytest.raises(UserError, match="APP033"):
        steps.fork(job.run, "third")


def test_a_job_whose_order_is_lost_cannot_be_repeated(steps):
    job = steps.run()
    steps.project.store.delete_ref(f"results/{job.run}/job")
    with pytest.raises(UserError, match="APP035"):
        steps.rerun(job.run)


def test_a_model_is_registered_once_for_the_same_files(tmp_path):
    application = one(
        "mkdir $WEFT_OUTPUT/model; echo $WEFT_PARAMETER_V > $WEFT_OUTPUT/model/w; "
        'echo \'{"metrics": {"loss": 0.5}}\' > $WEFT_OUTPUT/result.json',
        model={"name": "tiny", "path": "model"},
    )
    application["tasks"]["only"]["parameters"]["v"] = 1
    made = Application(write(tmp_path / "p", application))
    assert made.run().models == ("tiny:1",)
    assert made.run().models == ("tiny:1",)
    assert made.run(parameters={"v": 2}).models == ("tiny:2",)
    model = made.project.hub.get_model("tiny@candidate")
    assert (model.version, model.metrics) == (2, {"loss": 0.5})
    assert list(made.project.store.get_tree(model.digest)) == ["w"]
    assert made.project.hub.lineage(model.digest) is not None


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ('{"loss": 0.5, "auroc": "high"}', 'left metrics.auroc = "high"'),
        ('{"loss": NaN}', "left metrics.loss = NaN"),
        ('{"loss": 1e999}', "left metrics.loss = Infinity"),
        ('{"loss": true}', "left metrics.loss = true"),
        ('{"loss": null}', "left metrics.loss = null"),
        ("[0.5]", r"left metrics = \[0.5\]"),
    ],
)
def test_metrics_that_are_no_numbers_are_an_error_with_field_and_value(tmp_path, metrics, words):
    left = '{"metrics": ' + metrics + "}"
    line = (
        f"mkdir $WEFT_OUTPUT/model; echo 1 > $WEFT_OUTPUT/model/w; echo '{left}' > $WEFT_OUTPUT/result.json"
    )
    job = Application(write(tmp_path / "p", one(line, model={"name": "tiny"}))).run()
    assert (job.state, job.error.code, job.error.exit_code) == ("failed", "APP069", 1)
    assert re.search(words, job.error.message) and "task 'only'" in job.error.message
    assert ProjectFolder(tmp_path / "p").hub.list_models() == ()


def test_a_model_that_was_not_made_is_an_error(tmp_path):
    application = one("true", model={"name": "tiny"})
    job = Application(write(tmp_path / "p", application)).run()
    assert job.state == "failed"
    assert job.error.code == "APP036"


WAITING = "echo $$ > pid; cp pid {place}; echo begun; sleep 300"


def start_waiting(folder, place, line=WAITING, backend="inline", **files):
    """Run in a process of its own a job that waits; return the process once its task runs."""
    write(folder, one(line.format(place=place)) if isinstance(line, str) else line, **files)
    code = (
        "from weft.project.application import Application\n"
        f"Application({str(folder)!r}).run(backend={backend!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not (place.exists() and place.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def runs(pid):
    return Path(f"/proc/{pid}").exists()


def test_a_job_is_stopped_from_another_process_with_its_whole_tree(tmp_path):
    place = tmp_path / "pid"
    with start_waiting(tmp_path / "p", place) as process:
        folder = ProjectFolder(tmp_path / "p")
        running = find_job(folder)
        assert (running.state, states(running)) == ("running", {"only": "running"})
        assert job_logs(folder) == {"only": "begun\n"}
        stopped = stop_job(folder)
        assert (stopped.state, states(stopped)) == ("cancelled", {"only": "cancelled"})
        assert process.wait(60) == 0
    assert not runs(place.read_text().strip())
    with pytest.raises(UserError, match="APP032"):
        stop_job(folder)


def test_a_job_whose_process_was_killed_leaves_nothing_and_is_taken_up(tmp_path):
    place = tmp_path / "pid"
    with start_waiting(tmp_path / "p", place) as process:
        process.kill()
    deadline = time.monotonic() + 30
    while runs(place.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    lost = find_job(ProjectFolder(tmp_path / "p"))
    assert (lost.state, states(lost)) == ("interrupted", {"only": "cancelled"})
    assert Application(write(tmp_path / "p", one("true"))).run().state == "succeeded"


STUBBORN = "trap '' TERM; echo $$ > pid; mv pid {place}; while :; do sleep 0.1; done"


def test_stopping_a_job_whose_process_was_killed_waits_until_nothing_of_it_is_left(tmp_path):
    place = tmp_path / "pid"
    with start_waiting(tmp_path / "p", place, STUBBORN) as process:
        process.kill()
    folder = ProjectFolder(tmp_path / "p")
    assert runs(place.read_text().strip())
    assert stop_job(folder).state == "cancelled"
    assert not runs(place.read_text().strip())
    with pytest.raises(UserError, match="APP032"):
        stop_job(folder)


def test_a_flow_whose_parameters_would_be_one_variable_is_refused(tmp_path):
    task = {"program": "shell", "parameters": {"command": "true", "a-b": 1, "a_b": 2}}
    with pytest.raises(UserError, match="APP080"):
        Application(write(tmp_path / "p", {"tasks": {"only": task}})).run()


def test_a_job_that_does_not_heed_is_told_of(tmp_path, monkeypatch):
    folder = write(tmp_path / "p", one("true"))
    Application(folder).run()
    project = ProjectFolder(folder)
    about = project.hub.get_run("latest").parameters
    record = project.hub.start_run(parameters=about)
    monkeypatch.setattr(stopping_module, "_STOP_WITHIN_S", 0.1)
    with pytest.raises(UnavailableError, match=f"APP034: job {record.name}"):
        stop_job(project)


def test_runs_of_queries_and_jobs_are_told_apart(steps):
    with pytest.raises(UserError, match="APP031"):
        find_job(ProjectFolder(steps.folder))
    other = steps.project.hub.start_run(query="PREDICT")
    with pytest.raises(UserError, match=f"APP031: the run {other.name} is none of a flow"):
        find_job(ProjectFolder(steps.folder), other.name)
    steps.run()
    with pytest.raises(UserError, match="DATA127"):
        open_run(project=steps.folder)


def test_a_folder_without_an_application_is_refused(tmp_path):
    with pytest.raises(UserError, match="APP030"):
        Application(tmp_path)


def test_the_same_sources_have_the_same_digest_anywhere(tmp_path):
    create_project(tmp_path / "a" / "hello")
    first = Application(tmp_path / "a" / "hello").build()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").rglob("*"):
        os.utime(path, (1, 1))
    (tmp_path / "b" / "hello" / "__pycache__").mkdir()
    (tmp_path / "b" / "hello" / "__pycache__" / "x.pyc").touch()
    assert Application(tmp_path / "b" / "hello").build().digest == first.digest
    (tmp_path / "b" / "hello" / "src" / "train.py").write_text("")
    assert Application(tmp_path / "b" / "hello").build().digest != first.digest


def test_an_artifact_that_a_run_specification_names_is_fetched_and_run(tmp_path):
    folder = write(tmp_path / "p", one("cat note.txt"), artifact={"name": "shop", "tag": "v1"})
    project = ProjectFolder(folder)
    upload_artifact(project)
    (folder / "note.txt").write_text("changed since")
    later = one("cat note.txt; echo later")
    later["tasks"]["more"] = {"program": "shell", "parameters": {"command": "true"}}
    (folder / "mlapplication.json").write_text(json.dumps(later))
    (folder / "artifact.json").write_text('{"name": "shop", "tag": "v2"}')
    spec = {"jobName": "nightly shop", "artifact": "shop", "artifactTag": "v1"}
    for tag, printed in (("v1", "sources of the example"), ("v2", "changed sincelater\n")):
        (folder / "run.json").write_text(json.dumps(spec | {"artifactTag": tag}))
        job = Application(folder).run()
        assert (job.state, job_logs(project, job.run, "only")["only"]) == ("succeeded", printed)
        assert [n.name for n in job.nodes] == (["only"] if tag == "v1" else ["only", "more"])
    assert job.name == find_job(project).details()["name"] == "nightly shop"
    assert "job nightly shop" in find_job(project).text()
    assert "job nightly shop" in runs_view(project).text
    # It stays what it was when it is repeated.
    (folder / "note.txt").write_text("changed again")
    first = Application(folder).rerun(project.hub.list_runs()[-1].name)
    assert states(first) == {"only": "cached"}
    (folder / "run.json").write_text(json.dumps(spec | {"artifactTag": "v9"}))
    with pytest.raises(UserError, match=r"APP050.*shop:v9"):
        Application(folder).run()


def test_a_program_that_is_not_there_is_found_by_the_build_with_its_line(tmp_path):
    application = {"tasks": {"train": {"program": "python", "parameters": {"file": "train.py"}}}}
    folder = write(tmp_path / "p", application)
    words = r"APP024: mlapplication.json, line 6, field tasks.train.parameters.file: .*no file 'train.py'"
    for ask in (Application(folder).build, Application(folder).run, Application(folder).submit):
        with pytest.raises(UserError, match=words):
            ask()
    (folder / "trian.py").write_text("print('x')")
    with pytest.raises(UserError, match=r"did you mean 'trian\.py'"):
        Application(folder).build()
    (folder / "run.json").write_text('{"tasks": {"train": {"taskParameters": {"file": "gone.py"}}}}')
    with pytest.raises(UserError, match=r"APP024: run.json, line 1, field tasks.train.taskParameters.file"):
        Application(folder).build()
    assert Application(folder).run(parameters={"train.file": "trian.py"}).state == "succeeded"
    (folder / "artifact.json").write_text('{"exclude": ["trian.py"]}')
    (folder / "run.json").write_text('{"tasks": {"train": {"taskParameters": {"file": "trian.py"}}}}')
    with pytest.raises(UserError, match="APP024"):
        Application(folder).build()


def test_a_dockerfile_needs_to_be_there_and_an_image_made_of_it(tmp_path):
    folder = write(tmp_path / "p", one("true"), artifact={"dockerfile": "Dockerfile"})
    with pytest.raises(UserError, match=r"APP070: artifact.json, line 2, field dockerfile: .*no file"):
        Application(folder).build()
    (folder / "Dockerfile").write_text("FROM python:3.11")
    with pytest.raises(UserError, match=r"(?s)APP070: .*Weft makes none.*docker build -f Dockerfile"):
        Application(folder).build()
    write(folder, one("true"), artifact={"dockerfile": "Dockerfile", "image": "registry.example/shop:1"})
    assert "Dockerfile" in Application(folder).build().files


def test_a_lock_that_does_not_fit_is_made_anew(tmp_path, monkeypatch):
    folder = write(tmp_path / "p")
    (folder / "requirements.txt").write_text("# ours\nalpha>=2  # newer\nBeta_x; python_version < '3'\n")
    locked = []

    def lock_project(root, *, requirements, lock):
        locked.append(lock)
        (root / lock).write_text("alpha==2.1\n")

    monkeypatch.setattr("weft.project.application.sources.lock_project", lock_project)
    assert Application(folder).build().lock == "requirements.lock"
    Application(folder).build()
    assert len(locked) == 1
    Application(folder).build(lock=True)
    (folder / "requirements.txt").write_text("alpha>=3\n")
    Application(folder).build()
    assert len(locked) == 3


def test_every_template_is_built_and_names_that_cannot_be_are_refused(tmp_path):
    for template in TEMPLATES:
        create_project(tmp_path / template, template=template)
        build = Application(tmp_path / template).build()
        assert build.name == template
    with pytest.raises(UserError, match="APP038"):
        create_project(tmp_path / "train")
    with pytest.raises(UserError, match="APP037"):
        create_project(tmp_path / "a b")
    with pytest.raises(UserError, match="APP039"):
        create_project(tmp_path / "c", template="spark")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_the_distributed_example_trains_with_two_workers(tmp_path):
    create_project(tmp_path / "pair", template="distributed")
    job = Application(tmp_path / "pair").run(parameters={"steps": 60})
    assert job.state == "succeeded", job.error
    assert job.output("train").value["workers"] == 2
    assert job.models == ("pair:1",)


@pytest.mark.slow
def test_the_scheduled_example_predicts_and_the_same_day_costs_nothing(tmp_path):
    create_project(tmp_path / "churn", template="schedule")
    application = Application(tmp_path / "churn")
    job = application.run(parameters={"customers": 200, "budget": "1s"})
    assert job.state == "succeeded", job.error
    assert {"predictions.parquet", "report.html"} <= set(job.output("predict").files)
    assert job.output("predict").value["customers"] > 0
    same = application.run(parameters={"customers": 200, "budget": "1s"})
    assert set(states(same).values()) == {"cached"}
    other = application.run(parameters={"customers": 200, "budget": "1s", "day": "2025-01-02"})
    assert states(other)["refresh"] == "ran"
