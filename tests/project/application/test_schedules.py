"""Schedules and limits of a project, as commands and as the jobs that come of them."""

import json
import os
import signal
import time

import pytest
from test_jobs import one, states, write
from test_submitted_jobs import Place, controller, until, weft

from weft.core import UserError
from weft.project import ProjectFolder, publish_dataset
from weft.project.application import (
    Application,
    What,
    When,
    add_schedule,
    change_schedule,
    find_job,
    job_logs,
    limits_view,
    parse_uses,
    schedule_view,
    schedules_view,
    serve_jobs,
    set_limit,
    stop_job,
)
from weft.project.application import scheduling as scheduling_module
from weft.project.application import submission as submission_module
from weft.project.application.durable import open_engine
from weft.project.application.watching import data_digest


@pytest.fixture
def alone(monkeypatch):
    """No controller is started by itself."""
    for module in (scheduling_module, submission_module):
        monkeypatch.setattr(module, "ensure_controller", lambda folder: None)


@pytest.fixture
def folder(tmp_path):
    made = one("echo it is $WEFT_PARAMETER_DAY")
    made["tasks"]["only"]["parameters"]["day"] = "never"
    made = write(tmp_path / "p", made)
    yield made
    if (process := controller(made)) is not None:
        os.kill(process, signal.SIGKILL)


def at_second(folder, name):
    """Let a schedule be due each second."""
    with open_engine(ProjectFolder(folder)) as engine:
        schedule, _ = engine.schedules()[name]
        engine.schedule(type(schedule)(**{**schedule.__dict__, "cron": "* * * * * *"}))


def test_a_schedule_submits_jobs_that_are_like_any_other(folder, alone):
    project = ProjectFolder(folder)
    what = What(parameters={"only.day": "{date}"}, backend="inline")
    told = add_schedule(project, "nightly", When("0 3 * * *", zone="Europe/Zurich"), what)
    assert told.plain["when"] == "0 3 * * * Europe/Zurich"
    assert "No controller is there to heed them" in schedules_view(project).text
    at_second(folder, "nightly")
    with open_engine(project) as engine:
        engine._clock.tick(engine.schedules()["nightly"][1] + 1)
        engine.pause_schedule("nightly")
    serve_jobs(project, until_idle=True)
    job = find_job(project)
    assert job.run.startswith("nightly-20") and job.state == "succeeded"
    day = time.strftime("%Y-%m-", time.gmtime())
    assert job_logs(project)["only"].startswith(f"it is {day}")
    assert job.parameters["only"]["day"]["value"].startswith(day)
    (shown,) = schedule_view(project, "nightly").plain["firings"]
    assert (shown["outcome"], shown["run"]) == ("started", job.run)
    assert schedules_view(project).plain["schedules"][0]["last"] == f"started: {job.run}"
    # It can be done again as any job can.
    again = Application(project).rerun(job.run)
    serve_jobs(project, until_idle=True)
    assert states(find_job(project, again.run)) == {"only": "cached"}
    assert find_job(project, job.run).run == job.run


def test_a_schedule_uses_the_files_as_they_are_when_it_is_due_and_tells_what_is_wrong(folder, alone):
    project = ProjectFolder(folder)
    add_schedule(project, "nightly", When("0 3 * * *"), What(backend="inline"))
    (folder / "mlapplication.json").write_text("{")
    with open_engine(project) as engine:
        engine._clock.tick(engine.schedules()["nightly"][1] + 1)
    told = schedules_view(project).plain["schedules"][0]["last"]
    assert told.startswith("failed: APP002: mlapplication.json, line 1")


def test_what_a_job_would_be_refused_for_is_refused_when_a_schedule_is_added(folder, alone):
    project, daily = ProjectFolder(folder), When("0 3 * * *")
    for when, what, words in (
        (When(), What(), "FLOW086.*it needs a time or data"),
        (When("0 3 * * *", data="."), What(), "FLOW086.*it needs a time or data"),
        (When("three"), What(), "FLOW086.*is not its time"),
        (When("0 3 * * *", missed="some"), What(), "FLOW086.*'some'"),
        (daily, What(flow="gone"), "APP010"),
        (daily, What(backend="cloud"), "FLOW093"),
        (When(data="nowhere"), What(), "APP068"),
    ):
        with pytest.raises(UserError, match=words):
            add_schedule(project, "s", when, what)
    assert schedules_view(project).plain["schedules"] == []
    for ask in (schedule_view, lambda p, n: change_schedule(p, n, "pause")):
        with pytest.raises(UserError, match="FLOW086"):
            ask(project, "s")


