"""``weft artifact``: pack, keep, list and pull a project from the command line."""

import json

import pytest

from weft.cli.app import run_command

APPLICATION = {"tasks": {"hello": {"program": "python", "parameters": {"file": "hello.py"}}}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "Churn"
    folder.mkdir()
    (folder / "mlapplication.json").write_text(json.dumps(APPLICATION))
    (folder / "artifact.json").write_text(json.dumps({"exclude": ["*.csv"], "tag": "v1"}))
    (folder / "hello.py").write_text("print('hello')\n")
    (folder / "rows.csv").write_text("1\n")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("WEFT_ARTIFACTS", raising=False)
    return folder


@pytest.fixture
def weft(project, capsys):
    def call(*arguments):
        code = run_command(["artifact", *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def plain(result):
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def test_create_writes_one_file_that_does_not_change(weft, project):
    first = plain(weft("create", "--json"))
    assert first["artifact"] == "churn:v1" and first["path"] == str(project / "churn-v1.weft")
    assert first["files"] == ["artifact.json", "hello.py", "mlapplication.json"]
    data = (project / "churn-v1.weft").read_bytes()
    assert plain(weft("create", "--json")) == first
    assert (project / "churn-v1.weft").read_bytes() == data and len(data) == first["size_bytes"]
    code, out, _ = weft("create", "--tag", "v2", "--output", "other.weft")
    assert code == 0 and f"churn:v2  sha256:{first['digest']}  3 files" in out
    assert (project / "other.weft").read_bytes() == data


@pytest.mark.parametrize("where", ["own", "folder", "variable"])
def test_what_is_uploaded_is_listed_and_pulled(weft, project, tmp_path, monkeypatch, where):
    place = [] if where != "folder" else ["--from", tmp_path / "shared"]
    if where == "variable":
        monkeypatch.setenv("WEFT_ARTIFACTS", str(tmp_path / "shared"))
    sent = plain(weft("upload", "--json", *(["--to", place[1]] if place else [])))
    assert sent["artifact"] == "churn:v1"
    (project / "hello.py").write_text("print('changed')\n")
    again = plain(weft("upload", "--tag", "latest", "--json", *(["--to", place[1]] if place else [])))
    listed = plain(weft("list", "--json", *place))["artifacts"]
    assert [(a["name"], a["tag"], a["digest"]) for a in listed] == [
        ("churn", "latest", again["digest"]),
        ("churn", "v1", sent["digest"]),
    ]
    pulled = plain(
        weft("pull", f"churn@sha256:{sent['digest']}", "--into", tmp_path / "out", "--json", *place)
    )
    assert pulled["digest"] == sent["digest"]
    assert (tmp_path / "out" / "hello.py").read_text() == "print('hello')\n"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sent["files"]
    code, out, _ = weft("list", "churn", *place)
    assert code == 0 and "churn:latest" in out and sent["digest"] in out
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_pulled_project_has_the_same_digest_when_it_is_packed(weft, tmp_path, monkeypatch):
    sent = plain(weft("upload", "--json"))
    plain(weft("pull", "churn:v1", "--into", tmp_path / "deep" / "out", "--json"))
    monkeypatch.chdir(tmp_path / "deep" / "out")
    assert plain(weft("create", "--json"))["digest"] == sent["digest"]


def test_a_build_and_an_artifact_have_one_digest(weft, project, capsys):
    assert run_command(["project", "build", "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert plain(weft("create", "--json"))["digest"] == built["digest"]


def test_an_empty_place_is_said_to_be_empty(weft, tmp_path):
    code, out, _ = weft("list", "--from", tmp_path / "nothing")
    assert code == 0 and out.startswith("There are no artifacts at ")
    assert plain(weft("list", "--json"))["artifacts"] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["create", "--tag", "not a tag"], "APP049"),
        (["create", "--tag", f"sha256-{'a' * 64}"], "APP049"),
        (["pull", "Not A Name"], "APP049"),
        (["pull", "churn:none"], "APP050"),
        (["upload", "--to", "oci://ann:hunter2@registry.example"], "APP051"),
        (["list", "a//b"], "APP049"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_code(weft, arguments, code):
    status, out, err = weft(*arguments, "--json")
    assert status == 1 and json.loads(out)["error"]["code"] == code
    assert "hunter2" not in out + err


def test_a_registry_that_does_not_answer_leaves_with_two(weft, monkeypatch):
    from weft.hub.artifacts.web import Patience

    monkeypatch.setattr(Patience, "wait", lambda *_: None)
    status, out, _ = weft("upload", "--to", "oci://127.0.0.1:1/team", "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "APP053"


def test_a_folder_that_holds_something_is_left_alone(weft, project):
    plain(weft("upload", "--json"))
    status, out, _ = weft("pull", "churn:v1", "--into", project, "--json")
    assert status == 1 and json.loads(out)["error"]["code"] == "APP059"
    assert (project / "rows.csv").read_text() == "1\n"


def test_a_secret_in_the_folder_stops_the_upload_and_is_not_shown(weft, project):
    (project / ".env").write_text("PASSWORD=hunter2\n")
    status, out, err = weft("upload", "--json")
    assert status == 1 and json.loads(out)["error"]["code"] == "APP040"
    assert "hunter2" not in out + err
    kept = [p for p in (project / ".weft").rglob("*") if p.is_file()]
    assert all(b"hunter2" not in p.read_bytes() for p in kept)


def test_dependencies_that_are_not_locked_are_not_packed(weft, project):
    (project / "requirements.txt").write_text("pandas>=2\n")
    status, out, _ = weft("create", "--json")
    assert status == 1 and json.loads(out)["error"]["code"] == "APP054"
    assert not list(project.glob("*.weft"))
    (project / "requirements.lock").write_text("pandas==2.2.0\n")
    assert "requirements.lock" in plain(weft("create", "--json"))["files"]


def test_the_specifications_and_the_lock_belong_whatever_is_chosen(weft, project):
    (project / "artifact.json").write_text(json.dumps({"include": ["src/**"], "exclude": ["*.json"]}))
    (project / "src").mkdir()
    (project / "src" / "a.py").write_text("")
    (project / "requirements.lock").write_text("pandas==2.2.0\n")
    files = plain(weft("create", "--json"))["files"]
    assert files == ["artifact.json", "mlapplication.json", "requirements.lock", "src/a.py"]


def test_a_folder_without_an_application_is_named(weft, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = weft("create", "--json")
    assert status == 1 and json.loads(out)["error"]["code"].startswith("APP0")
