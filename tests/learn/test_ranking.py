"""Ranking items: the data, the rungs, the answer."""

import numpy as np
import pyarrow as pa
import pytest
from tests.learn.synthetic import RANKING as TASK
from tests.learn.synthetic import RESOURCES, label_table, numerical

from weft.core import History, UserError
from weft.learn import (
    Budget,
    Predictor,
    RankingData,
    evaluate,
    explain_rows,
    fit_candidate,
    get_metric,
    get_rung,
    predict_table,
    rungs_for,
)

FEATURES = [numerical(f"score.{n}", words=n) for n in ("popularity", "repeat", "cooccurrence")] + [
    numerical("noise")
]


def tables(num_seeds=400, num_items=20, seed=0):
    """Candidates of each seed, of which some are not even offered, and the items that were chosen."""
    rng = np.random.default_rng(seed)
    popular = np.linspace(1, 0, num_items)
    lists, rows = [], []
    for s in range(num_seeds):
        repeat, together = np.maximum(rng.normal(size=num_items), 0), rng.random(num_items)
        want = popular + 0.6 * repeat + together + 0.1 * rng.normal(size=num_items)
        chosen = np.argsort(-want)[:3]
        lists.append([int(i) for i in chosen])
        offered = np.flatnonzero(rng.random(num_items) < 0.9)
        rows += [(s, int(i), popular[i], repeat[i], together[i], rng.normal(), i in chosen) for i in offered]
    names = ["seed", "item", *(f.name for f in FEATURES), "label"]
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return pa.table(columns), label_table(pa.array(lists), num_entities=40)


def build(candidates, labels, features=None):
    return RankingData.build(
        task=TASK,
        history=History.SEED_TIME,
        features=FEATURES if features is None else features,
        candidates=candidates,
        labels=labels,
    )


@pytest.fixture(scope="module")
def data():
    return build(*tables())


def fit(data, rung, directory, budget=1.0):
    config = get_rung(rung).variants(data.outline, Budget(budget))[0]
    return fit_candidate(data, rung, config, 0, directory, resources=RESOURCES)


def test_the_ranker_learns_what_single_scores_cannot(data, tmp_path):
    found = {r.name: fit(data, r.name, tmp_path / r.name) for r in rungs_for(TASK)}
    singles = [found[n].test for n in ("popularity", "repeat", "cooccurrence")]
    assert found["ranker"].test > max(singles) + 0.05
    assert found["repeat"].words == "by repeat"


def test_a_score_is_what_its_lists_are_worth(data):
    prediction = data.test.matrix[:, 1].astype(float)
    expected = []
    for s in range(len(data.test)):
        own = np.flatnonzero(data.test.seed == s)
        order = sorted(own, key=lambda r: (-prediction[r], -data.test.popularity[r], r))[:5]
        hits, total = 0, 0.0
        for place, row in enumerate(order, 1):
            if data.test.is_true[row]:
                hits += 1
                total += hits / place
        expected.append(total / min(5, data.test.targets.num_true[s]))
    assert data.test.score(get_metric("map@5"), prediction) == pytest.approx(np.mean(expected))


def test_the_answer_names_items_in_order(data, tmp_path):
    fit(data, "repeat", tmp_path)
    candidates, labels = tables(num_seeds=4, seed=3)
    answer = predict_table(Predictor.open(tmp_path), TASK, labels, candidates)
    assert answer.column_names == ["user_id", "anchor_time", "item", "score", "rank"]
    assert answer["rank"].to_pylist() == [1, 2, 3, 4, 5] * 4
    first = answer.slice(0, 5)["score"].to_pylist()
    assert first == sorted(first, reverse=True)


def test_the_first_item_is_explained(data, tmp_path):
    fit(data, "repeat", tmp_path)
    candidates, _ = tables(num_seeds=1, seed=3)
    told = explain_rows(Predictor.open(tmp_path), candidates)
    best = int(np.argmax(candidates["score.repeat"].to_numpy()))
    assert told.about == str(candidates["item"][best].as_py())
    assert [a.feature for a in told.amounts] == ["score.repeat"]


def test_candidates_are_compared_and_judged(data, tmp_path):
    folders = [tmp_path / name for name in ("popularity", "repeat", "ranker")]
    for folder in folders:
        fit(data, folder.name, folder)
    found = evaluate(data, folders, seed=0, directory=tmp_path)
    assert found.winner == "ranker"
    assert found.verdict.is_significant
    assert set(found.scores["test"]) >= {"map@5", "recall@5", "ndcg@5", "mrr@5"}


def test_a_missing_score_leaves_its_rung_out(tmp_path):
    candidates, labels = tables(num_seeds=80)
    data = build(candidates, labels, FEATURES[:2])
    assert "no column 'score.cooccurrence'" in fit(data, "cooccurrence", tmp_path).left_out


def test_no_features_leave_the_ranker_out(tmp_path):
    data = build(*tables(num_seeds=80), features=[])
    assert "no features" in fit(data, "ranker", tmp_path).left_out


def test_train_without_a_true_candidate_is_refused():
    candidates, labels = tables(num_seeds=80)
    place = candidates.column_names.index("label")
    none = candidates.set_column(place, "label", pa.array([False] * candidates.num_rows))
    with pytest.raises(UserError, match=r"LEARN004: none of the .* candidates"):
        build(none, labels)


def test_candidates_of_other_labels_are_refused():
    candidates, labels = tables(num_seeds=80)
    with pytest.raises(UserError, match="LEARN003"):
        build(candidates, labels.slice(40))
    with pytest.raises(UserError, match=r"LEARN005: the table of candidates lacks 'label'"):
        build(candidates.drop_columns(["label"]), labels)


def test_rankings_have_one_kind_of_train_rows(data):
    with pytest.raises(UserError, match="LEARN012"):
        data.train_rows("stale")
    assert data.train_rows("own") is data.train


def test_a_seed_without_candidates_has_an_empty_list():
    candidates, labels = tables(num_seeds=80)
    last = candidates.filter(pa.compute.less(candidates["seed"], 79))
    data = build(last, labels)
    assert len(data.test) == 10
    everything = data.test.is_true.astype(float)
    assert data.test.score(get_metric("hit@5"), everything) == pytest.approx(0.9)
