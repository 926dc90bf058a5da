"""Workspaces as a person uses them: start, list, a cell, stop; on the process backend."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from weft.core import Resources, UnavailableError, UserError
from weft.flow.backends import AttemptState
from weft.project import ProjectFolder, open_workspaces

pytest.importorskip("jupyter_server", reason="needs the extra jupyter")
SMALL = Resources(3 * 10**9, 1)


def weft(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "weft", "workspace", *arguments, "--project", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def kernels(url: str, token: str) -> list[dict[str, str]]:
    """Ask the server for its kernels."""
    request = urllib.request.Request(f"{url}api/kernels", headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


@pytest.fixture
def project(tmp_path):
    """An empty project, all of whose workspaces are stopped in the end."""
    made = ProjectFolder(tmp_path / "project")
    made.folder.mkdir()
    yield made
    for workspace in open_workspaces(made).list():
        open_workspaces(made).stop(workspace.name)


def test_from_the_command_line_it_outlives_its_command_and_is_stopped_by_another(project):
    started = weft(project.folder, "start", "notes", "--memory", "3GB", "--idle", "10m", "--json")
    assert started.returncode == 0, started.stderr
    told = json.loads(started.stdout)
    assert (told["state"], told["memory_bytes"], told["idle_s"]) == ("running", 3 * 10**9, 600.0)
    token = told["link"].rpartition("token=")[2]
    assert kernels(told["url"], token) == []
    # Started again it is the same one.
    again = json.loads(weft(project.folder, "start", "notes", "--json").stdout)
    assert again["link"] == told["link"]
    listed = weft(project.folder, "list")
    assert "notes  running  3 GB, 1 cores" in listed.stdout and told["link"] in listed.stdout
    stopped = weft(project.folder, "stop", "notes")
    assert stopped.returncode == 0 and "notes  stopped" in stopped.stdout
    with pytest.raises(OSError):
        kernels(told["url"], token)
    log = weft(project.folder, "logs", "notes").stdout
    assert "Jupyter Server" in log and token not in log
    assert weft(project.folder, "stop", "notes", "--remove").returncode == 0
    assert weft(project.folder, "list").stdout == "No workspace was started here.\n"


def test_two_side_by_side_and_one_that_waits_for_room(project):
    from weft.flow.backends.process import ProcessBackend
    from weft.project.workspaces import Workspaces

    room = ProcessBackend(project.folder / ".weft" / "process", Resources(7 * 10**9, 2))
    workspaces = Workspaces(project, room)
    one = workspaces.start("one", resources=SMALL)
    two = workspaces.start("two", resources=SMALL)
    assert one.url != two.url and [w.name for w in workspaces.list()] == ["one", "two"]

    class Waits(Exception):
        """Enough seen."""

    def look(now):
        assert now.state is AttemptState.PENDING
        raise Waits

    with pytest.raises(Waits):
        workspaces.start("three", resources=SMALL, wait=look)
    workspaces.stop("one")
    assert workspaces.start("three", resources=SMALL).link is not None
    assert workspaces.get("one").state is AttemptState.STOPPED


def test_a_stopped_one_starts_again_as_a_new_try(project):
    workspaces = open_workspaces(project)
    first = workspaces.start("again", resources=SMALL)
    workspaces.stop("again")
    second = workspaces.start("again", resources=SMALL)
    assert second.token != first.token and second.is_live


def test_idle_it_ends_and_says_so(project):
    workspaces = open_workspaces(project)
    workspaces.start("short", resources=SMALL, idle_s=1)
    for _ in range(300):
        if not (now := workspaces.get("short")).is_live:
            break
        time.sleep(0.1)
    assert now.state is AttemptState.SUCCEEDED and now.link is None


def test_one_that_does_not_come_up_shows_the_end_of_its_log_APP063(project, monkeypatch, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.py").write_text("raise SystemExit('no such luck')")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    with pytest.raises(UnavailableError, match="no such luck") as caught:
        open_workspaces(project).start("bad", resources=SMALL)
    assert caught.value.code == "APP063"


@pytest.mark.parametrize("name", ["", "a b", "../up", "x" * 41, "-a"])
def test_names_that_cannot_be_APP062(project, name):
    with pytest.raises(UserError) as caught:
        open_workspaces(project).start(name)
    assert caught.value.code == "APP062"


def test_a_limit_that_cannot_be_APP062(project):
    with pytest.raises(UserError, match="idle limit") as caught:
        open_workspaces(project).start("a", idle_s=-1)
    assert caught.value.code == "APP062"


def test_one_that_is_not_there_APP064(project):
    ended = weft(project.folder, "stop", "nobody")
    assert ended.returncode == 1 and "APP064" in ended.stderr and "choose from: none" in ended.stderr
