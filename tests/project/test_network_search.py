"""The search over networks as nodes of a Plan: rounds, what users narrow, and what is done again."""

import re

import pytest
import yaml

import weft
from weft.core import UserError
from weft.data import generate_shop
from weft.flow.folder import lay_out
from weft.learn import load_model
from weft.project.ladder import unheard_settings
from weft.project.trials import search_facts

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
NEXT = "PREDICT LIST_DISTINCT(order_items.product_id, 0, 30, days) RANK TOP 5 FOR EACH users.user_id"
SMALL = {"epochs": 2, "channels": [4, 8], "fanouts": [[4], [4, 2]], "network": ["sage", "relgnn"]}
TIMES = {"val_start": "2025-01-01", "test_start": "2025-02-01"}


def open_shop(folder, search):
    generate_shop(folder / "shop", num_users=200, seed=1)
    (folder / "weft.yaml").write_text(yaml.safe_dump({"search": search}))
    return weft.connect(str(folder / "shop"), project=folder).graph()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    graph = open_shop(tmp_path_factory.mktemp("search"), SMALL)
    return graph.query(CHURN).fit(models=("constant", "network", "blend"), trials=6, **TIMES)


def trials_of(run):
    return {r["model"]: r for r in run.leaderboard if r["model"].startswith("network:")}


def test_every_trial_is_a_candidate_within_the_space(run):
    trials = trials_of(run)
    assert sorted(trials) == [f"network:{i}" for i in range(1, 7)]
    for name in trials:
        config = run.output(f"candidate[{name}]").value["config"]
        assert config["epochs"] == 2 and config["channels"] in (4, 8)
        assert config["fanouts"] in ([4], [4, 2]) and config["network"] in ("sage", "relgnn")


def test_later_trials_are_proposed_from_the_earlier_ones(run):
    stages = {s["name"]: s for s in run.record.results["stages"]}
    assert {"search[network:0]", "search[network:1]"} <= set(stages)
    plan = {node.name: node for node in run.plan.nodes}
    assert set(plan["search[network:1]"].inputs) >= {f"candidate[network:{i}]" for i in (1, 2, 3, 4)}
    assert "candidate[network:1]" not in plan["search[network:0]"].inputs


def test_the_winner_predicts_and_the_run_is_told_with_its_trials(run):
    assert run.predict().num_rows > 50
    assert run.record.parameters["trials"] == 6


def test_an_interrupted_search_goes_on_where_it_was(run):
    again = run_again(run)
    states = {s["name"]: s["state"] for s in again.record.results["stages"] if "network" in s["name"]}
    assert len(states) == 8 and set(states.values()) == {"cached"}


def test_the_report_tells_every_trial_and_how_it_was_trained(run, tmp_path):
    found = search_facts(run)
    assert (found.metric, found.higher_is_better) == ("auroc", True)
    boarded = [r["model"] for r in run.leaderboard if r["model"].startswith("network:")]
    assert [t.model for t in found.trials] == boarded
    configs = {t.model: run.output(f"candidate[{t.model}]").value["config"] for t in found.trials}
    sizes = {config["batch_size"] for config in configs.values()}
    for trial in found.trials:
        assert trial.network == configs[trial.model]["network"]
        told = f"batch size {configs[trial.model]['batch_size']:,}"
        assert (told in trial.settings) is (len(sizes) > 1)
        assert not [words for words in trial.settings if words.startswith("epochs")]
        assert trial.looks == len(trial.curve.y) == 2 and trial.curve.x == (1.0, 2.0)
        assert trial.curve.y[trial.best - 1] == max(trial.curve.y) == pytest.approx(trial.kept, rel=1e-5)
        assert trial.val == pytest.approx(trial.kept, abs=1e-6)
        assert trial.note == "it was trained to its end"
    page = run.report(tmp_path / "report.html").read_text()
    section = page.split('<section id="search"')[1].split("</section>")[0]
    assert all(f">{model}" in section for model in boarded)


def test_without_a_network_the_report_has_no_such_section(run):
    plain = reopen(run).query(CHURN).fit(models=("constant", "entity"), **TIMES)
    assert search_facts(plain) is None


def reopen(run):
    folder = run.project.folder
    return weft.connect(str(folder / "shop"), project=folder).graph()


