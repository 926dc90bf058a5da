"""The rungs `two_tower`, `id_gnn` and `hybrid`: what only neighbors tell, and the promises of every rung."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch

from weft.core import History, Silent, Split, UserError
from weft.learn import (
    Asked,
    Predictor,
    RankingData,
    evaluate,
    fit_candidate,
    get_metric,
    get_rung,
    load_model,
    load_training_data,
    predict_table,
    read_predictions,
    save_training_data,
)
from weft.learn.networks import recommending
from weft.learn.networks.device_items import DeviceItems
from weft.learn.view import asked

from ..synthetic import DAY
from .planted import RESOURCES
from .planted_lists import ANCHORS, FEATURES, ITEMS, KINDS, TASK, USERS, make_lists, make_orders, open_shop

NAMES = ("two_tower", "id_gnn", "hybrid")
CONFIG = {
    "channels": 32,
    "batch_size": 64,
    "learning_rate": 0.006,
    "dropout": 0.0,
    "features": "none",
    "options": {"negatives": 64, "item_fanouts": [8]},
}
AROUND = {"fanouts": [10, 1, 1, 12], "epochs": 2}
OWN = {"two_tower": {"fanouts": [16, 4], "epochs": 6}, "id_gnn": AROUND, "hybrid": AROUND}
METRIC = get_metric("map@5")
LAST = ANCHORS[-1]


def fit(data, name, seed=0, **config):
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}
    return get_rung(name).fit(data, {**CONFIG, **OWN[name], **config}, seed, **limits)


@pytest.fixture(scope="module")
def models(lists):
    return {name: fit(lists, name) for name in NAMES}


@pytest.fixture(params=NAMES)
def model(models, request):
    return models[request.param]


def on(rows, source, **rest):
    return dataclasses.replace(rows, graph=dataclasses.replace(rows.graph, source=source, **rest))


def score(data, model):
    return data.test.score(METRIC, model.score_rows(asked(data, data.test)))


def test_it_is_better_than_popularity_and_repeats_by_far(lists, model):
    simple = [
        get_rung(n).fit(lists, {}, 0, resources=RESOURCES, deadline=None, progress=Silent())
        for n in ("popularity", "repeat")
    ]
    assert score(lists, model) > 3 * max(score(lists, m) for m in simple)
    assert model.curve["gain"][model.curve["best"]] == max(model.curve["gain"])
    assert model.curve["metric"] == "map@5"
    assert "graph network over" in model.words


def test_lists_of_val_are_held_out_of_the_choice_among_epochs(lists, model, monkeypatch):
    shown = model.val_prediction
    assert shown.shape == lists.val.seed.shape and np.isfinite(shown).all()
    gain = model.curve["gain"]
    assert lists.val.score(METRIC, shown) == pytest.approx(max(gain), abs=0.1)
    if len(gain) == 1:
        assert lists.val.score(METRIC, shown) == pytest.approx(gain[0])
    monkeypatch.setattr("weft.learn.networks.ranking_fit._MOST_VAL_SEEDS", 20)
    assert fit(lists, model.rung, epochs=1).val_prediction is None


def test_what_comes_after_an_anchor_changes_no_score(lists, model, tmp_path):
    changed = open_shop(tmp_path, after=LAST)
    usual = asked(lists, lists.test)
    assert np.array_equal(model.score_rows(on(usual, changed)), model.score_rows(usual))
    assert model.recommend(on(usual, changed), 5).equals(model.recommend(usual, 5))
    earlier = open_shop(tmp_path / "earlier", after=LAST - 30)
    assert not np.array_equal(model.score_rows(on(usual, earlier)), model.score_rows(usual))


def test_an_order_at_the_very_anchor_is_seen_and_one_just_after_is_not(lists, model, tmp_path):
    usual = asked(lists, lists.test)
    mine = usual.take(np.flatnonzero(lists.test.seeds["entity"].to_numpy()[lists.test.seed] == 0))
    before = model.score_rows(mine)
    at, later = (open_shop(tmp_path / str(d), at=LAST * DAY + d) for d in (0, 1))
    assert not np.array_equal(model.score_rows(on(mine, at)), before)
    assert np.array_equal(model.score_rows(on(mine, later)), before)


def test_frozen_history_ends_at_the_cutoff(lists, model, tmp_path):
    frozen = make_lists(lists.graph.source, frozen_at=LAST - 40)
    usual = asked(frozen, frozen.test)
    changed = open_shop(tmp_path, after=LAST - 40)
    assert np.array_equal(model.score_rows(on(usual, changed)), model.score_rows(usual))
    assert not np.array_equal(model.score_rows(usual), model.score_rows(asked(lists, lists.test)))


READ_BACK = """
import dataclasses, json, pathlib, sys
import weft.graph as graph, weft.learn as learn
from weft.learn.view import asked
place = pathlib.Path(sys.argv[1])
view = learn.GraphView(graph.Source(graph.Store(sys.argv[2])))
data = dataclasses.replace(learn.load_training_data(place / "data"), graph=view)
rows = asked(data, data.test)
print(json.dumps({n: learn.load_model(place / n).score_rows(rows)[:500].tolist() for n in sys.argv[3:]}))
"""


def test_another_process_reads_models_back_to_the_same_scores(lists, models, tmp_path):
    for name, model in models.items():
        model.save(tmp_path / name)
        files = {p.name for p in (tmp_path / name).iterdir()}
        assert files == {"model.json", "weights.safetensors", "items.arrow"}
        assert load_model(tmp_path / name).words == model.words
    save_training_data(tmp_path / "data", lists)
    command = [
        sys.executable,
        "-c",
        READ_BACK,
        str(tmp_path),
        str(lists.graph.source.store.directory),
        *NAMES,
    ]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    for name, scores in json.loads(said.stdout).items():
        expected = models[name].score_rows(asked(lists, lists.test))[:500]
        assert scores == pytest.approx(expected, abs=1e-5)


def test_the_same_data_and_seed_give_the_same_model(lists, model):
    rows = asked(lists, lists.test).first(400)
    same, again, other = (fit(lists, model.rung, seed=s, epochs=1).score_rows(rows) for s in (0, 0, 1))
    assert np.array_equal(same, again) and not np.array_equal(same, other)


def test_new_items_and_new_users_are_scored_sensibly(lists, model, tmp_path):
    grown = open_shop(tmp_path, extra_items=KINDS, extra_users=1)
    rows, _, kind = make_orders()
    users, items = rows[rows[:, 2] < LAST, :2].T
    taste = np.array([np.bincount(kind[items[users == u]], minlength=KINDS).argmax() for u in range(USERS)])
    count = np.bincount(users, minlength=USERS)
    sure = np.flatnonzero(count >= 6)
    seeds = pa.table(
        {
            "entity": [*sure.tolist(), USERS],
            "anchor_time": pa.array([LAST * DAY] * (len(sure) + 1), pa.timestamp("us")),
        }
    )
    seed = np.repeat(np.arange(len(sure) + 1), KINDS)
    new = pa.array(np.tile(np.arange(ITEMS, ITEMS + KINDS), len(sure) + 1))
    pairs = dataclasses.replace(asked(lists, lists.test).pairs, seed=seed, items=new)
    asking = Asked(seeds, np.zeros((len(seed), len(FEATURES)), np.float32), lists.graph, pairs)
    scores = model.score_rows(on(asking, grown)).reshape(-1, KINDS)
    assert np.isfinite(scores).all()
    assert (scores[:-1].argmax(axis=1) == taste[sure]).mean() > 0.6
    nowhere = dataclasses.replace(pairs, items=pa.array([10**6, *new.to_pylist()[1:]]))
    mixed = model.score_rows(on(dataclasses.replace(asking, pairs=nowhere), grown))
    assert mixed.argmin() == 0 and mixed[1:] == pytest.approx(scores.ravel()[1:], abs=1e-5)
    nothing = dataclasses.replace(pairs, items=pa.array([10**6] * len(seed)))
    assert len(set(model.score_rows(on(dataclasses.replace(asking, pairs=nothing), grown)))) == 1


@pytest.mark.parametrize("name", NAMES)
def test_excluded_columns_are_neither_read_nor_walked_over(lists, name):
    refused = frozenset({("orders", "item_id"), ("items", "shelf")})
    limited = dataclasses.replace(lists, graph=dataclasses.replace(lists.graph, excluded=refused))
    model = fit(limited, name, epochs=1)
    assert {(link.child, link.parent) for link in model.inputs.links} == {
        ("items", "kinds"),
        ("orders", "users"),
    }
    read = {t.table: [c.name for c in t.columns] for t in model.inputs.tables}
    assert "shelf" not in read["items"] and "price" in read["items"]


def test_the_search_finds_what_scoring_every_item_finds(lists, model):
    rows, listed, _ = make_orders()
    seeds = lists.test.seeds.slice(0, 40)
    existing = np.flatnonzero(listed < LAST)
    seed, items = np.repeat(np.arange(40), len(existing)), np.tile(existing, 40)
    pairs = dataclasses.replace(lists.test.pairs, seed=seed, items=pa.array(items))
    every = Asked(seeds, np.zeros((len(seed), len(FEATURES)), np.float32), lists.graph, pairs)
    bought = rows[(rows[:, 2] < LAST) & (rows[:, 0] < 40)]
    seen = pa.table({"seed": bought[:, 0], "item": bought[:, 1]})
    scores = model.score_rows(every).reshape(40, -1).copy()
    for user, item, _ in bought:
        scores[user, np.searchsorted(existing, item)] = -np.inf
    found = model.recommend(Asked(seeds, np.zeros((0, len(FEATURES))), lists.graph), 5, seen=seen)
    assert found["rank"].to_pylist()[:5] == [1, 2, 3, 4, 5]
    least = 0 if model.rung == "id_gnn" else 40 * 5
    assert least <= found.num_rows <= 200
    for user in range(40):
        own = np.flatnonzero(found["seed"].to_numpy() == user)
        best = np.sort(scores[user])[::-1][: len(own)]
        listed_scores = found["score"].to_numpy()[own]
        if model.rung == "id_gnn":
            assert not set(found["item"].to_numpy()[own]) & set(bought[bought[:, 0] == user, 1])
        else:
            assert listed_scores == pytest.approx(best, abs=1e-4)
        of = scores[user, np.searchsorted(existing, found["item"].to_numpy()[own])]
        assert listed_scores == pytest.approx(of, abs=1e-4)


@pytest.mark.parametrize("name", ["two_tower", "hybrid"])
def test_a_device_that_searches_itself_finds_the_same(lists, models, name, monkeypatch):
    seeds = lists.test.seeds.slice(0, 60)
    rows, _, _ = make_orders()
    bought = rows[(rows[:, 2] < LAST) & (rows[:, 0] < 60)]
    seen = pa.table({"seed": bought[:, 0], "item": bought[:, 1]})
    every = Asked(seeds, np.zeros((0, len(FEATURES))), lists.graph)
    expected = models[name].recommend(every, 5, seen=seen)
    searched = []

    class Noted(DeviceItems):
        def best(self, users, seen=None):
            searched.append(len(users))
            return super().best(users, seen)

    monkeypatch.setattr(recommending, "DeviceItems", Noted)
    monkeypatch.setattr(recommending, "searches_itself", lambda device: True)
    found = models[name].recommend(every, 5, seen=seen)
    assert sum(searched) == 60
    assert found.drop_columns("score").equals(expected.drop_columns("score"))
    assert found["score"].to_numpy() == pytest.approx(expected["score"].to_numpy(), abs=1e-5)


def test_a_gpu_searches_itself_and_the_cpu_does_not():
    devices = [torch.device("cuda", 1), torch.device("cpu")]
    assert [recommending.searches_itself(d) for d in devices] == [True, False]


def test_candidates_count_with_their_features_when_items_are_recommended(lists):
    model = fit(lists, "hybrid", features="all", epochs=1)
    rows = asked(lists, lists.test)
    few = dataclasses.replace(rows.first(300), seeds=rows.seeds.slice(0, int(rows.pairs.seed[299]) + 1))
    found = model.recommend(few, 3)
    pairs = zip(few.pairs.seed.tolist(), few.pairs.items.to_pylist(), strict=True)
    told = dict(zip(pairs, model.score_rows(few), strict=True))
    listed = zip(*(found[name].to_pylist() for name in ("seed", "item", "score")), strict=True)
    both = [(told[seed, item], score) for seed, item, score in listed if (seed, item) in told]
    assert both
    assert all(score == pytest.approx(expected, abs=1e-4) for expected, score in both)


def test_candidate_predictor_evaluation_and_answer_carry_the_graph(lists, tmp_path):
    config = {**CONFIG, **OWN["hybrid"], "features": "all", "epochs": 1}
    fit_candidate(lists, "hybrid", config, 0, tmp_path / "hybrid", resources=RESOURCES)
    fit_candidate(lists, "popularity", {}, 0, tmp_path / "popularity", resources=RESOURCES)
    predictor = Predictor.open(tmp_path / "hybrid")
    names = [f.name for f in FEATURES]
    columns = {n: np.asarray(lists.test.matrix[:, i], np.float64) for i, n in enumerate(names)}
    table = pa.table({"seed": lists.test.seed, "item": lists.test.items, **columns})
    predicted = predictor.predict(table, lists.test.seeds, lists.graph)
    assert predicted == pytest.approx(read_predictions(tmp_path / "hybrid", Split.TEST), abs=1e-5)
    answer = predict_table(predictor, TASK, lists.test.seeds, table, graph=lists.graph)
    assert answer.num_rows == 5 * USERS
    folders = [tmp_path / "hybrid", tmp_path / "popularity"]
    found = evaluate(lists, folders, seed=0, directory=tmp_path)
    assert found.winner == "hybrid" and found.examples


def test_a_budget_buys_epochs_and_one_too_small_says_what_it_takes(lists, tmp_path):
    config = {**CONFIG, **OWN["two_tower"]}
    few = fit_candidate(lists, "two_tower", {**config, "budget_s": 1e-6}, 0, tmp_path, resources=RESOURCES)
    assert "too few for one pass" in few.left_out
    assert 0 < len(fit(lists, "two_tower", budget_s=1.0).curve["loss"]) < OWN["two_tower"]["epochs"]


def test_data_without_a_graph_or_a_table_of_items_leave_the_rung_out(lists, tmp_path):
    plain = dataclasses.replace(lists, graph=None)
    assert "no graph" in fit_candidate(plain, "hybrid", CONFIG, 0, tmp_path, resources=RESOURCES).left_out
    task = dataclasses.replace(TASK, item_table=None)
    outline = dataclasses.replace(lists.outline, task=task)
    data = dataclasses.replace(lists, outline=outline)
    assert (
        "no rows of a table"
        in fit_candidate(data, "hybrid", CONFIG, 0, tmp_path, resources=RESOURCES).left_out
    )


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("loss", "mae", "no loss 'mae'"),
        ("options", {"negative": 3}, "no option 'negative'"),
        ("class_ratio", 2.0, "no setting 'class_ratio'"),
    ],
)
def test_settings_that_there_are_not_are_refused_by_name(lists, setting, value, words):
    with pytest.raises(UserError, match=words) as refused:
        fit(lists, "hybrid", **{setting: value})
    assert refused.value.code == "LEARN043"


def test_features_alone_are_refused(models, lists):
    with pytest.raises(Exception, match="reads a graph") as refused:
        models["hybrid"].score(lists.test.matrix)
    assert refused.value.code == "LEARN044"


def test_pairs_can_be_learned_from_one_by_one(lists):
    assert score(lists, fit(lists, "hybrid", loss="bpr")) > 0.15


def test_the_truth_is_kept_with_the_data(lists, tmp_path):
    save_training_data(tmp_path, lists)
    again = load_training_data(tmp_path)
    assert isinstance(again, RankingData) and again.outline.history is History.SEED_TIME
    assert again.train.truth.to_pylist() == lists.train.truth.to_pylist()
    few = lists.train.take(np.array([2, 5]))
    assert few.truth.to_pylist() == [lists.train.truth[i].as_py() for i in (2, 5)]
