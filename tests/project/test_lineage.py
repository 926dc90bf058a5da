"""From a file of predictions back to the rows of the snapshot, and events of a whole fit."""

import json

import pytest

import weft
from weft.hub import LOWER_IS_BETTER, TEST_ROWS
from weft.project import Asking, ProjectFolder, predict_to

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"


def test_a_file_of_predictions_leads_back_to_the_tables(run, shop, tmp_path):
    out = tmp_path / "predictions.parquet"
    # An anchor that no other test asks about: equal predictions from other tables would have one digest.
    plain = predict_to(run, Asking(at="2024-10-05"), out=str(out)).plain
    hub = run.project.hub
    found = hub.trace(plain["digest"])
    tables = [t.name for t in run.schema.tables]
    assert sorted(found.ends) == sorted(f"{shop / 'shop'}#{t}" for t in tables)
    assert "predictions.parquet" in found.names[plain["digest"]]
    told = {name for names in found.names.values() for name in names}
    assert {"answer", "seeds", "snapshot", "tables", f"candidate[{run.winner}]", "table orders"} <= told
    assert found.runs[run.record.id] == {"name": run.name, "plan": run.record.plan_digest}
    source = next(e.made for e in found.steps if e.used.endswith("#orders"))
    assert plain["digest"] in {e.made for e in hub.trace(source, "uses").steps}


def test_a_registered_model_leads_back_to_its_snapshot(run):
    (model,) = [m for m in run.project.hub.list_models("users") if m.run_id == run.record.id]
    found = run.project.hub.trace(f"model:{model.label}")
    assert f"model {model.label}" in found.names[model.digest]
    assert any(names == ("snapshot",) for names in found.names.values())


def test_two_fits_of_one_question_can_be_compared(run, graph):
    (first,) = [m for m in run.project.hub.list_models("users") if m.run_id == run.record.id]
    second = graph.query(CHURN).fit(budget="2s", seed=1, models=("constant",))
    made = [m for m in run.project.hub.list_models("users") if m.run_id == second.record.id]
    assert made[0].facts[TEST_ROWS] == first.facts[TEST_ROWS] and made[0].facts[LOWER_IS_BETTER] == []
    other = graph.query(CHURN).fit(budget="2s", seed=0, history="frozen", models=("constant",))
    made = [m for m in run.project.hub.list_models("users") if m.run_id == other.record.id]
    assert made[0].facts[TEST_ROWS] != first.facts[TEST_ROWS]


def test_a_query_over_a_data_set_leads_back_to_it(shop, tmp_path):
    made = weft.publish_dataset("shop", shop / "shop", project=tmp_path)
    query = weft.connect("dataset:shop", project=tmp_path).graph().query(CHURN)
    run = query.fit(budget="1s", models=("constant",))
    found = run.project.hub.trace("model:users@1")
    assert found.ends == (made.digest,) and found.names[made.digest] == ("dataset shop@1",)
    assert run.record.results["source"] == "dataset:shop@1"


@pytest.mark.parametrize("name", [None, "shop"])
def test_a_fit_is_told_to_the_file_that_weft_yaml_names(shop, tmp_path, name):
    named = f"name: {name}\n" if name else ""
    (tmp_path / "weft.yaml").write_text(f"source: {shop / 'shop'}\nlineage: out/events.jsonl\n{named}")
    weft.open_project(tmp_path).query(CHURN).fit(budget="1s", models=("constant",))
    events = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    assert [e["eventType"] for e in events] == ["START", "COMPLETE"] * (len(events) // 2)
    last = events[-1]
    assert last["job"]["namespace"] == (name or tmp_path.name)
    assert {"orders", "users"} <= {d["name"] for d in last["inputs"]}
    assert any(d["name"].endswith("/evaluate") for d in last["outputs"])
    assert ProjectFolder(tmp_path).hub.get_run().name == last["run"]["facets"]["weft_plan"]["run"]


def test_predictions_that_are_shown_only_are_recorded_too(run):
    frame = run.predict()
    assert frame.num_rows > 0
    assert any(e.via == "answer" for e in run.project.hub.descendants(_snapshot(run)))


def _snapshot(run):
    return run.output("snapshot").digest
