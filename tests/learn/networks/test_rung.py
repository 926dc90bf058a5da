"""The rung `sage`: learns what lies in the neighbors, and keeps the promises of every rung."""

import dataclasses
import json
import re

import numpy as np
import pyarrow as pa
import pytest

from weft.core import Silent, Split, TaskType, UserError
from weft.learn import (
    Asked,
    Predictor,
    evaluate,
    fit_candidate,
    get_metric,
    get_rung,
    load_model,
    read_predictions,
)
from weft.learn.view import asked

from ..synthetic import make_data as make_plain_data
from .planted import DAY, RESOURCES, make_data, make_tables, open_graph

CONFIG = {"channels": 16, "fanouts": [16, 4], "epochs": 10, "batch_size": 128, "learning_rate": 0.02}


NAMES = ["sage", "relgnn", "graph_transformer"]


def fit(data, seed=0, name="sage", **config):
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}
    return get_rung(name).fit(data, {**CONFIG, **config}, seed, **limits)


@pytest.fixture(scope="module")
def data(shop):
    return make_data(*shop)


@pytest.fixture(scope="module", params=NAMES)
def model(data, request):
    return fit(data, name=request.param)


def test_it_learns_what_only_the_neighbors_tell(data, model):
    score = data.test.score(get_metric("auroc"), model.score_rows(asked(data, data.test)))
    assert score > 0.9
    assert model.curve["best"] >= 0 and len(model.curve["loss"]) == len(model.curve["gain"])


@pytest.mark.parametrize("kind", [TaskType.REGRESSION, TaskType.MULTICLASS, TaskType.MULTILABEL])
def test_it_does_every_kind_of_task(shop, kind, tmp_path):
    data = make_data(*shop, kind=kind)
    candidate = fit_candidate(data, "sage", CONFIG, 0, tmp_path, resources=RESOURCES)
    least = fit_candidate(data, "constant", {}, 0, tmp_path / "constant", resources=RESOURCES)
    metric = get_metric(candidate.metric)
    assert not candidate.left_out
    assert metric.gain(candidate.test, least.test) > 0


def test_a_saved_model_predicts_the_same_and_is_one_folder_of_plain_files(data, model, tmp_path):
    model.save(tmp_path / "model")
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"model.json", "weights.safetensors"}
    again = load_model(tmp_path / "model")
    rows = asked(data, data.test)
    assert np.array_equal(again.score_rows(rows), model.score_rows(rows))
    assert again.words == model.words


def test_dictionaries_of_a_source_are_encoded_once_however_often_it_is_asked(
    data, model, shop, tmp_path, monkeypatch
):
    from weft.learn.networks import model as module

    made = []
    whole = module.BatchMaker
    monkeypatch.setattr(module, "BatchMaker", lambda *given: made.append(given) or whole(*given))
    model.save(tmp_path / "model")
    again, rows = load_model(tmp_path / "model"), asked(data, data.test)
    first = again.score_rows(rows)
    again.divide_rows(rows.take(np.arange(130)))
    assert len(made) == 1
    other = open_graph(make_tables()[0], tmp_path)
    elsewhere = dataclasses.replace(rows, graph=dataclasses.replace(rows.graph, source=other))
    assert np.array_equal(again.score_rows(elsewhere), first)
    assert len(made) == 2


def test_the_same_data_and_seed_give_the_same_model(data, model):
    rows = asked(data, data.test)
    assert np.array_equal(fit(data, name=model.rung).score_rows(rows), model.score_rows(rows))
    other = fit(data, seed=1, name=model.rung, epochs=1)
    assert not np.array_equal(other.score_rows(rows), model.score_rows(rows))


def test_what_comes_after_an_anchor_changes_no_prediction(data, model, shop, tmp_path):
    anchor = 220
    changed = open_graph(make_tables(after=anchor)[0], tmp_path)
    usual = asked(data, data.test)
    first = np.flatnonzero(data.test.seeds["anchor_time"].cast("int64").to_numpy() == anchor * DAY)
    before = model.score_rows(usual.take(first))
    other = dataclasses.replace(usual, graph=dataclasses.replace(usual.graph, source=changed))
    assert np.array_equal(model.score_rows(other.take(first)), before)
    assert not np.array_equal(model.score_rows(other), model.score_rows(usual))


def test_a_date_that_lies_after_the_anchor_is_not_read(data, model, shop, tmp_path):
    anchor = 220
    changed = open_graph(make_tables(delivered_after=anchor + 1)[0], tmp_path)
    usual = asked(data, data.test)
    first = np.flatnonzero(data.test.seeds["anchor_time"].cast("int64").to_numpy() == anchor * DAY)
    other = dataclasses.replace(usual, graph=dataclasses.replace(usual.graph, source=changed))
    assert np.array_equal(model.score_rows(other.take(first)), model.score_rows(usual.take(first)))
    assert not np.array_equal(model.score_rows(other), model.score_rows(usual))


@pytest.mark.parametrize("name", NAMES)
def test_a_link_over_a_refused_column_is_not_walked(data, name):
    refused = frozenset({("orders", "item_id")})
    limited = dataclasses.replace(data, graph=dataclasses.replace(data.graph, excluded=refused))
    model = fit(limited, name=name, epochs=1)
    assert [link.parent for link in model.inputs.links] == ["users"]
    rows = asked(limited, limited.test).first(8)
    model.network.eval()
    feeder, seeds, _ = model._fed(rows)
    made = feeder.make(seeds, np.arange(8), 0)
    assert "items" not in made.rows or all(
        "items" not in (e.source_table, e.target_table) for e in made.edges
    )
    assert name != "graph_transformer" or "items" not in made.rows


