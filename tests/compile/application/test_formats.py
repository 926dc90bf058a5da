"""The files of an application: what loads, what is refused, and where the error points."""

import copy
import json
import os
from pathlib import Path

import jsonschema
import pytest
from outline_application import APPLICATION, RUN, TASKS, write

from weft.compile.application import (
    Document,
    check_specifications,
    compile_flow,
    json_schema,
    parse_document,
    read_specifications,
)
from weft.core import Resources, UserError

MACHINE = Resources(8 * 10**9, 4)
GOLDEN = Path(__file__).parents[2] / "golden" / "application"


def test_the_outline_loads_as_it_stands(tmp_path):
    made = read_specifications(write(tmp_path, run=RUN))
    compiled = compile_flow(made, artifact="ab" * 32, usual=MACHINE)
    assert [n.name for n in compiled.plan.order] == ["prepare_data", "train_model", "output"]
    assert compiled.flow == "sample_flow"
    assert compiled.gathers == ("output",)
    first = compiled.plan.node("prepare_data")
    assert first.program.endswith(":run_jvm")
    assert first.parameters == {
        "className": "com.ebay.krylov.helloai.HelloWorld",
        "prepare_data_parameter_key": "prepare_data_parameter_value",
    }
    assert compiled.plan.node("train_model").inputs == {"prepare_data": "prepare_data"}
    assert compiled.plan.node("train_model").program.endswith(":run_python")


def test_an_output_that_is_a_task_runs_as_one(tmp_path):
    tasks = {**TASKS, "output": {"program": "shell", "parameters": {"command": "true"}}}
    made = read_specifications(write(tmp_path, {**APPLICATION, "tasks": tasks}))
    compiled = compile_flow(made, artifact="ab" * 32, usual=MACHINE)
    assert compiled.gathers == ()
    assert compiled.plan.node("output").program.endswith(":run_shell")


def test_an_application_without_flows_runs_its_tasks_side_by_side(tmp_path):
    made = read_specifications(write(tmp_path, {"tasks": TASKS}))
    assert all(not n.inputs for n in compile_flow(made, artifact="ab" * 32, usual=MACHINE).plan.nodes)


@pytest.mark.parametrize(
    "kind, content",
    [
        ("mlapplication", APPLICATION),
        ("run", RUN),
        (
            "deployment",
            {"defaults": {"cpu": 2}, "tasks": {"train": {"memory": "4GB", "gpus": 1, "nodes": 2}}},
        ),
        ("artifact", {"name": "a", "include": ["src/**"], "requirements": "needs.txt"}),
    ],
)
def test_the_published_schemas_accept_what_loads(kind, content):
    schema = json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    jsonschema.validate({"$schema": "x", **content}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "typo": 1}, schema)


def test_an_unknown_format_has_no_schema():
    with pytest.raises(UserError, match="APP004"):
        json_schema("spec")


def changed(**changes):
    """The outline with fields replaced, by their path; ``None`` removes one."""
    made = copy.deepcopy(APPLICATION)
    for path, value in changes.items():
        at = made
        *parts, last = path.split("__")
        for part in parts:
            at = at[part]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return made


