"""Intervals: fast, the same every time, and about as wide as they should be."""

import time

import numpy as np
import pytest

from weft.learn import get_metric
from weft.learn.bootstrap import Interval, interval, num_resamples, resample
from weft.learn.targets import Targets


def numbers(values):
    return Targets(np.asarray(values, dtype=float), np.ones(len(values), dtype=np.int64))


def test_a_weighted_sample_scores_as_the_drawn_rows_do():
    rng = np.random.default_rng(3)
    truth, p = (rng.random(40) < 0.4).astype(float), rng.random(40)
    clusters = rng.integers(0, 12, size=40)
    metric = get_metric("auroc")
    found = resample(metric, numbers(truth), [p], clusters, seed=5, resamples=20)[0]
    again = np.random.default_rng(5)
    num = int(clusters.max()) + 1
    for value, drawn in zip(found, again.integers(0, num, size=(20, num)), strict=True):
        rows = np.concatenate([np.flatnonzero(clusters == c) for c in drawn])
        assert value == pytest.approx(metric.score(numbers(truth[rows]), p[rows]))


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    metric, held = get_metric("mae"), 0
    for trial in range(200):
        errors = rng.exponential(size=150)
        found = resample(metric, numbers(np.zeros(150)), [errors], np.arange(150), seed=trial, resamples=300)
        held += 1.0 in interval(found[0])
    assert 0.88 <= held / 200 <= 0.99


def test_rows_of_one_entity_do_not_pass_for_independent_evidence():
    rng = np.random.default_rng(1)
    errors = np.repeat(rng.exponential(size=30), 20)
    metric, rows = get_metric("mae"), numbers(np.zeros(600))
    alone = interval(resample(metric, rows, [errors], np.arange(600), seed=0)[0])
    together = interval(resample(metric, rows, [errors], np.repeat(np.arange(30), 20), seed=0)[0])
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_models_are_compared_on_the_same_samples():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=400)
    first = truth + rng.normal(size=400)
    second = first + 0.05
    drawn = resample(get_metric("rmse"), numbers(truth), [first, second], np.arange(400), seed=0)
    apart = interval(drawn[0]).high - interval(drawn[0]).low
    paired = interval(drawn[0] - drawn[1])
    assert paired.high - paired.low < apart / 5


def test_the_same_seed_draws_the_same_samples():
    rows, p = numbers([1.0, 0.0] * 50), np.linspace(0, 1, 100)
    draws = [resample(get_metric("auroc"), rows, [p], np.arange(100), seed=s) for s in (4, 4, 5)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()


def test_samples_of_one_class_have_no_score_and_too_few_scores_no_interval():
    rows = numbers([1.0] + [0.0] * 9)
    drawn = resample(get_metric("auroc"), rows, [np.arange(10.0)], np.arange(10), seed=0)[0]
    assert 0 < np.isnan(drawn).sum() < len(drawn)
    assert interval(drawn) is not None
    assert interval(np.array([np.nan, np.nan, 1.0])) is None
    assert interval(np.array([])) is None


def test_an_interval_knows_what_it_holds():
    assert 0.5 in Interval(0.4, 0.6)
    assert 0.7 not in Interval(0.4, 0.6)


def test_large_tables_are_resampled_less_often():
    assert num_resamples(20_000) == 1000
    assert num_resamples(10**7) == 200


def test_a_thousand_resamples_of_twenty_thousand_rows_take_seconds():
    rng = np.random.default_rng(0)
    truth, p = (rng.random(20_000) < 0.2).astype(float), rng.random(20_000)
    start = time.process_time()
    resample(get_metric("auroc"), numbers(truth), [p], np.arange(20_000), seed=0)
    assert time.process_time() - start < 6.0
