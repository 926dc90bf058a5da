"""A flow written in Python, run as a job, with the store, logs and names of any job."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from weft.core import WeftError
from weft.project import ProjectFolder
from weft.project.application import task_output, wait_for_job

MODULE = """
import os
from pathlib import Path

import numpy as np
import pandas as pd

import weft


@weft.task(memory="500MB")
def prepare(rows: int = 10):
    print("preparing", rows)
    return {"frame": pd.DataFrame({"x": range(rows)}), "project": os.environ["WEFT_PROJECT"]}


@weft.task
def train(data, rate: float = 0.1):
    folder = Path("kept")
    folder.mkdir(exist_ok=True)
    (folder / "weights.txt").write_text(str(rate))
    return {"sum": int(data["frame"]["x"].sum()), "rate": rate, "weights": np.arange(3), "folder": folder}


@weft.task
def fail(data):
    print("about to fail")
    raise ValueError("no such luck")


def learn():
    with weft.Flow("learn") as flow:
        train(prepare(rows=5))
    return flow


def broken():
    with weft.Flow("broken") as flow:
        fail(prepare(rows=5))
    return flow
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A project with one module, imported here as its author would."""
    (tmp_path / "steps.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("steps", None)
    import steps

    yield steps
    del sys.modules["steps"]


def test_a_flow_runs_as_a_job_and_its_results_come_back(module, tmp_path):
    import weft

    # No call says the rate, so it is the function's default that is overruled.
    job = weft.Session(tmp_path).run(module.learn(), parameters={"rate": 0.5})
    ended = job.wait(120)
    assert (ended.run, ended.state) == (job.run, "succeeded"), job.logs()
    result = job.result("train")
    assert (result["sum"], result["rate"]) == (10, 0.5)
    assert result["weights"].tolist() == [0, 1, 2]
    assert (result["folder"] / "weights.txt").read_text() == "0.5"
    prepared = job.result("prepare")
    assert list(prepared["frame"]["x"]) == [0, 1, 2, 3, 4] and prepared["project"] == str(tmp_path)
    assert "preparing 5" in job.logs("prepare")["prepare"]


def test_the_second_job_takes_what_has_not_changed(module, tmp_path):
    import weft

    session = weft.Session(tmp_path)
    session.run(module.learn())
    again = session.run(module.learn(), parameters={"train.rate": 0.2}).status()
    assert {n.name: n.state for n in again.nodes} == {"prepare": "cached", "train": "ran"}
    assert "rate" in again.node("train").why
    repeated = session.run(module.learn(), repeat=["prepare"]).status()
    assert repeated.node("prepare").state == "ran"


def test_a_task_that_fails_ends_the_job_and_is_told_with_its_log(module, tmp_path):
    import weft

    job = weft.Session(tmp_path).run(module.broken())
    assert job.wait(120).state == "failed"
    with pytest.raises(WeftError, match="no such luck"):
        job.result("fail")
    assert "about to fail" in job.logs("fail")["fail"]


def test_a_script_is_its_own_module_and_its_job_outlives_it(tmp_path):
    script = tmp_path / "script.py"
    body = MODULE.partition("def learn")[0] + textwrap.dedent(
        """
        if __name__ == "__main__":
            with weft.Flow("learn") as flow:
                train(prepare(rows=4))
            job = weft.Session(Path(__file__).parent).submit(flow)
            print(job.result("train")["sum"] if "wait" in sys.argv else job.run)
        """
    )
    script.write_text(f"import sys\n{body}")
    told = {}
    for word in ("leave", "wait"):
        command = [sys.executable, str(script), word]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path("/"), timeout=120)
        assert done.returncode == 0, done.stderr
        told[word] = done.stdout.splitlines()[-1]
    assert told["wait"] == "6"
    # The job of the process that left at once was carried out all the same.
    left = wait_for_job(ProjectFolder(tmp_path), told["leave"], timeout_s=60)
    assert left.state == "succeeded"
    assert task_output(ProjectFolder(tmp_path), left, "train").value["value"]["sum"] == 6


def test_a_task_without_a_result_is_told_of(module, tmp_path, monkeypatch):
    import weft
    from weft.project.application import submission

    monkeypatch.setattr(submission, "ensure_controller", lambda folder: None)
    job = weft.Session(tmp_path).submit(module.learn())
    assert job.wait(0).state == "queued"
    assert job.stop().state == "cancelled"
    with pytest.raises(WeftError, match=r"APP071.*which is cancelled"):
        job.result("train")
