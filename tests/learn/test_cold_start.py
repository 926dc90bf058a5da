"""Cold start: rows are divided into two groups, and each is scored on its own."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learn.synthetic import RESOURCES, make_data
from tests.learn.test_ranking import build, tables

from weft.core import Split, TaskType, from_plain, to_plain
from weft.learn import (
    Evaluation,
    Rows,
    evaluate,
    fit_candidate,
    get_metric,
    measure_cold_start,
    read_predictions,
)
from weft.learn.coldstart import LEAST_ENTITIES
from weft.learn.targets import Targets

N = LEAST_ENTITIES


def rows_of(values, entities=None):
    values = np.asarray(values, float)
    seeds = pa.table({"entity": np.arange(len(values)) if entities is None else entities})
    return Rows(
        seeds, np.zeros((len(values), 1), np.float32), Targets(values, np.ones(len(values), np.int64))
    )


def measure(metric, rows, known, said, **rest):
    known = np.asarray(known, bool)
    asked = {"mine": np.asarray(said, float)}
    return measure_cold_start(get_metric(metric), rows, known, asked, "mine", split="test", seed=0, **rest)[0]


def test_each_group_is_scored_by_its_own_rows_alone():
    truth = np.arange(2.0 * N)
    said = truth + np.repeat([3.0, 1.0], N)
    told = measure("mae", rows_of(truth), np.repeat([False, True], N), said)
    assert (told.without.num_rows, told.without.num_entities, told.without.value) == (N, N, 3.0)
    assert (told.others.num_rows, told.others.num_entities, told.others.value) == (N, N, 1.0)
    assert 3.0 in told.without.interval and 1.0 in told.others.interval
    assert (told.without.note, told.others.note) == ("", "")


def test_auroc_of_a_group_is_that_of_its_pairs_alone():
    # Without history three of four pairs are in order; the others are all in order.
    cold = ([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])
    warm = ([0, 1], [0.0, 9.0])
    labels = [*cold[0] * 3, *warm[0] * 6]
    said = [*cold[1] * 3, *warm[1] * 6]
    told = measure("auroc", rows_of(labels), [False] * 12 + [True] * 12, said)
    assert told.without.value == pytest.approx(3 / 4)
    assert told.others.value == 1.0


def test_few_entities_are_counted_and_not_scored_however_many_rows_they_have():
    entities = [*[0, 1, 2] * 5, *range(3, 3 + N)]
    told = measure("mae", rows_of(np.zeros(15 + N), entities), [False] * 15 + [True] * N, np.ones(15 + N))
    assert (told.without.num_rows, told.without.num_entities) == (15, 3)
    assert (told.without.value, told.without.interval) == (None, None)
    assert told.without.note == "3 entities are too few to score"
    assert told.others.value == 1.0
    told = measure("mae", rows_of(np.zeros(5)), [False, *[True] * 4], np.ones(5))
    assert told.without.note == "1 entity is too few to score"


def test_a_metric_that_is_undefined_on_a_group_is_said_to_be():
    labels = [1] * N + [0, 1] * N
    told = measure("auroc", rows_of(labels), [False] * N + [True] * 2 * N, np.linspace(0, 1, 3 * N))
    assert told.without.value is None
    assert told.without.note == f"auroc is undefined: all {N} labels are the same"
    assert told.others.value is not None


def test_an_empty_group_says_so():
    told = measure("mae", rows_of(np.zeros(N)), [True] * N, np.ones(N))
    assert (told.without.num_rows, told.without.value, told.without.note) == (0, None, "no rows")
    told = measure("mae", rows_of([]), [], [])
    assert (told.without.note, told.others.note) == ("no rows", "no rows")


def test_lists_are_scored_list_by_list():
    data = build(*tables(num_seeds=200))
    lists = [i.as_py() for i in data.test.seeds["entity"]]
    known = np.array([i % 2 == 0 for i in lists])
    scores = data.test.matrix[:, 2].astype(float)
    metric = get_metric("map@5")
    (told,) = measure_cold_start(metric, data.test, known, {"m": scores}, "m", split="test", seed=0)
    for group, of in ((told.without, ~known), (told.others, known)):
        chosen = np.flatnonzero(of)
        own = np.isin(data.test.seed, chosen)
        alone = data.test.take(chosen)
        assert group.num_rows == len(alone) == of.sum()
        assert group.value == pytest.approx(alone.score(metric, scores[own]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.integers(-5, 5)), min_size=1, max_size=120))
def test_the_groups_divide_the_rows_and_weighted_by_size_make_up_the_whole(rows):
    entities, known, errors = zip(*rows, strict=True)
    truth = np.zeros(len(rows))
    told = measure("mae", rows_of(truth, list(entities)), known, errors)
    groups = (told.without, told.others)
    assert sum(g.num_rows for g in groups) == len(rows)
    assert told.others.num_rows == sum(known)
    assert all((g.value is None) == bool(g.note) for g in groups)
    assert all((g.value is None) == (g.num_entities < LEAST_ENTITIES) for g in groups)
    if all(g.value is not None for g in groups):
        whole = sum(g.num_rows * g.value for g in groups) / len(rows)
        assert whole == pytest.approx(np.abs(errors).mean())


@pytest.mark.parametrize("kind", [k for k in TaskType if k is not TaskType.LINK_PREDICTION])
def test_every_model_of_every_task_is_scored_on_both_groups_of_both_splits(kind, tmp_path):
    data = make_data(kind, n=800)
    names = ("constant", "linear")
    if kind in (TaskType.MULTILABEL, TaskType.MULTILABEL_RANKING):
        names = ("constant",)
    folders = [tmp_path / name for name in names]
    for folder in folders:
        fit_candidate(data, folder.name, {}, 0, folder, resources=RESOURCES)
    splits = {Split.VAL: data.val, Split.TEST: data.test}
    history = {s: rows.seeds["entity"].to_numpy() % 3 > 0 for s, rows in splits.items()}
    found = evaluate(data, folders, seed=0, directory=tmp_path, history=history)
    told = {(t.model, t.split): t for t in found.cold_start}
    assert set(told) == {(name, s.value) for name in names for s in splits}
    metric = get_metric(found.metric)
    for folder in folders:
        for split, rows in splits.items():
            raw, of = read_predictions(folder, split), told[folder.name, split.value]
            for group, chosen in ((of.without, ~history[split]), (of.others, history[split])):
                expected = metric.score(rows.targets.take(chosen), rows.form(metric, raw)[chosen])
                assert group.num_rows == chosen.sum()
                assert group.value == expected
                assert (group.interval is not None) == (folder.name == found.winner and expected is not None)


def test_without_history_nothing_is_measured_and_evaluations_of_before_still_open(tmp_path):
    data = make_data(TaskType.BINARY, n=400)
    fit_candidate(data, "constant", {}, 0, tmp_path / "constant", resources=RESOURCES)
    found = evaluate(data, [tmp_path / "constant"], seed=0, directory=tmp_path)
    assert found.cold_start == ()
    kept = to_plain(found)
    del kept["cold_start"]
    assert from_plain(Evaluation, kept) == found