def run_again(run):
    graph = reopen(run)
    return graph.query(CHURN).fit(models=("constant", "network", "blend"), trials=6, **TIMES)


def test_a_small_budget_leaves_networks_out_and_says_so(run):
    graph = reopen(run)
    quick = graph.query(CHURN).fit(budget="2s", **TIMES)
    assert not trials_of(quick)
    assert "Not tried: network: the budget leaves 1.33 s, it takes 20 s at least." in quick.text()


def test_a_space_that_cannot_be_read_is_refused(tmp_path):
    graph = open_shop(tmp_path, {"chanels": 3})
    with pytest.raises(UserError, match="LEARN045"):
        graph.query(CHURN).fit(models=("constant", "network"), trials=1, **TIMES)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"strategy": ["last", "random"]}, "LEARN045: the search cannot take 'random' for 'strategy'."),
        ({"network": "two_tower"}, "LEARN045: the search cannot take 'two_tower' for 'network' of a binary"),
        (
            {"encoders.by_column": {"users.nonsense": "robust"}},
            "LEARN040: networks read no column users.nons",
        ),
        (
            {"encoders.by_column": {"users.user_id": "hash"}},
            "LEARN040: networks read no column users.user_id",
        ),
        ({"link:orders.nonsense": False}, "LEARN045: the search knows no link 'orders.nonsense'."),
    ],
)
def test_what_no_trial_could_be_fitted_with_is_refused_before_anything_runs(run, said, told):
    query = narrowed(run, said)
    with pytest.raises(UserError, match=re.escape(told)):
        query.explain(models=("constant", "network"))


def test_what_is_said_for_other_tasks_is_let_be_where_no_network_follows_it(run):
    assert narrowed(run, {"loss": "mae"}).explain(models=("constant",)).models == ("constant",)
    with pytest.raises(UserError, match="cannot take 'mae' for 'loss' of a binary task"):
        narrowed(run, {"loss": "mae"}).explain(models=("sage",))
    assert "sage" in narrowed(run, {"loss": ["mae", "huber"]}).explain(models=("sage",)).models
    assert "id_gnn" in narrowed(run, {"network": "sage", "loss": "focal"}, NEXT).explain().models


def narrowed(run, said, text=CHURN):
    """Ask of the same shop with another ``search``."""
    settings = run.project.settings.model_copy(update={"search": said})
    query = reopen(run).query(text)
    query.graph.project.settings = settings
    return query


def test_what_is_fixed_holds_for_a_network_that_is_named_singly(tmp_path):
    said = {"epochs": 1, "channels": 8, "fanouts": [4], "dropout": [0.3, 0.4], "network": "relgnn"}
    graph = open_shop(tmp_path, {**said, "encoders.numbers": "bins", "link:orders.user_id": False})
    query = graph.query(CHURN)
    run = query.fit(models=("constant", "sage"), **TIMES)
    told = run.output("candidate[sage]").value
    assert told["config"]["channels"] == 8 and told["config"]["fanouts"] == [4] and told["curve"]["loss"]
    assert "dropout" not in told["config"] and "network" not in told["config"]
    assert len(told["curve"]["loss"]) == 1 and "over 1 hop of 4 rows per link" in told["words"]
    assert told["config"]["encoders"] == {"numbers": "bins"}
    links = [link.name for link in saved_inputs(run, tmp_path).links]
    assert links and "orders.user_id -> users" not in links
    kinds = set(query.explain(models=("constant", "sage")).encoders.values())
    assert "bins" in kinds and "standard" not in kinds


def saved_inputs(run, folder):
    return load_model(lay_out(run.output("candidate[sage]"), folder / "candidate") / "model").inputs


def test_networks_that_rank_items_say_what_of_it_they_do_not_follow():
    said = {"channels": 8, "dropout": [0.1, 0.2], "loss": "focal", "class_ratio": 5.0, "network": "sage"}
    told = unheard_settings(said, ("popularity", "two_tower"))
    assert told.startswith("dropout, loss, class_ratio, network of search in weft.yaml: two_tower take")
    assert not unheard_settings({"channels": 8, "loss": ["bpr"], "link:a.b": True}, ("two_tower", "id_gnn"))
    assert not unheard_settings({}, ("two_tower",))
    assert not unheard_settings({"channels": 8}, ("network", "sage", "lightgbm"))
