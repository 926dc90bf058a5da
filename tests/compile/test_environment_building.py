"""An environment is built once, whole or not at all, and says why when it cannot be."""

import os
import subprocess
import sys
import threading

import pytest
from wheels import make_wheel

from weft.compile.environment import (
    build_environment,
    environment_key,
    environment_python,
    find_lock,
    lock_project,
)
from weft.core import UserError
from weft.flow import Cancelled


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels, the only place that pip looks in."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def project(tmp_path, index):
    folder = tmp_path / "project"
    folder.mkdir()
    one = make_wheel(index, "tinyone", "1.0", "tinytwo>=1", command="say-one")
    two = make_wheel(index, "tinytwo", "1.2")
    make_wheel(index, "tinytwo", "9.0", "nowhere")
    (folder / "requirements.lock").write_text(
        f"tinyone==1.0 --hash=sha256:{one}\ntinytwo==1.2 --hash=sha256:{two}\n"
    )
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def said(python, code):
    return subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_tasks_run_with_the_python_of_weft_when_there_is_no_lock(tmp_path, cache):
    assert str(environment_python(tmp_path, cache=cache)) == sys.executable
    assert not cache.exists()


def test_an_environment_has_what_the_lock_says_and_nothing_of_this_python(project, cache):
    told = []
    python = environment_python(project, cache=cache, on_line=told.append)
    assert said(python, "import tinyone, tinytwo; print(tinyone.VERSION, tinytwo.VERSION)") == "1.0 1.2"
    found = said(python, "import importlib.util as u; print(u.find_spec('pytest'), u.find_spec('numpy'))")
    assert found == "None None"
    # The lock has not what Weft needs, which an import says.
    tried = "try:\n    import weft\nexcept ImportError as error:\n    print(error)"
    assert said(python, tried).startswith("requirements.lock does not name weft: add it")
    assert any("Successfully installed" in line for line in told)


def test_an_installed_command_runs_from_the_environment(project, cache):
    python = environment_python(project, cache=cache)
    out = subprocess.run([python.parent / "say-one"], capture_output=True, text=True, check=True)
    assert out.stdout == "tinyone 1.0\n"


def test_the_same_lock_is_built_once_wherever_it_lies(project, cache, tmp_path, monkeypatch):
    first = build_environment(find_lock(project), cache=cache)
    copy = tmp_path / "copy"
    copy.mkdir()
    text = (project / "requirements.lock").read_text()
    (copy / "requirements.lock").write_text("# the same\n" + "\n".join(reversed(text.splitlines())))
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    again = build_environment(find_lock(copy), cache=cache)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.python == first.python and again.key == first.key


def test_another_lock_python_or_platform_is_another_environment(project, monkeypatch):
    lock = find_lock(project)
    keys = {environment_key(lock)}
    module = "weft.compile.environment.building.describe_machine"
    for machine in ({"python": "3.99.0"}, {"platform": "mars-x86_64"}):
        monkeypatch.setattr(module, lambda machine=machine: machine)
        keys.add(environment_key(lock))
    (project / "requirements.lock").write_text("tinytwo==1.2\n")
    keys.add(environment_key(find_lock(project)))
    assert len(keys) == 4


