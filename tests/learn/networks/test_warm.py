"""Warm starts: a fit goes on from the network of an earlier run where it fits, and says where it does not."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

from weft.core import History, Silent, UserError
from weft.learn import TrainingData, fit_candidate, get_rung, load_model
from weft.learn.encoder import Encoder
from weft.learn.networks.inputs import SeedTerms
from weft.learn.networks.starting import _NO_VALUE, _found_again
from weft.learn.rungs.linear_terms import Term
from weft.learn.view import asked

from ..synthetic import categorical, numerical
from .planted import RESOURCES, make_data, make_tables, open_graph

CONFIG = {"channels": 16, "fanouts": [16, 4], "epochs": 8, "batch_size": 128, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def data(shop):
    return make_data(*shop)


@pytest.fixture(scope="module")
def earlier(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    return fit_candidate(data, "sage", CONFIG, 0, folder, resources=RESOURCES), folder


def fit(data, folder, name="sage", *, seed=5, **config):
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}
    return get_rung(name).fit(data, {**config, "warm": str(folder)}, seed, **limits)


def test_a_warm_fit_begins_at_the_val_score_that_the_earlier_one_ended_with(data, earlier, tmp_path):
    candidate, folder = earlier
    warm = fit(data, folder, epochs=2, learning_rate=1e-6)
    ended = candidate.curve.kept
    assert warm.curve["began"] == pytest.approx(ended, abs=1e-6)
    assert warm.curve["gain"][0] == pytest.approx(ended, abs=1e-3)
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}
    cold = get_rung("sage").fit(data, {**CONFIG, "epochs": 2, "learning_rate": 1e-6}, 5, **limits)
    assert cold.curve["began"] is None and cold.curve["gain"][0] < ended - 0.1
    assert "it began with the weights of an earlier network" in warm.words
    assert "began" not in cold.words


def test_it_takes_the_settings_and_the_encoders_of_the_earlier_network(data, earlier):
    before = load_model(earlier[1] / "model")
    model = fit(data, earlier[1], epochs=1, encoders={"numbers": "auto"}, loss="cross_entropy")
    assert (model.config.channels, model.config.fanouts, model.config.epochs) == (16, (16, 4), 1)
    assert model.inputs.tables == before.inputs.tables and model.goal.scale == before.goal.scale
    assert model.config.start == ""


def test_a_fit_that_finds_nothing_better_keeps_what_it_began_with(data, earlier):
    # Steps so long that they lead away from what was learned.
    worse = fit(data, earlier[1], epochs=1, learning_rate=3.0, averaging=0.0, clip=100.0)
    assert worse.curve["gain"][0] < worse.curve["began"] and worse.curve["best"] == -1
    rows = asked(data, data.test)
    before = load_model(earlier[1] / "model")
    assert np.allclose(worse.score_rows(rows), before.score_rows(rows), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        ("relgnn", {}, "of the kind 'sage', not 'relgnn'"),
        ("sage", {"channels": 8}, "its channels is 16, not 8"),
        ("sage", {"fanouts": [4]}, "its fanouts is"),
        ("sage", {"loss": "focal"}, "its loss is 'cross_entropy', not 'focal'"),
        ("sage", {"encoders": {"numbers": "bins"}}, "its encoders are {}, not {'numbers': 'bins'}"),
    ],
)
def test_a_network_that_is_built_in_another_way_begins_anew_and_says_why(data, earlier, name, config, reason):
    model = fit(data, earlier[1], name, epochs=1, **config)
    assert model.curve["start"].startswith("it began anew: a fit cannot go on from")
    assert reason in model.words and model.curve["began"] is None


def test_a_schema_that_has_changed_is_told_column_by_column(data, earlier, tmp_path):
    tables, _ = make_tables()
    tables["users"] = tables["users"].append_column("age", pa.array(np.arange(len(tables["users"])) % 70.0))
    tables["orders"] = tables["orders"].drop_columns(["amount"])
    graph = dataclasses.replace(data.graph, source=open_graph(tables, tmp_path))
    model = fit(dataclasses.replace(data, graph=graph), earlier[1], epochs=1)
    words = model.curve["start"]
    assert "the schema has changed: orders.amount (float64) is gone, users.age (float64) is new" in words
    assert "age" in [c.name for t in model.inputs.tables if t.table == "users" for c in t.columns]


def test_a_column_that_the_audit_now_refuses_is_not_read_on(data, earlier):
    refused = dataclasses.replace(data.graph, excluded=frozenset({("items", "price")}))
    model = fit(dataclasses.replace(data, graph=refused), earlier[1], epochs=1)
    assert "items.price (float64) is gone" in model.curve["start"]
    assert "price" not in [c.name for t in model.inputs.tables for c in t.columns]


def test_what_was_learned_or_chosen_on_later_rows_is_not_gone_on_from(data, earlier):
    # As if val were the last train day of the earlier run, and its val the test of now.
    moved = dataclasses.replace(data, val=data.train, test=data.val)
    assert "it was chosen on rows that come later than val" in fit(moved, earlier[1], epochs=1).words
    first = data.train.take(np.arange(len(data.train) // 2))
    shorter = dataclasses.replace(data, train_by_name={"own": first})
    assert "labels later than the train rows" in fit(shorter, earlier[1], epochs=1).words


def test_rows_that_an_earlier_train_may_have_held_are_not_val_or_test_of_a_warm_fit(data, earlier, tmp_path):
    # As if rows were divided by entity: the splits share their anchors.
    rows = data.train
    part = rows.seeds["entity"].to_numpy() % 3
    parts = [rows.take(np.flatnonzero(part == number)) for number in range(3)]

    def divided(train, val, test):
        own = {"own": parts[train]}
        return dataclasses.replace(data, train_by_name=own, val=parts[val], test=parts[test])

    fit_candidate(divided(0, 1, 2), "sage", {**CONFIG, "epochs": 1}, 0, tmp_path, resources=RESOURCES)
    refused = "it may have learned from rows that are val or test now"
    assert refused in fit(divided(1, 0, 2), tmp_path, epochs=1).words
    assert refused in fit(divided(1, 2, 0), tmp_path, epochs=1).words
    assert "it began with" in fit(divided(0, 1, 2), tmp_path, epochs=1).words
    assert "it began with" in fit(divided(0, 2, 1), tmp_path, epochs=1).words


def test_a_later_fit_knows_until_when_a_warm_one_has_learned(data, earlier, tmp_path):
    first = data.train.take(np.arange(len(data.train) // 2))
    shorter = dataclasses.replace(data, train_by_name={"own": first})
    candidate = fit_candidate(shorter, "sage", {**CONFIG, "epochs": 1}, 0, tmp_path, resources=RESOURCES)
    assert not candidate.left_out
    warm = fit(data, tmp_path, epochs=1)
    last = max(data.train.seeds["anchor_time"].cast("int64").to_pylist())
    assert "it began with" in warm.words and warm.inputs.until_us == last


def test_another_question_is_not_gone_on_with(data, earlier):
    task = dataclasses.replace(data.task, top_k=3)
    other = dataclasses.replace(data, outline=dataclasses.replace(data.outline, task=task))
    assert "it answers another question" in fit(other, earlier[1], epochs=1).words


def test_a_damaged_candidate_is_told(data, earlier, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(UserError, match="LEARN009"):
        fit(data, tmp_path, epochs=1)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (("told",), "without a feature that is not made any more and counts as average: noise"),
        (("more",), "without 2 features that are not made any more and count as average: told, noise"),
    ],
)
def test_a_fit_on_data_that_lack_a_feature_goes_on_and_says_what_it_does_without(data, tmp_path, left, words):
    def having(*names):
        rng = np.random.default_rng(3)
        values = {name: rng.normal(size=1_200) for name in ("told", "noise", "more")}
        label = np.concatenate([rows.targets.values for rows in (data.train, data.val, data.test)])
        values["told"] += label
        rows = pa.concat_tables([rows.seeds for rows in (data.train, data.val, data.test)])
        split = np.repeat(["train", "val", "test"], [len(data.train), len(data.val), len(data.test)])
        made = TrainingData.build(
            task=data.task,
            history=History.SEED_TIME,
            features=tuple(numerical(name) for name in names),
            feature_table=pa.table({name: values[name] for name in names}),
            labels=rows.append_column("label", pa.array(label > 0)).append_column("split", pa.array(split)),
        )
        return dataclasses.replace(made, graph=data.graph)

    config = {**CONFIG, "epochs": 3, "features": "all"}
    fit_candidate(having("told", "noise"), "sage", config, 0, tmp_path, resources=RESOURCES)
    lacking = having(*left)
    model = fit(lacking, tmp_path, epochs=1)
    assert words in model.words and model.curve["began"] is not None
    again = fit(having("told", "noise"), tmp_path, epochs=1)
    assert "without" not in again.words
    scores = model.score_rows(asked(lacking, lacking.test))
    assert np.isfinite(scores).all() and len(np.unique(scores)) > 10


def test_features_of_the_seed_are_found_again_by_name_and_categories_by_value():
    was = Encoder((numerical("a"), categorical("c")), {"c": ("x", "y")})
    now = Encoder((categorical("c"), numerical("new"), numerical("a")), {"c": ("y", "z")})
    seed = SeedTerms(
        (Term(0, knots=(0.0, 1.0)), Term(1, code=2), Term(1, code=3), Term(1, code=0)), (0.0,) * 4
    )
    found, lost = _found_again(seed, was, now)
    assert not lost and [(t.feature, t.code) for t in found.terms] == [
        (2, None),
        (0, _NO_VALUE),
        (0, 2),
        (0, 0),
    ]
    left, lost = _found_again(seed, was, Encoder((numerical("a"),), {}))
    assert lost == ("c",)
    # What is lost is always at its mean, whatever the rows are.
    assert not left.compute(np.array([[-1.0], [7.0]], np.float32))[:, 1:].any()