def test_data_that_change_are_told_by_names_sizes_and_times(folder, s3):
    import s3fs

    project, data = ProjectFolder(folder), folder / "shop"
    data.mkdir()
    (data / "users.csv").write_text("id\n1\n")
    first = data_digest(project, "shop")
    (data / ".lock").write_text("x")
    assert data_digest(project, "shop") == first
    (data / "users.csv").write_text("id\n2\n")
    os.utime(data / "users.csv", (1, 1))
    assert data_digest(project, "shop") != first
    publish_dataset("shop", data, project=project)
    published = data_digest(project, "dataset:shop")
    (data / "users.csv").write_text("id\n3\n4\n")
    publish_dataset("shop", data, project=project)
    assert data_digest(project, "dataset:shop") != published
    with pytest.raises(UserError, match="APP068"):
        data_digest(project, "s3://shop/rows")
    s3fs.S3FileSystem().pipe_file("shop/rows/a.csv", b"1")
    one_file = data_digest(project, "s3://shop/rows")
    s3fs.S3FileSystem().pipe_file("shop/rows/a.csv", b"2")
    assert data_digest(project, "s3://shop/rows") != one_file


@pytest.mark.slow
def test_commands_keep_a_schedule_and_a_controller_that_heeds_it(folder):
    (folder / "data").mkdir()
    (folder / "data" / "a").write_text("1")
    options = ["--when-changed", "data", "--every", "1s", "--backend", "inline", "-p", "only.day={date}"]
    weft(folder, "schedule", "add", "fresh", *options)
    until(lambda: controller(folder) is not None)
    assert json.loads(weft(folder, "schedule", "list", "--json"))["is_served"]
    (folder / "data" / "b").write_text("2")
    until(lambda: schedule_view(ProjectFolder(folder), "fresh").plain["firings"])
    until(lambda: ProjectFolder(folder).hub.list_runs())
    until(lambda: find_job(ProjectFolder(folder)).state == "succeeded")
    assert find_job(ProjectFolder(folder)).run == "fresh-1"
    assert "paused" in weft(folder, "schedule", "pause", "fresh")
    # Nothing is to be heeded any more, so nobody stays.
    until(lambda: controller(folder) is None)
    assert "fresh" in weft(folder, "schedule", "show", "fresh")
    assert "goes on" in weft(folder, "schedule", "resume", "fresh")
    until(lambda: controller(folder) is not None)
    weft(folder, "schedule", "remove", "fresh")
    assert json.loads(weft(folder, "schedule", "list", "--json"))["schedules"] == []
    until(lambda: controller(folder) is None)


def test_limits_let_jobs_wait_and_say_for_what(tmp_path, alone):
    place = Place(tmp_path)
    project = place.open()
    assert weft(place.folder, "limits").startswith("There are no limits")
    weft(place.folder, "limits", "set", "licence", "2")
    weft(place.folder, "limits", "set", "jobs", "5")
    first = Application(project).submit(backend="inline", uses={"licence": 2})
    second = Application(project).submit(backend="inline", uses={"licence": 1}, priority=7, workers=3)
    assert (first.state, second.state) == ("queued", "waiting")
    shown = {f["name"]: (f["most"], f["in_use"]) for f in limits_view(project).plain["limits"]}
    assert shown == {"jobs": (5, 1), "licence": (2, 2)}
    with pytest.raises(UserError, match="FLOW087"):
        Application(project).submit(backend="inline", uses={"licence": 3})
    set_limit(project, "licence", None)
    assert find_job(project, second.run).state == "queued"
    for name, most in (("licence", None), ("jobs", -1)):
        with pytest.raises(UserError, match="FLOW087"):
            set_limit(project, name, most)
    with pytest.raises(UserError, match="FLOW087"):
        parse_uses(["licence"])
    assert parse_uses(["licence=2", "gpu=1"]) == {"licence": 2, "gpu": 1}
    with open_engine(project) as engine:
        options = engine.status(second.run).options
    assert (options.priority, options.workers) == (7, 3)
    for job in (first, second):
        stop_job(project, job.run)
