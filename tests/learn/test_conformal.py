"""Quantiles: they hold what they promise, never cross, and are refused where they make no sense."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import Task, TaskType, UserError
from weft.learn import Conformal, check_quantiles, quantile_name

NUMBER = Task(TaskType.REGRESSION, "users", "user_id")


def widening(num, seed):
    """Predictions between 0 and 10 that are the farther off, the larger they are."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(0, 10, num)
    return np.maximum(predicted + predicted * rng.normal(size=num), 0), predicted


def test_coverage_is_what_was_asked_for_small_and_large_predictions_alike():
    levels = (0.1, 0.5, 0.9)
    fitted = Conformal.fit(levels, *widening(5_000, 0))
    label, predicted = widening(50_000, 1)
    found = fitted.quantiles(predicted)
    for low, high in ((0, 3), (3, 7), (7, 10)):
        rows = (predicted >= low) & (predicted < high)
        assert np.mean(label[rows] > found[rows, 2]) == pytest.approx(0.1, abs=0.03)
        assert np.mean(label[rows, None] <= found[rows, 1:], axis=0) == pytest.approx([0.5, 0.9], abs=0.04)


def test_a_few_rows_still_err_on_the_safe_side():
    outside = []
    for seed in range(300):
        label, predicted = widening(30, seed)
        new_label, new_predicted = widening(50, 10_000 + seed)
        found = Conformal.fit((0.1, 0.9), label + 100, predicted + 100).quantiles(new_predicted + 100)
        new = new_label + 100
        outside.append(np.mean((new < found[:, 0]) | (new > found[:, 1])))
    assert np.mean(outside) <= 0.2 + 0.01


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-3, 3)), min_size=19, max_size=400),
    st.lists(st.sampled_from([0.05, 0.1, 0.25, 0.49, 0.5, 0.51, 0.75, 0.95]), min_size=2, unique=True),
)
def test_quantiles_never_cross_and_rise_with_their_level(pairs, levels):
    label, predicted = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    fitted = Conformal.fit(tuple(sorted(levels)), label, predicted)
    found = fitted.quantiles(np.linspace(-8, 8, 40))
    assert (np.diff(found, axis=1) >= 0).all()


def test_each_frame_has_a_spread_of_its_own():
    rng = np.random.default_rng(0)
    frame = np.tile([0, 1], 1_000)
    predicted = rng.uniform(0, 1, 2_000)
    label = predicted + rng.normal(size=2_000) * np.where(frame == 0, 1, 5)
    found = Conformal.fit((0.1, 0.9), label, predicted, frame).quantiles(np.full(2, 0.5), np.array([0, 1]))
    near, far = found[:, 1] - found[:, 0]
    assert far > 3 * near


def test_what_was_never_negative_has_no_negative_quantile():
    fitted = Conformal.fit((0.1, 0.9), np.zeros(50), np.full(50, 4.0))
    assert fitted.quantiles(np.array([1.0])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("task", "levels", "code"),
    [
        (Task(TaskType.BINARY, "users", "user_id"), [0.1], "LEARN030"),
        (NUMBER, [0.1, 1.0], "LEARN031"),
        (NUMBER, [float("nan")], "LEARN031"),
        (NUMBER, [], "LEARN031"),
    ],
)
def test_what_is_no_quantile_is_refused(task, levels, code):
    with pytest.raises(UserError, match=code):
        check_quantiles(task, levels)


def test_a_quantile_that_too_few_rows_show_is_refused():
    with pytest.raises(UserError, match=r"LEARN032.*needs 99 val rows"):
        Conformal.fit((0.01,), np.zeros(98), np.zeros(98))
    assert Conformal.fit((0.01,), np.zeros(99), np.zeros(99)).levels == (0.01,)


def test_levels_are_sorted_once_each_and_named_in_percent():
    assert check_quantiles(NUMBER, [0.9, 0.1, 0.9]) == (0.1, 0.9)
    assert [quantile_name(level) for level in (0.1, 0.025, 0.29, 0.995)] == ["q10", "q2.5", "q29", "q99.5"]
