"""Blends of rankings: the weights, the candidates of all parts, the model, the choice of the winner."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from tests.learn.synthetic import RANKING as TASK
from tests.learn.synthetic import RESOURCES, label_table, numerical

from weft.core import History, Split
from weft.learn import (
    Candidate,
    Predictor,
    RankingData,
    evaluate,
    explain_rows,
    fit_candidate,
    get_metric,
    predict_table,
    read_candidate,
    read_predictions,
)
from weft.learn.choice import choose
from weft.learn.rungs.blend_lists import ListVotes, spread_within_lists

MAP = get_metric("map@5")
NAMES = ("score.popularity", "score.repeat", "score.cooccurrence")
ITEMS = 20


def make_lists(num_seeds=600, seed=0, empty=()):
    """What is chosen depends on two scores, one of them in large numbers; the third tells nothing."""
    rng = np.random.default_rng(seed)
    lists, rows = [], []
    for s in range(num_seeds):
        first, second = rng.normal(size=ITEMS), rng.normal(size=ITEMS)
        want = 2 * first + second + 0.3 * rng.normal(size=ITEMS)
        chosen = np.argsort(-want)[:3]
        lists.append([int(i) for i in chosen])
        offered = [] if s in empty else range(ITEMS)
        rows += [(s, i, 1000 * first[i], second[i], rng.normal(), i in chosen) for i in offered]
    columns = zip(("seed", "item", *NAMES, "label"), map(list, zip(*rows, strict=True)), strict=True)
    return pa.table(dict(columns)), label_table(pa.array(lists), num_entities=150)


def build(candidates, labels):
    return RankingData.build(
        task=TASK,
        history=History.SEED_TIME,
        features=[numerical(n, words=n) for n in NAMES],
        candidates=candidates,
        labels=labels,
    )


@pytest.fixture(scope="module")
def data():
    return build(*make_lists())


def parts_of(data):
    raw = [data.val.matrix[:, i].astype(np.float64) for i in range(3)]
    return [p / spread_within_lists(data.val, p) for p in raw]


def climb(data, directory, blend=True):
    folders = []
    for rung in ("popularity", "repeat", "cooccurrence", *(["blend"] if blend else [])):
        members = folders if rung == "blend" else ()
        fit_candidate(data, rung, {}, 0, directory / rung, resources=RESOURCES, members=members)
        folders.append(directory / rung)
    return folders


@pytest.fixture(scope="module")
def climbed(data, tmp_path_factory):
    return climb(data, tmp_path_factory.mktemp("lists"))


def test_weights_recover_a_planted_combination_and_leave_out_what_tells_nothing(data):
    weights = ListVotes(data, parts_of(data), 0).choose(np.arange(len(data.val)))
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] / weights[1] == pytest.approx(2.0, rel=0.35)
    assert weights[2] < 0.05


def test_a_mix_is_worth_what_the_metric_says_of_it(data):
    tied = [np.round(p) for p in parts_of(data)]
    votes, every = ListVotes(data, tied, 0), np.ones(len(data.val))
    for key in ((1, 0, 0), (2, 1, 0), (1, 3, 2)):
        mixed = sum(v * p for v, p in zip(key, tied, strict=True))
        assert votes._gain(every, np.array(key)) == pytest.approx(data.val.score(MAP, mixed))


def test_equal_data_give_equal_weights_and_another_seed_other_draws(data):
    every = np.arange(len(data.val))
    first, again, other = (ListVotes(data, parts_of(data), s).choose(every) for s in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_weights_come_from_the_given_lists_alone(data):
    parts = parts_of(data)
    half = np.arange(len(data.val)) < len(data.val) // 2
    swapped = [np.where(half[data.val.seed], p, q) for p, q in zip(parts, parts[::-1], strict=True)]
    votes = ListVotes(data, swapped, 0)
    assert votes.choose(np.flatnonzero(half))[2] < 0.05
    assert votes.choose(np.flatnonzero(~half))[0] < 0.05


def test_scores_that_order_nothing_have_a_spread_of_one(data):
    assert spread_within_lists(data.val, np.full(len(data.val.seed), 7.0)) == 1.0
    lists = data.val.seed.astype(float)
    assert spread_within_lists(data.val, lists) == 1.0
    assert spread_within_lists(data.val, lists + 3 * parts_of(data)[0]) == pytest.approx(3.0)


def test_a_blend_is_better_than_its_parts_and_its_val_score_is_held_out(data, climbed):
    told = {f.name: read_candidate(f) for f in climbed}
    blended = told["blend"]
    assert not blended.left_out
    assert blended.test > max(told[n].test for n in ("popularity", "repeat")) + 0.02
    model = Predictor.open(climbed[-1]).model
    weights = {n: w for n, _, w in model.members}
    assert weights["popularity"] > weights["repeat"] > 0.2 and weights.get("cooccurrence", 0.0) < 0.05
    shown = read_predictions(climbed[-1], Split.VAL)
    assert not np.allclose(shown, model.score(data.val.matrix))
    np.testing.assert_array_equal(read_predictions(climbed[-1], Split.TEST), model.score(data.test.matrix))


def test_it_wins_the_ladder_and_is_named_there(data, climbed, tmp_path):
    found = evaluate(data, climbed, seed=0, directory=tmp_path)
    assert found.winner == "blend"
    assert "popularity" in found.chosen.words and "%" in found.chosen.words
    assert found.verdict.is_significant


def test_its_answer_names_any_candidate_of_any_part_and_explains_it(climbed):
    predictor = Predictor.open(climbed[-1])
    candidates, labels = make_lists(num_seeds=4, seed=3, empty=(2,))
    far = candidates["score.repeat"].to_numpy().copy()
    far[5] = 1e6
    candidates = candidates.set_column(3, "score.repeat", pa.array(far))
    answer = predict_table(predictor, TASK, labels, candidates)
    assert answer["rank"].to_pylist() == [1, 2, 3, 4, 5] * 3
    assert answer["item"][0].as_py() == candidates["item"][5].as_py()
    told = explain_rows(predictor, candidates.slice(0, ITEMS))
    assert next(a.feature for a in told.amounts) == "score.repeat"
    assert sum(a.amount for a in told.amounts) + told.base == pytest.approx(told.prediction)


def test_entities_without_candidates_count_as_empty_lists(tmp_path):
    data = build(*make_lists(empty=range(0, 600, 7)))
    assert len(np.unique(data.val.seed)) < len(data.val)
    folders = climb(data, tmp_path)
    assert not read_candidate(folders[-1]).left_out
    assert evaluate(data, folders, seed=0, directory=tmp_path).winner == "blend"


def test_a_val_without_a_true_candidate_leaves_it_out(data, tmp_path):
    none = replace(data, val=replace(data.val, is_true=np.zeros(len(data.val.seed), bool)))
    folders = climb(data, tmp_path, blend=False)
    told = fit_candidate(none, "blend", {}, 0, tmp_path / "blend", resources=RESOURCES, members=folders)
    assert "no candidate of val is true" in told.left_out


def test_a_blend_that_val_cannot_tell_from_the_best_is_chosen(data, climbed):
    folder = {f.name: f for f in climbed}
    close = [
        (replace(read_candidate(folder["blend"]), rung=r, model=r, val=v), folder["blend"])
        for r, v in (("ranker", 0.9), ("blend", 0.8))
    ]
    assert choose(data, MAP, close) == 1
    worse = [
        (read_candidate(folder["blend"]), folder["blend"]),
        (replace(read_candidate(folder["repeat"]), rung="blend"), folder["repeat"]),
    ]
    assert isinstance(worse[0][0], Candidate) and choose(data, MAP, worse) == 0
