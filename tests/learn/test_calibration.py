"""Probabilities that mean what they say."""

import numpy as np
import pyarrow as pa
import pytest
from tests.learn.synthetic import make_task

from weft.core import TaskType, UserError, from_json, to_json
from weft.learn import Calibration, calibrate, get_metric
from weft.learn.calibration import best_threshold
from weft.learn.folds import number_folds
from weft.learn.rung import log_odds, sigmoid
from weft.learn.targets import Targets


def seeds(n, anchors=10):
    at = pa.array(np.arange(n) % anchors, pa.int64()).cast(pa.timestamp("us"))
    return pa.table({"entity": np.arange(n), "anchor_time": at})


def binary(truth):
    return Targets(np.asarray(truth, dtype=float), np.ones(len(truth), dtype=np.int64))


def overconfident(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=n)
    return binary(rng.random(n) < sigmoid(raw - 1.0)), sigmoid(4 * raw)


def test_overconfident_probabilities_are_corrected():
    truth, p = overconfident()
    found = calibrate(make_task(TaskType.BINARY), truth, p, seeds(3000))
    fresh_truth, fresh = overconfident(seed=1)
    loss = get_metric("log_loss")
    assert found.method == "platt"
    assert found.x == pytest.approx((0.25, -1.0), abs=0.1)
    assert loss.score(fresh_truth, found.apply(fresh)) < 0.8 * loss.score(fresh_truth, fresh)


def test_a_bent_curve_takes_the_isotonic_method():
    rng = np.random.default_rng(0)
    p = rng.random(6000)
    truth = binary(rng.random(6000) < np.where(p > 0.5, 0.9, 0.1 + 0.1 * p))
    found = calibrate(make_task(TaskType.BINARY), truth, p, seeds(6000))
    assert found.method == "isotonic"
    assert from_json(Calibration, to_json(found)) == found


@pytest.mark.parametrize("data", ["overconfident", "bent"])
def test_calibration_keeps_the_order(data):
    rng = np.random.default_rng(0)
    truth, p = overconfident()
    if data == "bent":
        truth = binary(rng.random(3000) < np.where(p > 0.5, 0.9, 0.1))
    found = calibrate(make_task(TaskType.BINARY), truth, p, seeds(3000))
    auroc = get_metric("auroc")
    assert auroc.score(truth, found.apply(p)) == pytest.approx(auroc.score(truth, p), abs=1e-9)


def test_good_probabilities_are_left_alone():
    rng = np.random.default_rng(0)
    p = rng.random(3000)
    truth = binary(rng.random(3000) < p)
    found = calibrate(make_task(TaskType.BINARY), truth, p, seeds(3000))
    assert found.method == "none"
    assert (found.apply(p) == p).all()


@pytest.mark.parametrize("truth", [np.ones(500), np.array([1.0, 0.0] * 5)])
def test_too_little_to_learn_from_leaves_probabilities_alone(truth):
    found = calibrate(make_task(TaskType.BINARY), binary(truth), np.full(len(truth), 0.3), seeds(len(truth)))
    assert (found.method, found.threshold) == ("none", 0.5)


def test_a_temperature_cools_sure_classes():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(2000, 3))
    p = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in p])
    sharp = np.exp(3 * raw) / np.exp(3 * raw).sum(axis=1, keepdims=True)
    of = Targets(truth, np.ones(2000, dtype=np.int64))
    found = calibrate(make_task(TaskType.MULTICLASS), of, sharp, seeds(2000))
    assert found.method == "temperature"
    assert found.x[0] == pytest.approx(3.0, rel=0.2)
    np.testing.assert_allclose(found.apply(sharp).sum(axis=1), 1.0)
    assert (found.apply(sharp).argmax(axis=1) == sharp.argmax(axis=1)).all()


def test_numbers_are_not_calibrated():
    found = calibrate(make_task(TaskType.REGRESSION), binary([1, 2]), np.array([1.0, 2.0]), seeds(2))
    assert found == Calibration()


@pytest.mark.parametrize("criterion", ["f1", "accuracy", "balanced_accuracy"])
def test_the_threshold_is_the_best_of_all_cuts(criterion):
    rng = np.random.default_rng(1)
    p = np.round(rng.random(200), 2)
    truth = (rng.random(200) < p**2).astype(float)

    def value(cut):
        named = p >= cut
        true = truth[named].sum()
        right = true + (1 - truth[~named]).sum()
        return {
            "f1": 2 * true / (named.sum() + truth.sum()),
            "accuracy": right / 200,
            "balanced_accuracy": true / truth.sum() - (named.sum() - true) / (200 - truth.sum()),
        }[criterion]

    found = best_threshold(truth, p, criterion)
    assert value(found) == pytest.approx(max(value(cut) for cut in p))


def test_an_unknown_criterion_is_refused():
    with pytest.raises(UserError, match="LEARN012: there is no criterion 'luck'"):
        calibrate(make_task(TaskType.BINARY), binary([1, 0]), np.array([0.1, 0.2]), seeds(2), "luck")


def test_rows_of_one_anchor_stay_in_one_fold():
    folds = number_folds(seeds(100, anchors=7))
    assert len(set(folds)) == 5
    assert all(len(set(folds[np.arange(100) % 7 == a])) == 1 for a in range(7))
    assert len(set(number_folds(seeds(100, anchors=1)))) == 5


def test_log_odds_and_sigmoid_undo_each_other():
    p = np.array([1e-6, 0.2, 0.5, 0.99])
    np.testing.assert_allclose(sigmoid(log_odds(p)), p)
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
