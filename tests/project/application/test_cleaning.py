"""Old runs are forgotten with their results and logs; what others need stays."""

import json

from test_jobs import one, write
from test_submitted_jobs import weft

from weft.project import ProjectFolder, collect_garbage
from weft.project.application import Application, find_job, serve_jobs
from weft.project.application import submission as submission_module
from weft.project.application.durable import open_engine


def clean(folder, **options):
    return collect_garbage(ProjectFolder(folder), runs_older_than_s=0, **options)


def test_old_runs_go_with_results_and_logs_and_what_is_needed_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(submission_module, "ensure_controller", lambda folder: None)
    line = "echo $WEFT_PARAMETER_N; echo $WEFT_PARAMETER_N > $WEFT_OUTPUT/n"
    application = one(line, model={"name": "tiny"})
    application["tasks"]["only"]["parameters"]["n"] = 1
    plain = one("echo hello; echo hello > $WEFT_OUTPUT/n; test $WEFT_PARAMETER_N = 1")
    plain["tasks"]["only"]["parameters"]["n"] = 1
    folder = write(tmp_path / "p", application)
    made = Application(folder).run()
    write(folder, plain)
    failed = Application(folder).run(parameters={"n": 2})
    submitted = Application(folder).submit(backend="inline")
    serve_jobs(ProjectFolder(folder), until_idle=True)
    waiting = Application(folder).submit(backend="inline", parameters={"n": 3})
    store = ProjectFolder(folder).store
    assert store.list_ref_names("results") and store.logs(failed.run).exists()

    asked = ["store", "gc", "--json", "--runs-older-than"]
    assert json.loads(weft(folder, *asked, "1h"))["runs"] == []
    told = clean(folder, dry_run=True).plain
    assert told["runs"] == [submitted.run, failed.run]
    assert find_job(ProjectFolder(folder), failed.run).state == "failed"
    assert told["kept_runs"] == {
        waiting.run: "it is queued",
        made.run: "tiny:1 is registered from it",
    }
    assert "2 runs removed" in clean(folder).text
    project = ProjectFolder(folder)
    assert [r.name for r in project.hub.list_runs()] == [waiting.run, made.run]
    assert sorted({name.split("/")[1] for name in project.store.list_ref_names("results")}) == sorted(
        [waiting.run, made.run]
    )
    for run in (failed.run, submitted.run):
        assert not project.store.logs(run).exists()
    with open_engine(project) as engine:
        assert [r.run for r in engine.list()] == [waiting.run]
    assert "are sound" in weft(folder, "store", "verify")
    assert clean(folder).plain["runs"] == []
