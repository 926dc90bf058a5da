"""A run whose search is scored on val and on earlier windows."""

import numpy as np
import pytest
import yaml

import weft
from weft.core import UserError
from weft.data import generate_shop, plan_origins
from weft.project.reproduction import describe_reproduction

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
TIMES = {"val_start": "2025-01-01", "test_start": "2025-02-01"}
SMALL = {"epochs": 2, "channels": 8, "fanouts": [[4]], "network": ["sage", "relgnn"]}
MODELS = ("constant", "network")


@pytest.fixture(scope="module")
def query(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rolling")
    generate_shop(folder / "shop", num_users=200, seed=1)
    (folder / "weft.yaml").write_text(yaml.safe_dump({"search": SMALL}))
    return weft.connect(str(folder / "shop"), project=folder).graph().query(CHURN)


@pytest.fixture(scope="module")
def run(query):
    return query.fit(models=MODELS, trials=3, validation="rolling", origins=3, **TIMES)


def test_every_trial_is_scored_at_every_origin_and_the_best_mean_wins(run):
    values = {f"network:{i}": run.output(f"candidate[network:{i}]").value for i in (1, 2, 3)}
    for value in values.values():
        scores = value["curve"]["origins"]
        assert len(scores) == 3 and scores[0] == pytest.approx(value["val"])
    means = {name: np.mean(value["curve"]["origins"]) for name, value in values.items()}
    assert run.winner == max(means, key=means.get)
    words = {r["model"]: r["words"] for r in run.leaderboard}
    assert all(f"over 3 origins {means[name]:.4g} ±" in words[name] for name in means)
    assert "--validation rolling --origins 3" in describe_reproduction(run).commands[0]


def test_no_train_row_of_an_origin_knows_a_label_of_its_val(run, query):
    labels = query.run_labels(**TIMES)
    for origin in plan_origins(labels.layout, 2):
        assert max(map(labels.layout.window_end_us, origin.train)) <= origin.val[0]
        assert max(map(labels.layout.window_end_us, origin.val)) <= labels.layout.val[0]


def test_one_split_is_what_a_search_uses_unless_told(run, query):
    plain = query.fit(models=MODELS, trials=1, **TIMES)
    assert plain.output("candidate[network:1]").value["curve"]["origins"] == []
    assert "origins" not in plain.output("candidate[network:1]").value["config"]


def test_what_cannot_be_rolled_is_refused(query):
    with pytest.raises(UserError, match=r"DATA131.*which is scored so, is not tried"):
        query.fit(models=("constant", "sage"), validation="rolling", **TIMES)
    with pytest.raises(UserError, match=r"DATA131.*validation is 'cross'"):
        query.fit(models=MODELS, validation="cross", **TIMES)
    with pytest.raises(UserError, match=r"DATA131.*origins is 3"):
        query.fit(models=MODELS, origins=3, **TIMES)
    with pytest.raises(UserError, match=r"DATA131.*origins"):
        query.fit(models=MODELS, validation="rolling", origins=1, **TIMES)
    with pytest.raises(UserError, match="DATA135"):
        query.fit(models=MODELS, trials=1, validation="rolling", start="2024-11-25", **TIMES)
