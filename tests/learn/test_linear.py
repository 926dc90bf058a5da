"""The linear rung: what it adds up, and what it does with large data."""

import numpy as np
import pyarrow as pa
import pytest
from tests.learn.synthetic import RESOURCES, label_table, make_data, make_task, numerical

from weft.core import History, Silent, TaskType, UserError
from weft.learn import TrainingData, get_metric, get_rung
from weft.learn.rungs import linear
from weft.learn.rungs.linear_terms import Term, list_terms


def fit(data, seed=0, **config):
    return get_rung("linear").fit(data, config, seed, resources=RESOURCES, deadline=None, progress=Silent())


def test_a_number_is_spread_by_its_quantiles_and_a_missing_one_is_in_the_middle():
    values = np.append(np.exp(np.random.default_rng(0).normal(size=999) * 3), np.nan)
    number, missing = list_terms(0, numerical("x"), values)
    spread = number.apply(values)
    assert spread[-1] == 0.0
    assert np.std(spread) == pytest.approx(1.0, abs=0.15)
    order = np.argsort(values[:-1])
    assert (np.diff(spread[:-1][order]) >= 0).all()
    assert missing.apply(values).tolist() == [0.0] * 999 + [1.0]
    # Far outside of train it goes no further.
    assert number.apply(np.array([-1e30, 1e30])).tolist() == [spread[:-1].min(), spread[:-1].max()]


def test_a_feature_without_two_values_has_no_term():
    assert list_terms(0, numerical("x"), np.full(9, 3.0)) == []
    assert list_terms(0, numerical("x"), np.full(9, np.nan)) == []
    assert list_terms(0, numerical("x"), np.array([1.0, np.nan])) == [Term(0, is_missing=True)]


def skewed(metric):
    """Labels with a few huge ones: the mean is far from the median."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1200)
    label = np.exp(x + 1.5 * rng.normal(size=1200))
    return TrainingData.build(
        task=make_task(TaskType.REGRESSION),
        history=History.SEED_TIME,
        features=[numerical("x")],
        feature_table=pa.table({"x": x}),
        labels=label_table(pa.array(label)),
        metric=metric,
    )


def test_each_metric_gets_the_loss_it_rewards():
    found = {m: fit(skewed(m)).score(skewed(m).test.matrix) for m in ("mae", "rmse")}
    targets = skewed("mae").test.targets
    absolute, squared = get_metric("mae"), get_metric("rmse")
    assert absolute.score(targets, found["mae"]) < 0.9 * absolute.score(targets, found["rmse"])
    assert squared.score(targets, found["rmse"]) < squared.score(targets, found["mae"])


@pytest.mark.parametrize("kind", [TaskType.BINARY, TaskType.MULTICLASS, TaskType.REGRESSION])
def test_penalties_are_tried_on_a_sample_of_large_data(kind, monkeypatch):
    data = make_data(kind, n=1200)
    metric = get_metric(data.outline.chosen_metric)
    whole = metric.score(data.test.targets, prepared(fit(data), data))
    monkeypatch.setattr(linear, "_LEAST_ROWS", 100)
    monkeypatch.setattr(linear, "_PATH_CELLS", 2_000)
    sampled = metric.score(data.test.targets, prepared(fit(data), data))
    assert sampled == pytest.approx(whole, rel=0.08)


def prepared(model, data):
    predicted = model.score(data.test.matrix)
    return predicted.argmax(axis=1) if data.task.type is TaskType.MULTICLASS else predicted


def test_the_features_that_tell_most_are_kept(monkeypatch):
    monkeypatch.setattr(linear, "_MAX_FEATURES", 2)
    data = make_data(TaskType.REGRESSION, n=800)
    read = {data.features[t.feature].name for t in fit(data).terms}
    assert len(read) == 2
    assert "strong" in read
    assert not {n for n in read if n.startswith("noise")}


def test_many_rows_are_added_up_in_parts(monkeypatch):
    model, data = fit(make_data(TaskType.BINARY, n=600)), make_data(TaskType.BINARY, n=600)
    expected = model.raw(data.test.matrix)
    monkeypatch.setattr("weft.learn.rungs.linear_terms._CHUNK_ROWS", 7)
    np.testing.assert_allclose(model.raw(data.test.matrix), expected, atol=1e-12)
    divided = model.contribution_matrix(data.test.matrix)
    np.testing.assert_allclose(divided.sum(axis=1), expected, atol=1e-6)
    assert model.raw(data.test.matrix[:0]).shape == (0,)


def test_tasks_with_several_answers_are_refused():
    with pytest.raises(UserError, match="LEARN010: the rung 'linear' was left out: a multilabel task"):
        fit(make_data(TaskType.MULTILABEL, n=400))