def test_candidate_and_predictor_carry_the_graph(data, tmp_path):
    fit_candidate(data, "sage", {**CONFIG, "epochs": 2}, 0, tmp_path, resources=RESOURCES)
    predictor = Predictor.open(tmp_path)
    features = pa.table({"noise": np.asarray(data.test.matrix[:, 0], np.float64)})
    predicted = predictor.predict(features, data.test.seeds, data.graph)
    stored = predictor.candidate.calibration.apply(read_predictions(tmp_path, Split.TEST))
    assert predicted == pytest.approx(stored, abs=1e-6)


def test_features_alone_are_refused_by_the_model(data, model):
    with pytest.raises(Exception, match="reads a graph") as refused:
        model.score(data.test.matrix)
    assert refused.value.code == "LEARN044"


def test_data_without_a_graph_leave_the_rung_out(tmp_path):
    plain = make_plain_data(TaskType.BINARY)
    candidate = fit_candidate(plain, "sage", CONFIG, 0, tmp_path, resources=RESOURCES)
    assert "no graph" in candidate.left_out


def test_a_budget_below_one_epoch_leaves_the_rung_out_and_says_so(data, tmp_path):
    config = {**CONFIG, "budget_s": 1e-6}
    candidate = fit_candidate(data, "sage", config, 0, tmp_path, resources=RESOURCES)
    assert "too few for one pass over the 750 train rows" in candidate.left_out
    about = re.search(r"which take about (\d[\d.e+-]*) s", candidate.left_out)
    with pytest.raises(UserError) as raised:
        evaluate(data, [tmp_path], seed=0, directory=tmp_path)
    reason = candidate.left_out.removeprefix("the rung 'sage' was left out: ").removesuffix(".")
    assert raised.value.message == f"no model could be fitted (sage: {reason})."
    named = re.fullmatch(
        r"give 'sage' alone a budget of (\d+) s or more, or try other models.", raised.value.hint
    )
    enough = {**CONFIG, "budget_s": float(named[1])}
    assert float(named[1]) >= float(about[1])
    assert not fit_candidate(data, "sage", enough, 0, tmp_path / "enough", resources=RESOURCES).left_out


def test_relgnn_takes_one_hop_where_nothing_is_said_since_it_crosses_bridges(data, tmp_path):
    rest = {k: v for k, v in CONFIG.items() if k != "fanouts"} | {"epochs": 1}
    for name, fanouts in (("relgnn", (24,)), ("sage", (32, 16))):
        fit_candidate(data, name, rest, 0, tmp_path / name, resources=RESOURCES)
        assert load_model(tmp_path / name / "model").config.fanouts == fanouts


def test_a_loss_that_is_not_finite_before_the_first_look_leaves_the_rung_out_and_says_why(data, tmp_path):
    config = {**CONFIG, "learning_rate": 1e30}
    candidate = fit_candidate(data, "sage", config, 0, tmp_path, resources=RESOURCES)
    told = "the loss of epoch 1 is not finite at step 2, learning rate 3.33e+29"
    assert candidate.left_out == f"the rung 'sage' was left out: {told}."
    assert candidate.test is None and not (tmp_path / "model").exists()


def test_an_unknown_setting_or_loss_is_refused_by_name(data):
    with pytest.raises(UserError, match="no setting 'chanels'") as refused:
        fit(data, chanels=3)
    assert refused.value.code == "LEARN043"
    with pytest.raises(UserError, match="no loss 'mae'") as refused:
        fit(data, loss="mae")
    assert refused.value.code == "LEARN043"


def test_an_entity_that_the_graph_lacks_is_refused_by_its_key(data, model):
    seeds = pa.table({"entity": [10**6], "anchor_time": data.test.seeds["anchor_time"][:1]})
    with pytest.raises(UserError, match="1000000") as refused:
        model.score_rows(Asked(seeds, np.zeros((1, 1), np.float32), data.graph))
    assert refused.value.code == "LEARN042"


def test_embeddings_are_a_vector_per_seed(data, model):
    rows = asked(data, data.test).first(5)
    assert model.embed_rows(rows).shape == (5, CONFIG["channels"])


def test_a_fit_goes_on_from_the_weights_of_a_saved_one(data, tmp_path):
    first = fit(data, epochs=3)
    first.save(tmp_path / "first")
    on = fit(data, epochs=1, start=str(tmp_path / "first"), learning_rate=1e-7)
    anew = fit(data, epochs=1, learning_rate=1e-7)
    asked_test = asked(data, data.test)
    assert np.allclose(on.score_rows(asked_test), first.score_rows(asked_test), atol=1e-3)
    assert not np.allclose(anew.score_rows(asked_test), first.score_rows(asked_test), atol=1e-2)
    on.save(tmp_path / "on")
    assert str(tmp_path) not in (tmp_path / "on" / "model.json").read_text()


def test_a_fit_does_not_go_on_from_weights_that_do_not_fit_or_know_too_much(data, tmp_path):
    fit(data, epochs=1).save(tmp_path / "first")
    start = {"start": str(tmp_path / "first"), "epochs": 1}
    with pytest.raises(UserError, match=r"LEARN046.*of the kind 'sage'"):
        fit(data, name="relgnn", **start)
    with pytest.raises(UserError, match=r"LEARN046.*channels"):
        fit(data, channels=4, **start)
    document = json.loads((tmp_path / "first" / "model.json").read_text())
    document["state"]["inputs"]["until_us"] += 1
    (tmp_path / "first" / "model.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"LEARN046.*later than the train rows"):
        fit(data, **start)
