"""Calls of functions become the application that a file would describe."""

import json

import pytest
from sdk_tasks import prepare, report, train

from weft.core import UserError
from weft.project.sdk import Flow, task


def test_outside_of_a_flow_a_task_is_its_function():
    assert train([1, 2], rate=0.5) == {"size": 2, "rate": 0.5, "more": None}
    assert prepare.__doc__ == "Make a list."


def test_results_that_are_handed_on_are_the_edges():
    with Flow("learn") as flow:
        data = prepare()
        small = train(data["train"], rate=0.01)
        large = train(data["train"], more=[data["note"], 3])
        report(small, large["size"])
    made = flow.to_application()
    assert made["flow"] == "learn"
    assert made["flows"]["learn"] == {
        "prepare": ["train", "train-2"],
        "train": ["reporting"],
        "train-2": ["reporting"],
        "reporting": [],
    }
    assert made["tasks"]["prepare"] == {
        "program": "python",
        "parameters": {"function": "sdk_tasks:prepare.run_in_worker", "rows": 100},
        "memory": "1GB",
        "retries": 1,
    }
    assert made["tasks"]["train-2"]["parameters"]["more"] == [{"$task": "prepare", "$path": ["note"]}, 3]
    json.dumps(made)


def test_tasks_may_wait_without_taking_anything():
    with Flow("order") as flow:
        first = prepare()
        train([1]).after(first)
    assert flow.to_application()["flows"]["order"]["prepare"] == ["train"]


def test_a_task_under_another_name_and_with_other_limits():
    with Flow("names") as flow:
        prepare.with_settings(name="large", memory="8GB")(rows=10)
    made = flow.to_application()["tasks"]["large"]
    assert made["memory"] == "8GB" and made["retries"] == 1


def test_a_worker_reads_what_came_before_and_writes_what_comes_next(tmp_path, monkeypatch):
    with Flow("learn") as flow:
        train(prepare(rows=4)["train"], rate=0.2)
    given = flow.to_application()["tasks"]["train"]["parameters"]
    (tmp_path / "prepare").mkdir()
    monkeypatch.setenv("WEFT_INPUTS", "{}")
    monkeypatch.setenv("WEFT_TASK", "prepare")
    monkeypatch.setenv("WEFT_OUTPUT", str(tmp_path / "prepare"))
    (tmp_path / "prepare" / "result.json").write_text(json.dumps(prepare.run_in_worker(rows=4)))
    monkeypatch.setenv("WEFT_INPUTS", json.dumps({"prepare": str(tmp_path / "prepare")}))
    del given["function"]
    assert train.run_in_worker(**given) == {"value": {"size": 4, "rate": 0.2, "more": None}}


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: train(), "missing a required argument: 'data'"),
        (lambda: train(1, speed=2), "unexpected keyword argument 'speed'"),
        (lambda: task(lambda data: data).with_settings(name="inner")(1), "inside a function"),
        (lambda: list(prepare()), "not known before it runs"),
        (lambda: prepare()["train"][0:1], "asked for by slice"),
    ],
)
def test_wrong_calls_are_told_when_the_flow_is_written_APP065(act, said):
    with Flow("wrong"), pytest.raises(UserError, match=said) as caught:
        act()
    assert caught.value.code == "APP065"


def test_a_result_of_another_flow_is_refused():
    with Flow("one"):
        data = prepare()
    with Flow("two"), pytest.raises(UserError, match="'one', which is another") as caught:
        train(data)
    assert caught.value.code == "APP065"


def test_a_name_of_the_program_cannot_be_a_parameter():
    with pytest.raises(UserError, match="parameter 'file'") as caught:
        task(lambda file: file)
    assert caught.value.code == "APP065"


@pytest.mark.parametrize("value", [object(), {1: "a"}, {"$task": "prepare"}, float("nan")])
def test_what_is_not_plain_cannot_be_a_parameter_APP066(value):
    with Flow("wrong"), pytest.raises(UserError, match=f"given a {type(value).__name__} as 'data'") as caught:
        train(value)
    assert caught.value.code == "APP066"
