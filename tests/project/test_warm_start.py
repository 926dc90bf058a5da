"""Networks of a run that go on from those of an earlier run, on the same and on newer rows."""

import pyarrow.parquet as pq
import pytest
import yaml

import weft
from weft.core import UserError, from_plain
from weft.data import generate_shop
from weft.learn.networks.curve import Curve
from weft.project.reproduction import describe_reproduction

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
SPEND = "PREDICT SUM(orders.total_amount, 0, 30, days) FOR EACH users.user_id"
EARLIER = {"val_start": "2024-11-01", "test_start": "2024-12-01"}
LATER = {"val_start": "2025-01-01", "test_start": "2025-02-01"}
SMALL = {"epochs": 2, "channels": 8, "fanouts": [[4]], "network": ["sage", "relgnn"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warm")
    generate_shop(folder / "shop", num_users=200, seed=1)
    (folder / "weft.yaml").write_text(yaml.safe_dump({"search": SMALL}))
    return folder


@pytest.fixture(scope="module")
def query(place):
    return weft.connect(str(place / "shop"), project=place).graph().query(CHURN)


@pytest.fixture(scope="module")
def earlier(query):
    return query.fit(models=("constant", "sage"), budget="4s", **EARLIER)


def curve(run, model):
    return run.output(f"candidate[{model}]").value["curve"]


def kept(run, model):
    return from_plain(Curve, curve(run, model)).kept


def test_a_refit_on_the_same_rows_begins_where_the_earlier_run_ended(query, earlier):
    again = query.fit(models=("constant", "sage"), budget="4s", seed=7, warm_start=earlier, **EARLIER)
    ended = kept(earlier, "sage")
    assert curve(again, "sage")["began"] == pytest.approx(ended, abs=1e-3)
    assert kept(again, "sage") >= ended - 1e-3
    cold = query.fit(models=("constant", "sage"), budget="4s", seed=7, **EARLIER)
    assert curve(cold, "sage")["began"] is None and "Warm start" not in cold.text()


def test_a_refit_on_newer_rows_says_what_it_began_with(query, earlier):
    newer = query.fit(models=("constant", "sage", "relgnn"), budget="8s", warm_start=earlier.name, **LATER)
    told = newer.to_json()["warm_start"]
    assert told["run"] == earlier.name and told["models"] == {"sage": "sage"}
    assert told["told"]["sage"].startswith("it began with the weights of an earlier network")
    lines = newer.text()
    assert f"Warm start of {earlier.name}, sage: sage: it began with" in lines
    assert f"relgnn: the run {earlier.name} has no network of that kind." in lines
    assert curve(newer, "sage")["began"] is not None and curve(newer, "relgnn")["began"] is None
    assert f"--warm-start {earlier.name}" in describe_reproduction(newer).commands[0]
    assert "it began with the weights" in newer.report(newer.project.folder / "r.html").read_text()
    again = query.fit(models=("constant", "sage", "relgnn"), budget="8s", warm_start=newer.name, **LATER)
    states = {s["name"]: s["state"] for s in again.record.results["stages"]}
    assert (states["candidate[sage]"], states["candidate[relgnn]"]) == ("ran", "ran")
    once_more = query.fit(models=("constant", "sage", "relgnn"), budget="8s", warm_start=newer, **LATER)
    states = {s["name"]: s["state"] for s in once_more.record.results["stages"]}
    assert set(states.values()) == {"cached"}


def test_the_first_trial_of_a_search_is_the_earlier_network(query, earlier):
    found = query.fit(models=("constant", "network"), trials=2, warm_start=earlier, **LATER)
    told = found.record.results["warm_start"]["told"]
    assert told["network:1"].startswith("it began with")
    first = found.output("candidate[network:1]").value["config"]
    assert first["network"] == "sage" and first["channels"] == 8
    onward = query.fit(models=("constant", "network"), trials=2, seed=3, warm_start=found, **LATER)
    best = next(r["model"] for r in found.leaderboard if r["model"].startswith("network:"))
    assert onward.record.results["warm_start"]["models"] == {"network:1": best}
    assert onward.record.results["warm_start"]["told"]["network:1"].startswith("it began with")
    assert curve(onward, "network:1")["began"] == pytest.approx(kept(found, best), abs=1e-3)
    assert curve(onward, "network:2")["began"] is None


def test_a_column_that_came_since_is_told(place, query, earlier, tmp_path):
    for path in (place / "shop").glob("*.parquet"):
        table = pq.read_table(path)
        if path.stem == "users":
            table = table.append_column("lucky", table["user_id"])
        pq.write_table(table, tmp_path / path.name)
    wider = weft.connect(str(tmp_path), project=place).graph(
        tables={"users": {"columns": {"lucky": "numerical"}}}
    )
    run = wider.query(CHURN).fit(models=("constant", "sage"), budget="4s", warm_start=earlier, **LATER)
    assert "the schema has changed: users.lucky" in run.text()
    assert curve(run, "sage")["began"] is None


def test_what_cannot_be_is_refused_before_anything_runs(query, earlier):
    with pytest.raises(UserError, match=r"DATA134.*no network is tried"):
        query.fit(models=("constant", "entity"), warm_start=earlier)
    with pytest.raises(UserError, match=r"DATA134.*answers another query"):
        query.graph.query(SPEND).fit(models=("constant", "sage"), warm_start=earlier)
    plain = query.fit(models=("constant", "entity"), **EARLIER)
    with pytest.raises(UserError, match=r"LEARN047.*has no network"):
        query.fit(models=("constant", "sage"), warm_start=plain)
    with pytest.raises(UserError, match="FLOW053"):
        query.fit(models=("constant", "sage"), warm_start="no-such-run")
