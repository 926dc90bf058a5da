"""A project whose results lie in S3, and workers that do not share its folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_jobs import one, states, write

from weft.core import UserError
from weft.project import ProjectFolder, dataset
from weft.project.application import Application, find_job, job_logs, serve_jobs, wait_for_job

SOURCE = str(Path(__file__).parents[3] / "src")
TWO = {
    "tasks": {
        "first": {"program": "shell", "parameters": {"command": "echo 7 > $WEFT_OUTPUT/n; env | sort; pwd"}},
        "second": {"program": "shell", "parameters": {"command": "cat $WEFT_INPUT_FIRST/n note.txt"}},
    },
    "flows": {"f": {"first": ["second"]}},
}


def weft(folder, *arguments):
    command = [sys.executable, "-P", "-m", "weft", *arguments, "--project", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_project_with_a_store_in_s3_runs_and_finds_its_results(tmp_path, s3):
    folder = write(tmp_path / "p", TWO)
    (folder / "weft.yaml").write_text("store: s3://shop/weft\n")
    assert '"state": "succeeded"' in weft(folder, "job", "run", "--json")
    assert not (folder / ".weft" / "refs").exists()
    assert states(find_job(ProjectFolder(folder))) == {"first": "ran", "second": "ran"}
    # Another machine with another folder of the same sources finds them as well.
    other = write(tmp_path / "q", TWO)
    (other / "weft.yaml").write_text("store: s3://shop/weft\n")
    assert states(Application(other).run()) == {"first": "cached", "second": "cached"}
    assert "are sound" in weft(other, "store", "verify")


@pytest.mark.slow
def test_pods_that_do_not_see_the_folder_do_a_submitted_job(tmp_path, s3, cluster):
    plain, secret = s3
    cluster.add_secret("store", **secret)
    kubernetes = {
        "image": "weft:test",
        "kubeconfig": str(cluster.kubeconfig),
        "variables": {**plain, "PYTHONPATH": SOURCE, "XDG_CACHE_HOME": str(tmp_path / "elsewhere")},
        "secrets": {name: f"k8s:store/{name}" for name in secret},
        "command": [sys.executable, "-P", "-m", "weft.flow.worker"],
    }
    folder = write(tmp_path / "here", TWO, deployment={"backends": {"kubernetes": kubernetes}})
    (folder / "weft.yaml").write_text("store: ${BUCKET}/weft\n")
    with pytest.raises(UserError, match="DATA112"):
        Application(folder).submit(backend="kubernetes")
    (folder / "weft.yaml").write_text("store: s3://shop/weft\n")
    shown = weft(folder, "job", "submit", "--backend", "kubernetes", "--dry-run")
    assert "s3://shop/weft" in shown
    weft(folder, "job", "submit", "--backend", "kubernetes")
    job = wait_for_job(ProjectFolder(folder), timeout_s=180)
    assert (job.state, states(job)) == ("succeeded", {"first": "ran", "second": "ran"}), job.error
    logs = job_logs(ProjectFolder(folder))
    assert logs["second"] == "7\nsources of the example"
    specification = json.dumps(cluster.list("jobs")) + shown
    for told in (logs["first"], specification):
        assert str(folder) not in told
    assert secret["AWS_SECRET_ACCESS_KEY"] not in specification
    assert "WEFT_PROJECT" not in logs["first"]


def test_a_task_that_does_not_see_the_hub_is_told_how_it_would(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_TASK", "train")
    monkeypatch.delenv("WEFT_PROJECT", raising=False)
    with pytest.raises(UserError, match=r"(?s)APP067: task 'train'.*set database and store"):
        dataset("shop")
    (tmp_path / "weft.yaml").write_text(f"database: {tmp_path}/hub.db\nstore: {tmp_path}/store\n")
    with pytest.raises(UserError, match="HUB003"):
        dataset("shop")
    monkeypatch.setenv("WEFT_PROJECT", str(tmp_path / "other"))
    with pytest.raises(UserError, match="HUB003"):
        dataset("shop")


def test_workers_of_this_machine_are_told_where_the_project_is(tmp_path, s3):
    folder = write(tmp_path / "p", one("echo $WEFT_PROJECT"))
    (folder / "weft.yaml").write_text("store: s3://shop/weft\n")
    Application(folder).submit(backend="process")
    serve_jobs(ProjectFolder(folder), until_idle=True)
    wait_for_job(ProjectFolder(folder), timeout_s=60)
    assert job_logs(ProjectFolder(folder)) == {"only": f"{folder}\n"}


def test_a_password_in_the_address_of_a_store_is_refused_and_not_shown(tmp_path):
    folder = write(tmp_path / "p", one("true"))
    (folder / "weft.yaml").write_text("store: s3://ann:hunter2@shop/weft\n")
    with pytest.raises(UserError, match=r"FLOW021.*s3://\*\*\*@shop/weft") as caught:
        Application(folder).run()
    assert "hunter2" not in str(caught.value)
