"""Whose word about a parameter stands, and where it was said."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.compile.application import (
    check_specifications,
    compile_flow,
    parse_assignments,
    parse_document,
    task_parameters,
)
from weft.core import Resources, UserError

NAMES = st.sampled_from(["lr", "epochs", "name", "depth"])
LAYER = st.dictionaries(NAMES, st.sampled_from([1, 2.5, "a", None, [1]]))


def specifications(defaults, application=(), task=()):
    """An application of one task, ``train``, with these parameters."""
    shell = {"program": "shell", "parameters": {"command": "true", **dict(defaults)}}
    run = {
        "applicationParameters": dict(application),
        "tasks": {"train": {"taskParameters": dict(task)}},
    }
    texts = {
        "mlapplication": json.dumps(
            {"tasks": {"prepare": shell | {"parameters": {"command": "true"}}, "train": shell}}, indent=1
        ),
        "run": json.dumps(run, indent=1),
    }
    return check_specifications({k: parse_document(t, f"{k}.json") for k, t in texts.items()})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LAYER, LAYER, LAYER, LAYER)
def test_the_last_word_stands_and_its_place_is_told(defaults, application, task, line):
    made = specifications(defaults, application, task)
    chosen = task_parameters(made, "train", line)
    layers = [defaults, application, task, line]
    origins = ["task default", "application parameter", "task parameter", "-p"]
    for name in set().union(*layers):
        last = max(i for i, layer in enumerate(layers) if name in layer)
        assert chosen[name].value == layers[last][name]
        assert chosen[name].origin.startswith(origins[last])
    assert set(chosen) == {"command"}.union(*layers)


def test_an_origin_names_file_and_line():
    chosen = task_parameters(specifications({"lr": 1}, {"epochs": 2}, {"depth": 3}), "train")
    assert chosen["lr"].origin == "task default, mlapplication.json:13"
    assert chosen["epochs"].origin == "application parameter, run.json:3"
    assert chosen["depth"].origin == "task parameter, run.json:8"


def compiled(line, **layers):
    made = specifications(layers.pop("defaults", {"lr": 1}), **layers)
    return compile_flow(made, artifact="ab" * 32, usual=Resources(10**9, 1), given=line).plan


def test_a_parameter_on_the_command_line_reaches_the_tasks_that_know_it():
    plan = compiled({"lr": 2})
    assert plan.node("train").parameters == {"command": "true", "lr": 2}
    assert plan.node("prepare").parameters == {"command": "true"}


def test_a_parameter_of_the_program_is_known_and_one_of_a_task_reaches_that_task():
    plan = compiled({"train.args": ["x"], "train.lr": 3})
    assert plan.node("train").parameters == {"command": "true", "lr": 3, "args": ["x"]}
    assert plan.node("prepare").parameters == {"command": "true"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fresh", "no task knows a parameter 'fresh'"),
        ("train.fresh", "task 'train' does not know a parameter 'fresh'"),
        ("other.lr", "no task knows a parameter 'other.lr'"),
    ],
)
def test_a_parameter_that_nobody_knows_is_refused_with_those_that_are_known(name, words):
    with pytest.raises(UserError, match=rf"(?s)APP017: {words}.*choose one of: .*lr"):
        compiled({name: 1})


@pytest.mark.parametrize("name", ["epoch", "train.epoch"])
def test_a_parameter_that_is_nearly_known_is_refused(name):
    with pytest.raises(UserError, match=r"(?s)APP017.*did you mean 'epochs'"):
        compiled({name: 2}, defaults={"epochs": 1})


def test_a_parameter_that_breaks_its_program_is_refused_with_its_origin():
    with pytest.raises(UserError, match=r"APP014: task train \(-p\): 'args' is not a list"):
        compiled({"train.args": "x"})


@pytest.mark.parametrize("text", ["lr", "=1", ""])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(UserError, match="APP016"):
        parse_assignments([text])


def test_values_are_json_where_they_can_be():
    texts = ["a=1", "b=0.5", "c=true", "d=null", 'e=["x"]', "f=ann", "g=", "h=1=2", "i=NaN"]
    assert parse_assignments(texts) == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": None,
        "e": ["x"],
        "f": "ann",
        "g": "",
        "h": "1=2",
        "i": "NaN",
    }
