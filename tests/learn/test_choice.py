"""Choosing on val: the winner, the trials of a search, the weights of a blend."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.learn.synthetic import fit_model, make_data

from weft.core import TaskType
from weft.learn import Candidate, get_metric
from weft.learn.choice import best_of_other_parts, best_on_val, choose
from weft.learn.rungs.blend import choose_weights
from weft.learn.rungs.boosting_search import as_good_as_the_best
from weft.learn.rungs.boosting_space import plan_search
from weft.learn.scoring import ValScore, score_val

AUROC = get_metric("auroc")


def candidate(model, cost, val, fallback=None):
    return Candidate(model, model, cost, model, {}, 0, "auroc", val=val, val_fallback=fallback)


@pytest.fixture(scope="module")
def data():
    return make_data(TaskType.BINARY, n=2400)


def written(data, directory, rung, cost, prediction):
    directory.mkdir()
    pq.write_table(data.val.with_prediction(prediction), directory / "val.parquet")
    return candidate(rung, cost, data.val.score(AUROC, prediction)), directory


def noisy(data, amount, seed):
    """Probabilities that tell the label less, the more noise they have."""
    rng = np.random.default_rng(seed)
    raw = data.val.targets.values + amount * rng.normal(size=len(data.val))
    return 1 / (1 + np.exp(-raw))


def test_the_best_on_val_is_found_and_of_equals_the_cheapest():
    assert best_on_val(AUROC, [candidate("a", 0, 0.6), candidate("b", 40, 0.7), candidate("c", 30, 0.7)]) == 2
    undefined = [candidate("a", 0, None, 0.5), candidate("b", 40, None, 0.4)]
    assert best_on_val(AUROC, undefined) == 1


def test_a_mean_that_val_cannot_tell_from_the_best_is_chosen(data, tmp_path):
    pair = sorted((noisy(data, 1.0, seed) for seed in (1, 4)), key=lambda p: -data.val.score(AUROC, p))
    usable = [
        written(data, tmp_path / "one", "lightgbm", 40, pair[0]),
        written(data, tmp_path / "mean", "blend", 90, pair[1]),
    ]
    assert usable[0][0].val >= usable[1][0].val
    assert choose(data, AUROC, usable) == 1


def test_a_mean_that_is_clearly_worse_is_not_chosen(data, tmp_path):
    usable = [
        written(data, tmp_path / "one", "lightgbm", 40, noisy(data, 0.5, 1)),
        written(data, tmp_path / "mean", "blend", 90, noisy(data, 3.0, 2)),
    ]
    assert choose(data, AUROC, usable) == 0


def test_a_single_model_is_never_preferred_to_a_better_one(data, tmp_path):
    usable = [
        written(data, tmp_path / "one", "lightgbm", 40, noisy(data, 1.0, 1)),
        written(data, tmp_path / "two", "linear", 30, noisy(data, 1.0, 2)),
    ]
    assert choose(data, AUROC, usable) == best_on_val(AUROC, [c for c, _ in usable])


def test_the_luck_of_the_best_of_many_does_not_count_against_a_mean(data, tmp_path):
    many = [noisy(data, 1.5, seed) for seed in range(20)]
    vals = [data.val.score(AUROC, p) for p in many]
    usable = [
        written(data, tmp_path / f"{i}", "lightgbm", 40 + i, prediction) for i, prediction in enumerate(many)
    ]
    middle = many[int(np.argsort(vals)[len(vals) // 2])]
    usable.append(written(data, tmp_path / "mean", "blend", 90, middle))
    assert choose(data, AUROC, usable) == len(many)


def test_a_part_is_scored_by_what_is_best_on_the_others():
    lucky = np.array([[0.9, 0.5, 0.5, 0.5], [0.5, 0.9, 0.5, 0.5], [0.6, 0.6, 0.6, 0.6]])
    np.testing.assert_allclose(best_of_other_parts(lucky), 0.5)
    better = np.array([[0.9, 0.8, 0.9, np.nan], [0.5, 0.9, 0.5, 0.5]])
    np.testing.assert_allclose(best_of_other_parts(better), [0.9, 0.8, 0.9, np.nan])
    np.testing.assert_allclose(best_of_other_parts(np.array([[0.9, np.nan]])), [np.nan, np.nan])


def score(value, by_fold):
    return ValScore(value, np.array(by_fold))


def test_trials_within_a_standard_error_of_the_best_are_kept():
    best = score(0.80, [0.79, 0.81, 0.80, 0.80])
    near = score(0.797, [0.78, 0.82, 0.79, 0.79])
    far = score(0.70, [0.69, 0.71, 0.70, 0.70])
    assert as_good_as_the_best([far, near, best]) == [2, 1]


def test_where_hardly_a_part_of_val_has_a_score_all_trials_are_kept():
    nan = float("nan")
    assert as_good_as_the_best([score(0.9, [0.9, nan, nan]), score(0.6, [0.6, nan, nan])]) == [0, 1]


def test_the_score_of_boosted_trees_on_val_does_not_count_the_luck_of_the_choice():
    lucky, honest = [], []
    for seed in range(3):
        noise = make_data(TaskType.BINARY, n=2400)
        for rows in (noise.train, noise.val):
            rows.targets.values[:] = np.random.default_rng(seed).integers(0, 2, len(rows))
        model = fit_model(noise, "lightgbm")
        lucky.append(noise.val.score(AUROC, model.score(noise.val.matrix)))
        honest.append(noise.val.score(AUROC, model.val_prediction))
    assert np.mean(lucky) > 0.55
    assert abs(np.mean(honest) - 0.5) < 0.03


@pytest.mark.parametrize("kind", [TaskType.BINARY, TaskType.MULTICLASS, TaskType.REGRESSION])
def test_held_out_predictions_of_boosted_trees_are_as_good_as_the_signal(kind):
    data = make_data(kind)
    model = fit_model(data, "lightgbm")
    metric = get_metric(data.outline.chosen_metric)
    told = data.val.score(metric, model.score(data.val.matrix))
    assert data.val.score(metric, model.val_prediction) == pytest.approx(told, rel=0.03)


def test_val_scores_fall_back_where_the_metric_is_undefined(data):
    one_class = replace(data.val.targets, values=np.ones(len(data.val)))
    folds = np.arange(len(data.val)) % 4
    found = score_val("auroc", TaskType.BINARY, one_class, np.full(len(data.val), 0.5), folds)
    assert found.value == pytest.approx(-np.log(2))
    np.testing.assert_allclose(found.by_fold, -np.log(2))


def test_a_blend_gives_its_votes_to_what_helps_and_spreads_them_among_equals(data):
    rows = np.arange(len(data.val))
    equals = [noisy(data, 1.0, 1), noisy(data, 1.0, 2), noisy(data, 50.0, 3)]
    weights = choose_weights(data, equals, rows, 0)
    assert weights.sum() == pytest.approx(1)
    assert min(weights[0], weights[1]) > 0.2 > weights[2]


def test_weights_of_a_small_val_hardly_depend_on_the_seed(data):
    rows = np.arange(len(data.val))
    members = [noisy(data, 2.0, seed) for seed in range(3)]
    drawn = [choose_weights(data, members, rows, seed) for seed in range(6)]
    assert np.std(drawn, axis=0).max() < 0.025


def test_a_tree_sees_each_label_about_once_and_never_more_rows_than_it_needs():
    assert plan_search(100_000, 20.0, num_labels=20_000).tree_share == pytest.approx(0.14)
    assert plan_search(5_000, 20.0, num_labels=1_000).tree_share == pytest.approx(0.7)
    assert plan_search(10, 20.0).tree_share == 1.0
    huge = plan_search(50_000_000, 20.0)
    assert huge.rows * huge.tree_share == pytest.approx(40_000)


def test_the_chosen_row_is_that_of_the_winner_wherever_it_stands():
    from types import SimpleNamespace

    from weft.learn import Evaluation

    rows = tuple(SimpleNamespace(model=name) for name in ("lightgbm", "blend"))
    empty = dict.fromkeys(Evaluation.__dataclass_fields__)
    assert Evaluation(**empty | {"leaderboard": rows, "winner": "blend"}).chosen is rows[1]
