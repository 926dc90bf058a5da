"""``weft project`` and ``weft job`` as a user types them, from an empty folder to a changed job."""

import json

import jsonschema
import pytest

from weft.cli.app import run_command
from weft.project import ProjectFolder


@pytest.fixture
def weft(tmp_path, monkeypatch, capsys):
    """Run a command in the folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run_command([str(a) for a in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def job_of(out):
    """The job in the promised shape: these fields and no others."""
    job = json.loads(out)
    assert set(job) == {"run", "state", "nodes"}
    assert all(set(node) == {"name", "state", "why"} for node in job["nodes"])
    return job


def states(job):
    return {n["name"]: n["state"] for n in job["nodes"]}


def test_a_new_project_is_built_run_repeated_and_changed_unedited(weft, tmp_path, monkeypatch):
    code, out, _ = weft("project", "create", "hello")
    assert code == 0
    assert "cd hello" in out
    monkeypatch.chdir(tmp_path / "hello")
    code, out, _ = weft("project", "build", "--json")
    built = json.loads(out)
    assert code == 0
    assert len(built["digest"]) == 64
    assert json.loads(weft("project", "build", "--json")[1]) == built
    code, out, _ = weft("job", "run", "--json")
    first = job_of(out)
    assert (code, first["state"]) == (0, "succeeded")
    assert states(first) == {"prepare": "ran", "train": "ran", "evaluate": "ran"}
    again = job_of(weft("job", "run", "--json")[1])
    assert set(states(again).values()) == {"cached"}
    assert f"made by run {first['run']}" in again["nodes"][0]["why"]
    code, out, _ = weft("job", "run", "-p", "depth=3")
    assert code == 0
    assert "train  ran (parameters.depth 6 → 3)" in out
    assert "prepare  cached (key " in out
    assert "train.depth = 3  (-p)" in out
    assert "model hello:2 registered" in out
    models = json.loads(weft("models", "--json")[1])["models"]
    assert [m["name"] for m in models] == ["hello", "hello"]
    assert "50 trees of depth 3" in weft("job", "logs", "--task", "train")[1]


STEPS = {
    "tasks": {
        "good": {"program": "shell", "parameters": {"command": "echo fine", "n": 1}},
        "bad": {"program": "shell", "parameters": {"command": "echo the reason; exit 7"}},
    },
    "flows": {"both": {"good": ["bad"]}, "fine": {"good": []}},
    "flow": "both",
}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "mlapplication.json").write_text(json.dumps(STEPS, indent=2))
    (tmp_path / "file.txt").write_text("x")
    return tmp_path


def test_a_job_that_fails_prints_its_json_and_leaves_with_the_users_exit_code(weft, project):
    code, out, err = weft("job", "run", "--json")
    job = job_of(out)
    assert code == 1
    assert job["state"] == "failed"
    assert states(job) == {"good": "ran", "bad": "failed"}
    assert "APP020: task 'bad', attempt 1, ended with exit code 7" in err
    assert "  the reason" in err
    assert "Traceback" not in err
    code, out, _ = weft("job", "list", "--json")
    assert code == 0 and [(j["name"], j["state"]) for j in json.loads(out)["jobs"]] == [
        (job["run"], "failed")
    ]
    assert weft("job", "list")[1].splitlines()[1].startswith(job["run"])
    code, out, _ = weft("job", "status", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["error"]["code"] == "APP020"
    assert found["parameters"]["good"]["n"] == {
        "value": 1,
        "origin": found["parameters"]["good"]["n"]["origin"],
    }
    code, out, _ = weft("job", "retry", "--json")
    assert code == 1
    assert states(job_of(out)) == {"good": "cached", "bad": "failed"}


def test_flows_are_chosen_and_jobs_repeated(weft, project):
    first = job_of(weft("job", "run", "--flow", "fine", "--json")[1])
    assert states(first) == {"good": "ran"}
    rerun = job_of(weft("job", "rerun", first["run"], "-p", "n=2", "--json")[1])
    assert rerun["nodes"][0]["why"] == "parameters.n 1 → 2"
    forked = job_of(weft("job", "fork", first["run"], "good", "--json")[1])
    assert states(forked) == {"good": "ran"}
    assert json.loads(weft("job", "logs", first["run"], "--json")[1]) == {"logs": {"good": "fine\n"}}
    assert weft("job", "logs", first["run"], "--follow")[1] == "fine\n"
    assert "== good\nfine" in weft("job", "logs", first["run"])[1]
    code, out, _ = weft("job", "status", first["run"])
    assert (code, out.splitlines()[0]) == (0, f"{first['run']}  succeeded  flow fine")
    assert first["run"] in weft("runs")[1]


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["job", "run", "--flow", "bth"], "APP010"),
        (["job", "run", "-p", "n"], "APP016"),
        (["job", "run", "-p", "commnd=x"], "APP017"),
        (["job", "run", "--spec", "gone.json"], "APP001"),
        (["job", "run", "--backend", "cloud"], "FLOW093"),
        (["job", "stop"], "APP031"),
        (["job", "pause"], "APP031"),
        (["job", "resume"], "APP031"),
        (["job", "submit", "--backend", "cloud"], "FLOW093"),
        (["job", "status", "nobody"], "APP031"),
        (["project", "schema", "x"], "APP004"),
        (["project", "build", "--project", "nowhere"], "APP030"),
    ],
)
def test_errors_have_codes_and_the_users_exit_code(weft, project, arguments, code):
    left, out, err = weft(*arguments, "--json")
    assert left == 1
    assert json.loads(out)["error"]["code"] == code
    assert err.startswith(f"{code}: ")


def test_an_error_of_a_file_names_its_line(weft, project):
    text = (project / "mlapplication.json").read_text().replace('"program": "shell"', '"program": "shel"', 1)
    (project / "mlapplication.json").write_text(text)
    _, _, err = weft("project", "build")
    assert err.startswith("APP013: mlapplication.json, line 4, field tasks.good.program: there is no program")


def test_stopping_a_job_that_has_ended_is_refused(weft, project):
    weft("job", "run", "--flow", "fine")
    code, _, err = weft("job", "stop")
    assert code == 1
    assert err.startswith("APP032")


def test_the_schemas_are_printed_for_editors(weft, project):
    for name in ("mlapplication", "artifact", "run", "deployment"):
        code, out, _ = weft("project", "schema", name)
        assert code == 0
        jsonschema.Draft202012Validator.check_schema(json.loads(out))
    jsonschema.validate(STEPS, json.loads(weft("project", "schema", "mlapplication")[1]))


def test_templates_are_chosen_by_name(weft, tmp_path):
    code, out, _ = weft("project", "create", "pair", "--template", "distributed", "--json")
    assert code == 0
    assert (tmp_path / "pair" / "train.py").exists()
    assert json.loads(out)["template"] == "distributed"
    assert weft("project", "create", "pair")[0] == 1
    assert ProjectFolder(tmp_path / "pair").is_unused


def test_a_flow_is_submitted_to_a_backend_and_shown_beforehand(weft, project):
    code, out, _ = weft("job", "submit", "--flow", "fine", "--dry-run", "--json")
    assert code == 0
    assert list(json.loads(out)["nodes"]) == ["good"]
    assert weft("job", "submit", "--flow", "fine", "--dry-run")[1].startswith("# good\n")
    code, out, _ = weft("job", "submit", "--flow", "fine", "--wait", "--json")
    assert code == 0
    assert states(job_of(out)) == {"good": "ran"}


def test_a_submitted_job_is_followed_by_commands(weft, project):
    code, out, _ = weft("job", "submit", "--flow", "fine", "--backend", "inline", "--json")
    assert code == 0
    assert job_of(out)["state"] in ("queued", "running")
    assert weft("job", "logs", "--follow")[1] == "fine\n"
    code, _, err = weft("job", "pause")
    assert (code, err.split(":")[0]) == (1, "FLOW084")
    assert weft("job", "resume")[0] == 1
    assert weft("job", "serve", "--until-idle")[1] == "No job is open any more. Taken up here: none.\n"
    assert job_of(weft("job", "submit", "--flow", "fine", "--wait", "--json")[1])["state"] == "succeeded"