def test_of_several_at_once_one_builds_and_the_others_wait(project, cache):
    lock, found = find_lock(project), []
    threads = [
        threading.Thread(target=lambda: found.append(build_environment(lock, cache=cache))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(e.is_new for e in found) == [False, False, False, True]
    assert len({e.python for e in found}) == 1
    assert sum(p.is_dir() and not p.is_symlink() for p in cache.iterdir()) == 1


@pytest.mark.parametrize("where", ["_publish", "pip_command"])
def test_a_builder_that_is_killed_leaves_nothing_that_looks_whole(project, cache, where):
    code = (
        "import os, signal, sys\n"
        "from weft.compile.environment import building, find_lock\n"
        f"building.{where} = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "building.build_environment(find_lock(sys.argv[1]), cache=sys.argv[2])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, project, cache], check=False)
    assert killed.returncode == -9
    lock = find_lock(project)
    assert not (cache / environment_key(lock)).exists()
    built = build_environment(lock, cache=cache)
    assert built.is_new and said(built.python, "import tinyone; print(tinyone.VERSION)") == "1.0"
    assert len(list(cache.iterdir())) == 2  # the environment and the link to it


def test_an_environment_whose_python_is_gone_is_built_again(project, cache):
    lock = find_lock(project)
    first = build_environment(lock, cache=cache)
    first.python.unlink()
    again = build_environment(lock, cache=cache)
    assert again.is_new and said(again.python, "import tinyone; print(tinyone.VERSION)") == "1.0"
    assert len(list(cache.iterdir())) == 2


def test_a_failure_shows_the_last_lines_and_keeps_nothing(project, cache):
    (project / "requirements.lock").write_text("tinyone==7.7\n")
    with pytest.raises(UserError) as caught:
        environment_python(project, cache=cache)
    assert caught.value.code == "APP055"
    assert "No matching distribution found for tinyone==7.7" in caught.value.message
    assert list(cache.iterdir()) == []


def test_content_with_another_checksum_is_not_installed(project, cache):
    (project / "requirements.lock").write_text(f"tinytwo==1.2 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(UserError, match=r"(?s)APP055.*HASHES"):
        environment_python(project, cache=cache)


def test_a_lock_that_lacks_what_a_package_needs_is_refused(project, cache):
    (project / "requirements.lock").write_text("tinyone==1.0\n")
    with pytest.raises(UserError, match=r"(?s)APP054.*tinyone 1.0 requires tinytwo"):
        environment_python(project, cache=cache)
    assert list(cache.iterdir()) == []


def test_no_password_reaches_errors_lines_or_the_cache(project, cache, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://ann:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("TOKEN", "s3cr3t-t0ken")
    (project / "requirements.lock").write_text(
        "--index-url http://bob:${TOKEN}@127.0.0.1:9/${TOKEN}/simple\ntinyone==7.7\n"
    )
    told = []
    with pytest.raises(UserError, match="APP055") as caught:
        environment_python(project, cache=cache, on_line=told.append)
    shown = "\n".join([str(caught.value), repr(caught.value.args), *told])
    shown += "".join(p.read_text(errors="replace") for p in cache.rglob("*") if p.is_file())
    assert "127.0.0.1" in shown
    assert "hunter2" not in shown and "s3cr3t-t0ken" not in shown


def test_cancelling_stops_the_installer(project, cache):
    cancelled = threading.Event()

    def stop(_: str) -> None:
        cancelled.set()

    with pytest.raises(Cancelled):
        build_environment(find_lock(project), cache=cache, on_line=stop, cancelled=cancelled)
    assert list(cache.iterdir()) == []


def test_locking_picks_versions_that_fit_and_writes_their_checksums(project, cache, index):
    make_wheel(index, "tinytwo", "1.5")
    (project / "requirements.txt").write_text("tinyone\ntinytwo<9\n")
    path = lock_project(project)
    assert path.name == "requirements.lock"
    lock = find_lock(project)
    assert [line.split(" ")[0] for line in lock.lines] == ["tinyone==1.0", "tinytwo==1.5"]
    assert all("--hash=sha256:" in line for line in lock.lines)
    python = environment_python(project, cache=cache)
    assert said(python, "import tinytwo; print(tinytwo.VERSION)") == "1.5"
    before = path.read_bytes()
    lock_project(project)
    assert path.read_bytes() == before


def test_locking_reads_pyproject_when_there_are_no_requirements(project):
    (project / "requirements.lock").unlink()
    (project / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["tinytwo<2"]\n')
    lock_project(project)
    assert find_lock(project).lines[0].startswith("tinytwo==1.2 ")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("requirements.txt", "nothing-like-it\n", "No matching distribution found for nothing-like-it"),
        ("pyproject.toml", "[tool]\n", "nowhere"),
        ("pyproject.toml", '[project]\ndependencies = ["--pre"]\n', "nowhere"),
        ("other.txt", "", "nowhere"),
    ],
)
def test_what_cannot_be_locked_is_refused_and_leaves_the_old_lock(project, name, text, words):
    before = (project / "requirements.lock").read_text()
    (project / name).write_text(text)
    with pytest.raises(UserError, match="APP057") as caught:
        lock_project(project)
    assert words in str(caught.value)
    assert (project / "requirements.lock").read_text() == before
