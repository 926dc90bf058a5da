"""Predictions for val that the choice among looks has not seen."""

import numpy as np

from weft.learn.networks.held_out import HeldOut


def score(predicted, rows):
    return float(np.mean(predicted if rows is None else predicted[rows]))


def after(looks, folds):
    kept = HeldOut(folds, score)
    for predicted in looks:
        kept.look(predicted)
    return kept


LOOKS = (np.array([9.0, 9.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.0, 4.0]))


def test_each_part_of_val_is_predicted_by_the_look_that_is_best_on_the_others():
    assert after(LOOKS, np.array([0, 0, 1, 1])).prediction.tolist() == [1.0, 2.0, 0.0, 0.0]


def test_the_luck_of_the_choice_is_not_in_the_score():
    rng = np.random.default_rng(0)
    looks = [rng.normal(size=200) for _ in range(40)]
    assert max(score(p, None) for p in looks) > 0.1
    assert abs(score(after(looks, np.arange(200) % 5).prediction, None)) < 0.1


def test_nothing_is_held_out_of_one_part_or_without_looks():
    assert after((), np.arange(3)).prediction is None
    assert after([np.ones(3)], np.zeros(3, int)).prediction is None
    assert after([np.ones(3)], None).prediction is None


def test_predictions_of_several_numbers_per_row_stay_together():
    looks = [np.eye(4), 1 - np.eye(4)]
    np.testing.assert_array_equal(after(looks, np.arange(4) % 2).prediction, 1 - np.eye(4))


def test_a_look_that_is_not_finite_anywhere_is_never_taken():
    looks = [np.full(4, np.nan), np.ones(4)]
    assert after(looks, np.arange(4) % 2).prediction.tolist() == [1.0, 1.0, 1.0, 1.0]


def test_what_a_checkpoint_keeps_goes_on_as_if_nothing_had_happened():
    folds = np.array([0, 0, 1, 1])
    whole = after(LOOKS, folds)
    first, second = after(LOOKS[:1], folds), HeldOut(folds, score)
    second.restore({name.split("/")[1]: t for name, t in first.tensors().items()})
    second.look(LOOKS[1])
    np.testing.assert_array_equal(second.prediction, whole.prediction)
    empty = HeldOut(folds, score)
    empty.restore(HeldOut(folds, score).tensors())
    assert empty.prediction is None
