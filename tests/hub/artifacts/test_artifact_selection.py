"""What belongs to an artifact, and what is refused before anything is packed."""

import os

import pytest

from weft.core import UserError
from weft.hub.artifacts import select_files


@pytest.fixture
def make(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()

    def write(*names, text="x"):
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder

    return write


def chosen(folder, **options):
    return [f.name for f in select_files(folder, **options)]


def refusal(folder, **options):
    with pytest.raises(UserError) as caught:
        select_files(folder, **options)
    return caught.value


def test_what_tools_leave_behind_does_not_belong(make):
    folder = make(
        "a.py", "pkg/b.py", ".git/config", ".weft/weft.db", "pkg/__pycache__/b.pyc", ".venv/bin/python",
        "node_modules/x/y.js", "old-latest.weft", "pkg/.DS_Store", "x.egg-info/PKG",
    )  # fmt: skip
    assert chosen(folder) == ["a.py", "pkg/b.py"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ([], ["*.csv"], ["a.py", "pkg/b.py", "pkg/deep/c.py"]),
        ([], ["pkg"], ["a.py", "d.csv"]),
        ([], ["pkg/"], ["a.py", "d.csv"]),
        ([], ["pkg/deep"], ["a.py", "d.csv", "pkg/b.py"]),
        ([], ["pkg/*.py"], ["a.py", "d.csv", "pkg/deep/c.py"]),
        ([], ["**/c.py"], ["a.py", "d.csv", "pkg/b.py"]),
        (["*.py"], [], ["a.py", "pkg/b.py", "pkg/deep/c.py"]),
        (["pkg"], ["c.?y"], ["pkg/b.py"]),
        (["./a.py", "pkg/deep/**"], [], ["a.py", "pkg/deep/c.py"]),
        (["d.csv"], ["*.csv"], ["d.csv"]),
    ],
)
def test_patterns_choose(make, include, exclude, expected):
    folder = make("a.py", "d.csv", "pkg/b.py", "pkg/deep/c.py")
    assert chosen(folder, include=include, exclude=exclude) == expected


@pytest.mark.parametrize(
    "name", [".env", "conf/.env.prod", "id_rsa", "server.PEM", "credentials.json", ".netrc", "secrets.yaml"]
)
def test_a_file_that_looks_like_a_secret_is_refused_and_its_content_not_shown(make, name):
    folder = make("a.py")
    make(name, text="hunter2")
    error = refusal(folder)
    assert error.code == "APP040" and name in str(error) and "hunter2" not in str(error)
    assert chosen(folder, exclude=[name.split("/")[-1]]) == ["a.py"]
    assert name in chosen(folder, include=[name, "*.py"])


def test_a_private_key_is_refused_under_any_name(make):
    folder = make("notes.txt", text="-----BEGIN OPENSSH " + "PRIVATE KEY-----\nabc")
    assert refusal(folder).code == "APP040"


def test_an_example_of_a_secrets_file_belongs(make):
    assert chosen(make(".env.example")) == [".env.example"]


def test_a_link_within_the_folder_is_packed_as_what_it_points_to(make):
    folder = make("a/real.py")
    (folder / "link.py").symlink_to("a/real.py")
    (folder / "b").symlink_to("a")
    assert chosen(folder) == ["a/real.py", "b/real.py", "link.py"]


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside", "nowhere", "..", ".", "loop"])
def test_a_link_that_leaves_the_folder_leads_nowhere_or_in_a_circle_is_refused(make, target):
    folder = make("a.py")
    (folder.parent / "outside").write_text("not yours")
    (folder / "loop").symlink_to(target)
    error = refusal(folder)
    assert error.code == "APP041" and "'loop'" in str(error)
    assert chosen(folder, exclude=["loop"]) == ["a.py"]


def test_a_link_to_a_secret_within_the_folder_is_refused(make):
    folder = make("a.py", ".env")
    (folder / "innocent.txt").symlink_to(".env")
    assert refusal(folder, exclude=[".env"]).code == "APP040"


def test_a_pipe_is_refused(make):
    folder = make("a.py")
    os.mkfifo(folder / "pipe")
    assert refusal(folder).code == "APP042"


def test_a_name_that_is_no_text_is_refused(make):
    folder = make("a.py")
    (folder / os.fsdecode(b"\xff.py")).touch()
    assert refusal(folder).code == "APP042"


@pytest.mark.parametrize("names", [("a.py", "A.py"), ("dir/x", "DIR/y"), ("stra\u00dfe", "STRASSE")])
def test_names_that_differ_only_by_case_are_refused(make, names):
    assert refusal(make(*names)).code == "APP043"


def test_a_folder_without_files_and_a_missing_one_are_refused(make):
    folder = make("a.py")
    assert refusal(folder, exclude=["*"]).code == "APP059"
    assert refusal(folder / "missing").code == "APP059"
