"""The ranker: what it is fitted on, and that chance and threads leave no trace."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.learn.synthetic import RESOURCES
from tests.learn.test_ranking import build, fit, tables

from weft.core import Resources, Silent
from weft.learn import Budget, get_metric, get_rung, load_model
from weft.learn.rungs import ranker


def fit_model(data, *, budget=1.0, seed=0, threads=2, deadline=None):
    rung = get_rung("ranker")
    config = rung.variants(data.outline, Budget(budget))[0]
    resources = Resources(RESOURCES.memory_bytes, threads)
    return rung.fit(data, config, seed, resources=resources, deadline=deadline, progress=Silent())


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture(scope="module")
def data():
    return build(*tables(num_seeds=160))


def test_two_fits_write_the_same_bytes_whatever_the_threads(data, tmp_path):
    for threads in (1, 2):
        fit_model(data, threads=threads).save(tmp_path / str(threads))
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_a_saved_ranker_scores_the_same(data, tmp_path):
    model = fit_model(data)
    model.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).score(data.test.matrix), model.score(data.test.matrix))
    divided = model.contribution_matrix(data.test.matrix)
    np.testing.assert_allclose(divided.sum(axis=1), model.raw(data.test.matrix), atol=1e-6)


def test_a_larger_budget_grows_more_boosters_and_a_passed_deadline_fewer(data, monkeypatch):
    few, many = (fit_model(data, budget=b).members for b in (1e-6, 1.0))
    assert 1 <= len(few) < len(many)
    assert len(fit_model(data, deadline=0.0).members) <= len(few)


def test_large_data_are_sampled_and_true_candidates_kept(data, monkeypatch):
    monkeypatch.setattr(ranker, "_LEAST_ROWS", 400)
    monkeypatch.setattr(ranker, "_ROWS_PER_S", 1)
    monkeypatch.setattr(ranker, "_MOST_VAL_ROWS", 100)
    forest = ranker._Forest(data, 0, 1_500)
    rows = forest._sample(1)
    assert len(rows) == pytest.approx(1_500, rel=0.1)
    assert len(forest.seeds) < len(data.train)
    kept = np.flatnonzero(data.train.is_true & np.isin(data.train.seed, forest.seeds))
    assert set(kept) <= set(rows)
    assert len(forest.val) < len(data.val)
    found = fit_model(data)
    metric = get_metric("map@5")
    assert data.test.score(metric, found.score(data.test.matrix)) > 0.3


def test_val_without_a_true_candidate_leaves_the_ranker_out(tmp_path):
    candidates, labels = tables(num_seeds=80)
    val = np.flatnonzero(np.array(labels["split"].to_pylist()) == "val")
    in_val = np.isin(candidates["seed"].to_numpy(), val)
    label = pc.and_(candidates["label"], pa.array(~in_val))
    data = build(candidates.set_column(candidates.column_names.index("label"), "label", label), labels)
    assert "no candidate of val is true" in fit(data, "ranker", tmp_path).left_out


def test_candidates_in_any_order_make_the_same_lists():
    candidates, labels = tables(num_seeds=80)
    shuffled = candidates.take(pa.array(np.random.default_rng(0).permutation(len(candidates))))
    metric = get_metric("map@5")
    ordered, mixed = build(candidates, labels), build(shuffled, labels)
    assert (np.diff(mixed.val.seed) >= 0).all()
    for found in (ordered.val, ordered.test):
        other = mixed.val if found is ordered.val else mixed.test
        assert other.score(metric, other.matrix[:, 1]) == found.score(metric, found.matrix[:, 1])


def test_an_item_named_twice_is_true_once():
    candidates, labels = tables(num_seeds=80)
    doubled = pa.array([items + items[:1] for items in labels["label"].to_pylist()])
    again = labels.set_column(labels.column_names.index("label"), "label", doubled)
    data = build(candidates, again)
    assert set(data.train.targets.num_true.tolist()) == {3}


def test_some_seeds_are_taken_with_their_candidates(data):
    rows = np.array([1, 4])
    taken = data.val.take(rows)
    own = np.isin(data.val.seed, rows)
    assert len(taken) == 2
    assert taken.seeds["entity"].to_pylist() == [data.val.seeds["entity"][int(r)].as_py() for r in rows]
    np.testing.assert_array_equal(taken.matrix, data.val.matrix[own])
    np.testing.assert_array_equal(rows[taken.seed], data.val.seed[own])
    metric = get_metric("hit@5")
    single = [data.val.form(metric, data.val.matrix[:, 1])[r] for r in rows]
    np.testing.assert_array_equal(taken.form(metric, taken.matrix[:, 1]), single)


def test_predictions_of_candidates_name_seed_and_item(data):
    table = data.val.with_prediction(np.arange(len(data.val.matrix), dtype=float))
    assert table.column_names == ["seed", "item", "prediction"]
    assert table["seed"].to_pylist() == data.val.seed.tolist()


def test_the_luck_of_trees_and_trials_is_not_in_the_score_of_val():
    """Features that tell nothing: what is chosen on val looks good there, and is not."""
    candidates, labels = tables(num_seeds=500)
    rng = np.random.default_rng(5)
    for place, name in enumerate(candidates.column_names):
        if name.startswith("score.") or name == "noise":
            candidates = candidates.set_column(place, name, pa.array(rng.normal(size=candidates.num_rows)))
    data, metric = build(candidates, labels), get_metric("map@5")
    model = fit_model(data, budget=3.0)
    shown, chosen = (data.val.score(metric, p) for p in (model.val_prediction, model.score(data.val.matrix)))
    by_chance = data.val.score(metric, rng.normal(size=len(data.val.seed)))
    assert chosen > shown + 0.005
    assert shown == pytest.approx(by_chance, abs=0.05)


def test_lists_without_a_true_candidate_and_those_of_a_large_val_are_predicted_by_the_model(
    data, monkeypatch
):
    model = fit_model(data)
    dull = ~np.isin(data.val.seed, data.val.seed[data.val.is_true])
    usual = model.score(data.val.matrix)
    np.testing.assert_array_equal(model.val_prediction[dull], usual[dull])
    assert not np.array_equal(model.val_prediction, usual)
    monkeypatch.setattr(ranker, "_MOST_VAL_ROWS", 40)
    assert fit_model(data).val_prediction is None
