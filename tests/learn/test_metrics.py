"""Each metric against the obvious way to compute it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learn.synthetic import make_task

from weft.core import TaskType, UserError
from weft.learn import get_metric, metric_names, metrics_for
from weft.learn.metrics import Needs, rank_items
from weft.learn.scoring import prepare, score
from weft.learn.targets import Targets


def targets(values, num_true=None):
    values = np.asarray(values)
    ones = np.ones(len(values), dtype=np.int64)
    return Targets(values, ones if num_true is None else np.asarray(num_true))


scored = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30)


@settings(max_examples=60, deadline=None)
@given(scored)
def test_auroc_is_the_share_of_pairs_in_order(rows):
    truth, scores = np.array([float(t) for t, _ in rows]), np.array([float(s) for _, s in rows])
    pairs = [(p, n) for p in scores[truth == 1] for n in scores[truth == 0]]
    found = get_metric("auroc").score(targets(truth), scores)
    if not pairs:
        assert found is None
    else:
        assert found == pytest.approx(np.mean([1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs]))


@settings(max_examples=60, deadline=None)
@given(scored)
def test_average_precision_adds_up_the_recall_steps(rows):
    truth, scores = np.array([float(t) for t, _ in rows]), np.array([float(s) for _, s in rows])
    found = get_metric("average_precision").score(targets(truth), scores)
    if not truth.any():
        assert found is None
        return
    expected, recall_before = 0.0, 0.0
    for cut in sorted(set(scores), reverse=True):
        named = scores >= cut
        recall = truth[named].sum() / truth.sum()
        expected += (recall - recall_before) * truth[named].mean()
        recall_before = recall
    assert found == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(scored, st.integers(0, 2**32 - 1))
def test_a_weight_counts_a_row_that_often(rows, seed):
    truth, scores = np.array([float(t) for t, _ in rows]), np.array([float(s) / 5 for _, s in rows])
    weights = np.random.default_rng(seed).integers(0, 4, size=len(rows))
    again = np.repeat(np.arange(len(rows)), weights)
    for name in ("auroc", "average_precision", "log_loss", "brier", "accuracy", "f1"):
        metric = get_metric(name)
        form = prepare(metric, targets(truth), scores)
        weighted = metric.weighted(targets(truth), form, weights[None, :].astype(float))[0]
        if not len(again):
            assert math.isnan(weighted)
            continue
        repeated = metric.score(targets(truth[again]), form[again])
        assert math.isnan(weighted) if repeated is None else weighted == pytest.approx(repeated), name


def test_probability_metrics_of_a_binary_task():
    truth, p = targets([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.2, 0.4, 0.6])
    assert get_metric("log_loss").score(truth, p) == pytest.approx(-np.mean(np.log([0.9, 0.8, 0.4, 0.4])))
    assert get_metric("brier").score(truth, p) == pytest.approx(np.mean([0.01, 0.04, 0.36, 0.36]))
    assert score(get_metric("accuracy"), truth, p) == 0.5
    assert score(get_metric("f1"), truth, p) == pytest.approx(0.5)
    assert score(get_metric("f1"), truth, p, threshold=0.3) == pytest.approx(2 * 2 / (2 * 2 + 1))


def test_log_loss_of_a_sure_mistake_stays_finite():
    assert get_metric("log_loss").score(targets([1.0]), np.array([0.0])) == pytest.approx(-math.log(1e-7))


def test_multiclass_counts_a_class_that_train_lacks_as_missed():
    truth = targets(np.array([0, 1, 2, -1]))
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    assert score(get_metric("accuracy"), truth, p) == 0.5
    losses = [-math.log(0.7), -math.log(0.8), -math.log(0.2), -math.log(1e-7)]
    assert score(get_metric("log_loss"), truth, p) == pytest.approx(np.mean(losses))
    # Class 0: one hit of 3 named; class 1: perfect; class 2: true but never named.
    expected = np.mean([2 * 1 / (1 + 3), 1.0, 0.0])
    assert score(get_metric("f1"), truth, p) == pytest.approx(expected)


def test_macro_average_precision_leaves_out_classes_that_are_never_true():
    values = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=np.uint8)
    p = np.array([[0.9, 0.3, 0.5], [0.1, 0.2, 0.5], [0.8, 0.1, 0.5]])
    second = (1 / 2) * (1 / 2) + (1 / 2) * (2 / 3)
    assert score(get_metric("map"), targets(values), p) == pytest.approx((1.0 + second) / 2)


def test_number_metrics():
    truth, p = targets([0.0, 2.0, 4.0]), np.array([1.0, 2.0, 2.0])
    assert get_metric("mae").score(truth, p) == pytest.approx(1.0)
    assert get_metric("rmse").score(truth, p) == pytest.approx(math.sqrt(5 / 3))
    assert get_metric("r2").score(truth, p) == pytest.approx(1 - 5 / 8)
    assert get_metric("mape").score(truth, p) == pytest.approx(np.mean([0.0, 0.5]))
    assert get_metric("r2").score(targets([3.0, 3.0]), np.array([3.0, 4.0])) is None
    assert get_metric("mape").score(targets([0.0]), np.array([1.0])) is None


def test_r2_of_labels_far_from_zero_is_not_lost_in_rounding():
    truth = 1e9 + np.array([0.0, 1.0, 2.0])
    assert get_metric("r2").score(targets(truth), truth) == pytest.approx(1.0)


def average_precision_at(k, items, true):
    hits, total = 0, 0.0
    for place, item in enumerate(items[:k], 1):
        if item in true:
            hits += 1
            total += hits / place
    return total / min(k, len(true))


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(6)), st.sets(st.integers(0, 8), min_size=1), st.integers(1, 6))
def test_metrics_of_lists(items, true, k):
    named = np.array([[item in true for item in items]])
    of = targets(np.zeros(1), [len(true)])
    expected = {
        "map": average_precision_at(k, items, true),
        "recall": len(true & set(items[:k])) / len(true),
        "precision": len(true & set(items[:k])) / k,
        "hit": float(bool(true & set(items[:k]))),
        "mrr": next((1 / p for p, i in enumerate(items[:k], 1) if i in true), 0.0),
        "ndcg": sum(1 / math.log2(p + 1) for p, i in enumerate(items[:k], 1) if i in true)
        / sum(1 / math.log2(p + 1) for p in range(1, min(k, len(true)) + 1)),
    }
    for name, value in expected.items():
        assert get_metric(f"{name}@{k}").score(of, named) == pytest.approx(value), name


def test_rows_without_a_true_item_are_left_out_of_lists():
    named = np.array([[True, False], [False, False]])
    assert get_metric("map@2").score(targets(np.zeros(2), [1, 0]), named) == 1.0
    assert get_metric("map@2").score(targets(np.zeros(1), [0]), named[1:]) is None


def test_items_are_ranked_within_their_seed_with_ties_by_popularity():
    seed = np.array([0, 0, 0, 1, 1])
    scores = np.array([1.0, 3.0, 1.0, np.nan, 0.0])
    popular = np.array([1.0, 0.0, 5.0, 9.0, 0.0])
    assert rank_items(seed, scores, popular).tolist() == [2, 0, 1, 1, 0]


def test_every_metric_says_what_it_is():
    for name in metric_names():
        metric = get_metric(name.replace("@k", "@5"))
        assert metric.name == name.replace("@k", "@5")
        assert metric.tasks
        assert metric.k == (5 if metric.needs is Needs.RANKING else None)
        assert metric.gain(2.0, 1.0) == (1.0 if metric.higher_is_better else -1.0)


def test_the_first_metric_of_a_task_is_what_models_are_chosen_by():
    for kind in TaskType:
        task = make_task(kind, top_k=3)
        assert metrics_for(task)[0].name == task.metric
        assert all(kind in m.tasks for m in metrics_for(task))


def test_an_unknown_metric_is_refused_with_those_that_exist():
    with pytest.raises(UserError, match=r"LEARN007.*'auc'.*\n.*auroc"):
        get_metric("auc")
    with pytest.raises(UserError, match="LEARN007"):
        get_metric("map@0")


def test_a_score_that_must_exist_is_an_error_where_it_does_not():
    with pytest.raises(UserError, match=r"LEARN014: the metric 'auroc' is undefined on these 2 rows"):
        get_metric("auroc").require(targets([1.0, 1.0]), np.array([0.1, 0.2]))
    assert get_metric("auroc").require(targets([1.0, 0.0]), np.array([0.1, 0.2])) == 0.0