PYTHON = {"program": "python", "parameters": {"file": "a.py"}}
REFUSED = {
    "not-json": ({"mlapplication": '{\n  "tasks": {,}\n}'}),
    "twice": ({"mlapplication": '{\n  "tasks": {},\n  "tasks": {}\n}'}),
    "unknown-field": {"mlapplication": changed(tasks__train_model__paramters={})},
    "unknown-top-field": {"mlapplication": changed(flowz={})},
    "wrong-type": {"mlapplication": changed(tasks__train_model__retries="3")},
    "bad-memory": {"mlapplication": changed(tasks__train_model__memory="4 apples")},
    "bad-timeout": {"mlapplication": changed(tasks__train_model__timeout="soon")},
    "secret-in-the-clear": {"mlapplication": changed(tasks__train_model__secrets={"TOKEN": "hunter2"})},
    "no-program": {"mlapplication": changed(tasks__train_model__program=None)},
    "no-tasks": {"mlapplication": {"flows": {}}},
    "empty-tasks": {"mlapplication": {"tasks": {}}},
    "a-list": {"mlapplication": "[1, 2]"},
    "bad-name": {"mlapplication": {"tasks": {"a b": PYTHON}}},
    "flow-of-unknown-task": {"mlapplication": changed(flows__sample_flow__prepare_dat=["train_model"])},
    "flow-to-nearly-a-task": {"mlapplication": changed(flows__sample_flow={"prepare_data": ["train_mode"]})},
    "empty-flow": {"mlapplication": changed(flows__sample_flow={})},
    "circle": {"mlapplication": changed(flows__sample_flow__train_model=["prepare_data"])},
    "unknown-flow": {"mlapplication": changed(flow="sample_flw")},
    "unknown-program": {"mlapplication": changed(tasks__train_model__program="pyton")},
    "nothing-to-run": {"mlapplication": changed(tasks__train_model__parameters={})},
    "two-things-to-run": {
        "mlapplication": changed(tasks__train_model__parameters={"file": "a.py", "module": "a"})
    },
    "args-no-list": {"mlapplication": changed(tasks__train_model__parameters__args="--lr 1")},
    "unknown-application": {"mlapplication": APPLICATION, "run": {**RUN, "mlApplication": "Mine"}},
    "unknown-task-in-run": {"mlapplication": APPLICATION, "run": {"tasks": {"train": {}}}},
    "unknown-task-in-deployment": {
        "mlapplication": APPLICATION,
        "deployment": {"tasks": {"train_modle": {"cpu": 1}}},
    },
    "no-cores": {"mlapplication": APPLICATION, "deployment": {"tasks": {"train_model": {"cpu": 0}}}},
    "field-of-a-deployment": {
        "mlapplication": APPLICATION,
        "deployment": {"tasks": {"train_model": {"memry": "1GB"}}},
    },
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_error_names_file_line_and_field(name):
    documents = {}
    with pytest.raises(UserError) as caught:
        for kind, content in REFUSED[name].items():
            text = content if isinstance(content, str) else json.dumps(content, indent=2)
            documents[kind] = parse_document(text, f"{kind}.json")
        check_specifications(documents)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("WEFT_REFRESH_GOLDEN"):
        golden.write_text(f"{caught.value}\n")
    assert f"{caught.value}\n" == golden.read_text()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"APP001: .*mlapplication.json cannot be read"):
        read_specifications(tmp_path)
    with pytest.raises(UserError, match=r"APP001: .*nightly.json cannot be read"):
        read_specifications(write(tmp_path), run="nightly.json")


def test_of_several_flows_one_must_be_chosen(tmp_path):
    two = {"one": {"prepare_data": []}, "two": {"train_model": []}}
    made = read_specifications(write(tmp_path, {"tasks": TASKS, "flows": two}))
    with pytest.raises(UserError, match=r"APP011: there are 2 flows, one, two"):
        made.flow_of()
    assert made.flow_of("two") == "two"
    with pytest.raises(UserError, match=r"(?s)APP010: there is no flow 'tow'.*did you mean 'two'"):
        made.flow_of("tow")


def test_a_deployment_says_what_tasks_run_on(tmp_path):
    deployment = {
        "defaults": {"memory": "2GB", "retries": 1, "variables": {"A": "1", "B": "1"}, "image": "base:1"},
        "tasks": {
            "train_model": {
                "cpu": 1.5,
                "gpus": 1,
                "nodes": 3,
                "timeout": "5m",
                "image": "gpu:2",
                "variables": {"B": "2"},
                "secrets": {"TOKEN": "env:MY_TOKEN"},
            }
        },
    }
    made = read_specifications(write(tmp_path, deployment=deployment))
    plan = compile_flow(made, artifact="ab" * 32, usual=MACHINE).plan
    node = plan.node("train_model")
    assert node.resources == Resources(2 * 10**9, 2, 1)
    assert (node.retries, node.timeout_s, node.nodes, node.image) == (1, 300.0, 3, "gpu:2")
    assert node.variables == {"A": "1", "B": "2"}
    assert node.secrets == {"TOKEN": "env:MY_TOKEN"}
    assert plan.node("prepare_data").resources == Resources(2 * 10**9, 1)
    assert plan.node("prepare_data").image == "base:1"
    assert plan.node("prepare_data").hints == {"hidden": ["MY_TOKEN"]}


def test_the_same_specifications_compile_to_the_same_plan(tmp_path):
    plans = [
        compile_flow(
            read_specifications(write(tmp_path / n, run=RUN)), artifact="ab" * 32, usual=MACHINE
        ).plan
        for n in ("a", "b")
    ]
    assert plans[0].to_json() == plans[1].to_json()
    other = compile_flow(read_specifications(tmp_path / "a"), artifact="cd" * 32, usual=MACHINE).plan
    assert other.digest != plans[0].digest


def test_lines_are_those_of_the_file():
    text = '{\n "a": [\n  1,\n  {"b": "x\\"}]",\n   "c": null}\n ]\n}'
    document = parse_document(text, "x.json")
    assert document.lines == {
        (): 1,
        ("a",): 2,
        ("a", 0): 3,
        ("a", 1): 4,
        ("a", 1, "b"): 4,
        ("a", 1, "c"): 5,
    }
    assert isinstance(document, Document)
