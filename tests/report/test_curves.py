"""The points of plots against scikit-learn and plain loops."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from weft.core import UserError
from weft.report import (
    anchor_facts,
    binary_plots,
    calibration_bins,
    confusion_of,
    ranking_plots,
    regression_plots,
    split_facts,
    thin,
)

pairs = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=60)


@given(pairs)
def test_binary_curves_equal_those_of_scikit_learn(rows):
    label, score = (np.array(column) for column in zip(*rows, strict=True))
    score = score / 6
    plots = binary_plots(label, score, model="m")
    if len(set(label.tolist())) < 2:
        assert plots is None
        return
    assert plots.auroc == pytest.approx(metrics.roc_auc_score(label, score))
    assert plots.average_precision == pytest.approx(metrics.average_precision_score(label, score))
    false_rate, true_rate, _ = metrics.roc_curve(label, score, drop_intermediate=False)
    assert np.allclose(plots.roc.x, false_rate, atol=1e-5)
    assert np.allclose(plots.roc.y, true_rate, atol=1e-5)


def test_lift_says_which_share_of_positives_the_best_hold():
    plots = binary_plots([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], model="m")
    assert plots.lift.x == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert plots.lift.y == (0.0, 0.5, 0.5, 1.0, 1.0)


def test_confusion_at_a_threshold_counts_actual_by_predicted():
    plots = binary_plots([1, 0, 1, 0, 0], [0.9, 0.8, 0.2, 0.1, 0.3], model="m", threshold=0.5)
    assert plots.confusion.counts == ((2, 1), (1, 1))


def test_rows_without_a_number_are_left_out():
    plots = binary_plots([1, 0, np.nan, 1], [0.9, 0.1, 0.5, np.nan], model="m")
    assert plots.auroc == 1.0
    assert plots.base_rate == 0.5


def test_arrays_of_two_lengths_are_refused():
    with pytest.raises(UserError, match="DATA104"):
        binary_plots([1, 0], [0.5], model="m")
    with pytest.raises(UserError, match="DATA104"):
        ranking_plots([[1]], [[1], [2]], model="m")
    with pytest.raises(UserError, match="DATA104"):
        confusion_of(["a"], [])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200))
def test_calibration_bins_hold_every_row_once_and_ties_together(values):
    score = np.array(values) / 5
    bins = calibration_bins((score > 0.5).astype(float), score)
    assert sum(b.count for b in bins) == len(values)
    predicted = [b.predicted for b in bins]
    assert predicted == sorted(predicted)
    total = sum(b.predicted * b.count for b in bins)
    assert total == pytest.approx(score.sum())


def test_regression_errors_are_those_of_all_rows():
    rng = np.random.default_rng(0)
    label = rng.gamma(2, 10, 5000)
    prediction = label + rng.normal(0, 3, 5000)
    plots = regression_plots(label, prediction, model="m")
    assert plots.mae == pytest.approx(metrics.mean_absolute_error(label, prediction))
    assert plots.rmse == pytest.approx(np.sqrt(metrics.mean_squared_error(label, prediction)))
    assert plots.r2 == pytest.approx(metrics.r2_score(label, prediction))
    assert sum(plots.residual_counts) == 5000
    assert len(plots.points.x) == len(plots.points.y) == 400


def test_a_perfect_regression_still_has_a_residual_plot():
    plots = regression_plots([2.0, 2.0], [2.0, 2.0], model="m")
    assert plots.residual_low < 0 < plots.residual_high
    assert np.isnan(plots.r2)
    assert regression_plots([], [], model="m") is None


def test_confusion_counts_and_gathers_the_tail():
    found = confusion_of(["a", "a", "b"], ["a", "b", "b"])
    assert found.labels == ("a", "b")
    assert found.counts == ((1, 1), (0, 1))
    names = [f"c{i:02d}" for i in range(30) for _ in range(31 - i)]
    many = confusion_of(names, names)
    assert len(many.labels) == 20
    assert many.labels[-1] == "other"
    assert sum(map(sum, many.counts)) == len(names)


def test_ranking_curves_equal_plain_loops():
    label = [[1, 2], [], [5], None]
    ranked = [[2, 9, 1], [1], [7, 8, 5], [1]]
    plots = ranking_plots(label, ranked, model="m", ks=(1, 3))
    assert plots.ks == (1, 3)
    assert plots.map_at_k == pytest.approx(((1 + 0) / 2, ((1 + 2 / 3) / 2 + 1 / 3) / 2), rel=1e-5)
    assert plots.recall_at_k == pytest.approx(((0.5 + 0) / 2, (1 + 1) / 2))
    assert ranking_plots([[]], [[1]], model="m") is None


def test_an_item_listed_twice_counts_once():
    plots = ranking_plots([[1, 2]], [[1, 1, 3, 4]], model="m", ks=(3,))
    assert plots.recall_at_k == (0.5,)


def test_thinning_keeps_the_ends_and_the_corners():
    x = np.linspace(0, 1, 100_001)
    y = np.where(x < 0.3, 0.0, 1.0)
    line = thin(x, y)
    assert len(line.x) <= 201
    assert (line.x[0], line.y[0], line.x[-1], line.y[-1]) == (0, 0, 1, 1)
    assert any(abs(a - 0.3) < 1e-3 and b == 0 for a, b in zip(line.x, line.y, strict=True))


@pytest.fixture
def labels():
    return pa.table(
        {
            "entity": [1, 2, 1, 2, 3],
            "anchor_time": pa.array([10, 10, 20, 20, 30], pa.timestamp("us")),
            "label": [True, False, True, True, False],
            "split": ["train", "train", "val", "val", "test"],
        }
    )


def test_labels_are_summarized_by_anchor_and_by_split(labels):
    facts = anchor_facts(labels)
    assert [(f.anchor_us, f.split, f.rows, f.label_mean) for f in facts] == [
        (10, "train", 2, 0.5),
        (20, "val", 2, 1.0),
        (30, "test", 1, 0.0),
    ]
    parts = split_facts(labels)
    assert [(p.name, p.rows, p.entities, p.anchors) for p in parts] == [
        ("train", 2, 2, 1),
        ("val", 2, 2, 1),
        ("test", 1, 1, 1),
    ]


def test_labels_that_are_no_numbers_have_no_mean(labels):
    listed = labels.set_column(2, "label", pa.array([["a"], [], ["b"], ["a"], []]))
    assert {fact.label_mean for fact in anchor_facts(listed)} == {None}
