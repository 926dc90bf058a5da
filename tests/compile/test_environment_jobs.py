"""Jobs whose tasks import what the project's lock says, wherever the artifact goes."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from wheels import make_wheel

import weft
from weft.compile.environment import default_cache
from weft.project import ProjectFolder
from weft.project.application import Application
from weft.project.artifacts import pull_artifact, upload_artifact

HELLO = """
import json, os, pathlib, sys
import tinyone
where = pathlib.Path(os.environ["WEFT_OUTPUT"]) / "result.json"
where.write_text(json.dumps({"version": tinyone.VERSION, "prefix": sys.prefix}))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    index, folder = tmp_path / "index", tmp_path / "hello"
    index.mkdir()
    folder.mkdir()
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_wheel(index, "tinyone", "1.0")
    make_wheel(index, "tinyone", "2.0")
    tasks = {"hello": {"program": "python", "parameters": {"file": "src/hello.py"}}}
    (folder / "mlapplication.json").write_text(json.dumps({"tasks": tasks}))
    (folder / "src").mkdir()
    (folder / "src" / "hello.py").write_text(HELLO)
    (folder / "requirements.txt").write_text("tinyone<2\n")
    return folder


@pytest.mark.parametrize("lock", ["requirements.lock", "deps/chosen.lock"])
def test_a_job_runs_in_the_environment_of_the_lock_that_a_build_chose(project, lock):
    (project / "artifact.json").write_text(json.dumps({"include": ["src/**"], "lock": lock}))
    (project / "deps").mkdir()
    built = Application(project).build()
    assert built.lock == lock and lock in built.files
    job = Application(project).run()
    assert job.state == "succeeded", job.error
    found = job.outputs["hello"].value
    assert found["version"] == "1.0" and found["prefix"].startswith(str(default_cache()))


def test_an_artifact_from_elsewhere_has_the_same_digest_and_runs_in_the_same_environment(project, tmp_path):
    job = Application(project).run()
    sent = upload_artifact(ProjectFolder(project), to=str(tmp_path / "shared")).plain
    pulled = pull_artifact(
        ProjectFolder(tmp_path / "nobody"), "hello", place=str(tmp_path / "shared"), folder=tmp_path / "copy"
    ).plain
    assert pulled["digest"] == sent["digest"] == Application(tmp_path / "copy").build().digest
    again = Application(tmp_path / "copy").run()
    assert again.outputs["hello"].value == job.outputs["hello"].value
    assert len([p for p in default_cache().iterdir() if not p.is_symlink()]) == 1


IMPORTING = """
import json, os, pathlib
import tinyone, weft
where = pathlib.Path(os.environ["WEFT_OUTPUT"]) / "result.json"
where.write_text(json.dumps({"version": weft.__version__, "tinyone": tinyone.VERSION}))
"""


def test_a_task_imports_the_weft_that_runs_where_the_lock_has_what_it_needs(project, tmp_path):
    (project / "src" / "hello.py").write_text(IMPORTING)
    failed = Application(project).run()
    assert (failed.state, failed.error.code) == ("failed", "APP020")
    assert "requirements.lock does not name weft" in failed.error.message
    assert "duckdb>=" in failed.error.message and "weft project build --lock" in failed.error.message
    needed = [Requirement(text) for text in requires("weft") if "extra" not in text]
    for need in needed:
        lowest = next(s.version for s in need.specifier if s.operator == ">=")
        make_wheel(tmp_path / "index", need.name.replace("-", "_"), lowest)
    (project / "requirements.txt").write_text("\n".join(["tinyone<2", *map(str, needed)]))
    job = Application(project).run()
    assert job.state == "succeeded", job.error
    assert job.outputs["hello"].value == {"version": weft.__version__, "tinyone": "1.0"}
    # Nothing else of this Python is seen.
    (project / "src" / "hello.py").write_text("import tinyone, weft, pytest")
    assert "No module named 'pytest'" in Application(project).run().error.message


def test_a_lock_that_names_weft_has_its_own(project, tmp_path):
    make_wheel(tmp_path / "index", "weft", "9.9")
    (project / "src" / "hello.py").write_text(IMPORTING.replace("weft.__version__", "weft.VERSION"))
    (project / "requirements.txt").write_text("tinyone<2\nweft\n")
    job = Application(project).run()
    assert job.state == "succeeded", job.error
    assert job.outputs["hello"].value["version"] == "9.9"


def test_a_task_whose_environment_cannot_be_built_says_why(project):
    (project / "requirements.txt").unlink()
    (project / "requirements.lock").write_text("tinyone==9.9\n")
    job = Application(project).run()
    assert job.state == "failed"
    assert job.error.code == "APP055" and "tinyone==9.9" in str(job.error)


def test_no_secret_reaches_artifact_store_log_or_error(project, tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2-value")
    application = json.loads((project / "mlapplication.json").read_text())
    application["tasks"]["hello"]["secrets"] = {"DB": "env:DB_PASSWORD"}
    (project / "mlapplication.json").write_text(json.dumps(application))
    (project / "src" / "hello.py").write_text("import os, sys; print(os.environ['DB']); sys.exit(3)\n")
    made = Application(project)
    job = made.run()
    assert job.state == "failed" and "hunter2" not in str(job.error) + "".join(made.logs().values())
    upload_artifact(made.project, to=str(tmp_path / "shared"))
    kept = [p for top in (project, tmp_path / "shared") for p in top.rglob("*") if p.is_file()]
    assert len(kept) > 10 and all(b"hunter2-value" not in p.read_bytes() for p in kept)


@pytest.fixture
def mute_index(monkeypatch):
    """The address of an index that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", address)
        monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "300")
        server.settimeout(60)
        yield address, server


def installers(address):
    """Processes of pip that were told of an index."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words, state = (place / "cmdline").read_bytes(), (place / "stat").read_text()
            is_told = address.encode() in (place / "environ").read_bytes()
            if is_told and b"pip" in words.split(b"\0") and state.rpartition(")")[2].split()[0] != "Z":
                found.append(place.name)
    return found


def wait_until_gone(address):
    deadline = time.monotonic() + 30
    while installers(address):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_time_limit_ends_the_building_of_an_environment(project, mute_index):
    (project / "requirements.lock").write_text("tinyone==1.0\n")
    (project / "artifact.json").write_text(json.dumps({"include": ["src/**"], "lock": "requirements.lock"}))
    (project / "deployment.json").write_text(json.dumps({"defaults": {"timeout": "8s"}}))
    job = Application(project).run()
    assert (job.state, job.error.code) == ("failed", "FLOW008")
    assert not installers(mute_index[0])


def test_an_installer_ends_with_whoever_builds(project, mute_index):
    (project / "requirements.lock").write_text("tinyone==1.0\n")
    code = (
        "import sys; from weft.compile.environment import environment_python; environment_python(sys.argv[1])"
    )
    with (
        subprocess.Popen([sys.executable, "-c", code, str(project)]) as builder,
        mute_index[1].accept()[0],
    ):
        assert installers(mute_index[0])
        builder.kill()
    wait_until_gone(mute_index[0])
