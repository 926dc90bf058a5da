"""From candidates to a verdict: blend, comparison, sentences, importance, answers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.learn.synthetic import RESOURCES, make_data, make_task, planted

from weft.core import Split, TaskType, UserError
from weft.learn import (
    Budget,
    Calibration,
    Candidate,
    Comparison,
    Predictor,
    evaluate,
    explain_rows,
    fit_candidate,
    get_metric,
    get_rung,
    predict_table,
    read_candidate,
    read_predictions,
)
from weft.learn.bootstrap import Interval
from weft.learn.importance import measure_importance
from weft.learn.output import explain_row
from weft.learn.rung import sigmoid
from weft.learn.rungs import entity
from weft.learn.rungs.blend import blend
from weft.learn.verdict import compare, judge
from weft.learn.view import asked


def climb(data, directory, rungs, budget=1.0):
    folders = []
    for rung in rungs:
        config = get_rung(rung).variants(data.outline, Budget(budget))[0]
        members = folders if rung == "blend" else []
        fit_candidate(data, rung, config, 0, directory / rung, resources=RESOURCES, members=members)
        folders.append(directory / rung)
    return folders


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    data = make_data(TaskType.BINARY, n=1600)
    directory = tmp_path_factory.mktemp("binary")
    return data, climb(data, directory, ("constant", "entity", "heuristic", "linear", "lightgbm", "blend"))


def candidate(model, cost, val, fallback=None, left_out=""):
    return Candidate(
        model, model, cost, model, {}, 0, "auroc", val=val, val_fallback=fallback, left_out=left_out
    )


def test_the_ladder_is_judged_on_rows_that_chose_nothing(binary, tmp_path):
    data, folders = binary
    found = evaluate(data, folders, seed=0, directory=tmp_path)
    metric = get_metric("auroc")
    for row in found.leaderboard:
        if not row.left_out:
            prediction = read_predictions(folders[0].parent / row.rung, Split.TEST)
            assert row.test == pytest.approx(data.test.score(metric, prediction))
            assert row.test in row.test_interval
    assert [r.val for r in found.leaderboard if not r.left_out] == sorted(
        (r.val for r in found.leaderboard if not r.left_out), reverse=True
    )
    assert found.winner in {"lightgbm", "linear", "blend"}
    assert pq.read_table(tmp_path / "predictions.parquet").num_rows == len(data.val) + len(data.test)


def test_the_same_ladder_gives_the_same_evaluation(binary, tmp_path):
    data, folders = binary
    first, second = (evaluate(data, folders, seed=0, directory=tmp_path) for _ in range(2))
    assert first == second


def test_a_blend_is_scored_on_val_with_rows_held_out(binary):
    data, folders = binary
    blended = read_candidate(folders[-1])
    if blended.left_out:
        pytest.fail(blended.left_out)
    model = Predictor.open(folders[-1]).model
    shown = read_predictions(folders[-1], Split.VAL)
    assert (shown != model.score(data.val.matrix)).any()
    np.testing.assert_array_equal(read_predictions(folders[-1], Split.TEST), model.score(data.test.matrix))
    assert sum(w for _, _, w in model.members) == pytest.approx(1.0)


def test_a_blend_lies_between_its_members():
    task = make_task(TaskType.BINARY)
    mixed = blend(task, [np.array([0.2, 0.9]), np.array([0.4, 0.5])], np.array([0.5, 0.5]))
    assert (mixed > [0.2, 0.5]).all()
    assert (mixed < [0.4, 0.9]).all()


def test_contributions_of_a_blend_add_up(binary):
    data, folders = binary
    model = Predictor.open(folders[-1]).model
    divided = model.contribution_matrix(data.test.matrix)
    if divided is not None:
        from weft.learn.rung import log_odds

        np.testing.assert_allclose(divided.sum(axis=1), log_odds(model.score(data.test.matrix)), atol=1e-4)


def test_nothing_that_could_be_fitted_is_an_error_with_the_reasons(tmp_path):
    data = make_data(TaskType.BINARY, n=300)
    folders = climb(data, tmp_path, ("blend",))
    with pytest.raises(UserError, match=r"LEARN016: no model could be fitted \(blend: .*0 candidates"):
        evaluate(data, folders, seed=0, directory=tmp_path)


SENTENCES = [
    (
        Comparison("heuristic", 0.031, 0.012, 0.05),
        "lightgbm is best on val and reaches auroc 0.842 [0.81, 0.87] on test, significantly better than "
        "anything simpler; heuristic comes closest, 0.031 [0.012, 0.05] behind.",
    ),
    (
        Comparison("heuristic", 0.011, -0.004, 0.03),
        "lightgbm is best on val and reaches auroc 0.842 [0.81, 0.87] on test; the simpler heuristic is not "
        "significantly worse (+0.011 [-0.004, +0.03]), so it may do.",
    ),
]


@pytest.mark.parametrize(("comparison", "sentence"), SENTENCES)
def test_verdicts_say_it_in_one_sentence(comparison, sentence):
    both = [candidate("heuristic", 20, 0.8), candidate("lightgbm", 40, 0.85)]
    found = judge(get_metric("auroc"), both, both[1], 0.842, Interval(0.81, 0.87), [comparison], "test")
    assert found.sentence == sentence
    assert found.is_significant == comparison.is_significant
    assert found.simplest == ("lightgbm" if comparison.is_significant else "heuristic")


def test_a_winner_that_is_the_simplest_says_so():
    alone = candidate("constant", 0, 0.5)
    found = judge(get_metric("auroc"), [alone], alone, None, None, [], "test")
    assert found.sentence == (
        "constant is best on val; its auroc is undefined on test, and nothing is simpler."
    )
    alone = candidate("linear", 30, 0.7)
    found = judge(get_metric("auroc"), [alone], alone, 0.7, None, [], "test")
    assert found.sentence == (
        "linear is best on val and reaches auroc 0.7 on test, and nothing simpler was tried."
    )


@pytest.mark.parametrize(
    ("strength", "words"),
    [
        (0.0, ""),
        (0.5, ", weighed with half an average label"),
        (1.0, ", weighed with one average label"),
        (32.0, ", weighed with 32 average labels"),
    ],
)
def test_a_rule_of_past_labels_says_what_they_are_weighed_with(strength, words):
    assert entity._shrunk(strength) == words


def test_a_winner_that_cannot_be_compared_is_not_said_to_stand_alone():
    both = [candidate("constant", 0, 0.5), candidate("linear", 30, 0.7)]
    found = judge(get_metric("auroc"), both, both[1], None, None, [], "test")
    assert found.sentence == (
        "linear is best on val; its auroc is undefined on test, "
        "and the simpler models cannot be compared with it there."
    )
    assert not found.is_significant


def test_a_verdict_says_what_a_constant_and_the_best_rule_on_val_reach():
    constant = replace(candidate("constant", 0, 0.5), test=0.5)
    weaker = replace(candidate("entity", 10, 0.6), test=0.9, words="mean of the past")
    rule = replace(candidate("heuristic", 20, 0.7), test=0.72, words="the more orders, the likelier")
    best = candidate("lightgbm", 40, 0.85)
    gaps = [Comparison(c.model, 0.1, 0.05, 0.2) for c in (constant, weaker, rule)]
    metric, several = get_metric("auroc"), [constant, weaker, rule, best]
    told = judge(metric, several, best, 0.842, Interval(0.81, 0.87), gaps, "test").sentence
    assert told.startswith(
        "lightgbm is best on val and reaches auroc 0.842 [0.81, 0.87] on test (a constant reaches 0.5; the "
        "best simple rule, “the more orders, the likelier”, reaches 0.72), significantly better"
    )
    on_val = judge(metric, several, best, 0.85, None, gaps, "val").sentence
    assert "reaches 0.7), significantly better" in on_val
    rules_only = judge(metric, several[:3], rule, 0.72, None, gaps[:2], "test").sentence
    assert "(a constant reaches 0.5)" in rules_only


def test_a_simpler_model_that_does_better_on_test_is_not_called_not_worse():
    both = [candidate("constant", 0, 0.8), candidate("linear", 30, 0.85)]
    worse = Comparison("constant", -0.04, -0.06, -0.01)
    told = judge(get_metric("accuracy"), both, both[1], 0.5, None, [worse], "test")
    assert (
        "the simpler constant even does better there (-0.04 [-0.06, -0.01]), so it may do." in told.sentence
    )


def test_noise_is_not_called_better():
    rng = np.random.default_rng(0)
    samples = np.vstack([0.7 + 0.02 * rng.normal(size=500), 0.7 + 0.02 * rng.normal(size=500)])
    found = compare(get_metric("auroc"), samples, [0.7, 0.705], ["a", "b"], 1)
    assert not found[0].is_significant
    lower = compare(get_metric("mae"), samples + np.array([[0.3], [0.0]]), [1.0, 0.7], ["a", "b"], 1)
    assert lower[0].difference == pytest.approx(0.3)
    assert lower[0].is_significant


def test_what_is_called_important_moves_predictions_more_than_chance(binary):
    data, folders = binary
    found = measure_importance(Predictor.open(folders[4]), data, seed=0)
    assert found.features[0].name == "strong"
    assert sum(f.value for f in found.features) == pytest.approx(1.0)
    assert found.deletion.is_faithful
    assert all(i > r for i, r in zip(found.deletion.important, found.deletion.random, strict=True))


def test_importance_is_measured_on_val_alone(binary):
    data, folders = binary
    found = measure_importance(Predictor.open(folders[4]), SimpleNamespace(val=data.val), seed=0)
    assert found.num_rows == min(len(data.val), 1000)


@pytest.mark.parametrize("rung", ["lightgbm", "heuristic"])
def test_importance_of_a_task_with_classes_counts_all_of_them(rung, tmp_path):
    data = make_data(TaskType.MULTICLASS, n=900)
    climb(data, tmp_path, (rung,))
    found = measure_importance(Predictor.open(tmp_path / rung), data, seed=0)
    assert found.features[0].name == "strong"
    assert sum(f.value for f in found.features) == pytest.approx(1.0)


def test_a_constant_has_no_importance(binary):
    data, folders = binary
    assert measure_importance(Predictor.open(folders[0]), data, seed=0) is None


def test_a_row_is_explained_largest_first(binary):
    _, folders = binary
    told = explain_rows(Predictor.open(folders[4]), planted(5)[1])
    sizes = [abs(a.amount) for a in told.amounts]
    assert sizes == sorted(sizes, reverse=True)
    assert told.unit == "log-odds"
    assert 0 <= told.prediction <= 1


LINE = Calibration("platt", (1.5, -0.25))
CURVE = Calibration("isotonic", (-2.0, 0.0, 1.0), (-1.0, 0.5, 3.0))


@pytest.mark.parametrize("calibration", [Calibration(), LINE, CURVE], ids=lambda c: c.method)
@pytest.mark.parametrize("rung", ["entity", "heuristic", "linear", "lightgbm", "blend"])
def test_amounts_add_up_to_the_probability_that_is_shown(rung, calibration, binary):
    _, folders = binary
    predictor = Predictor.open(next(f for f in folders if f.name == rung))
    predictor = replace(predictor, candidate=replace(predictor.candidate, calibration=calibration))
    values = planted(5)[1]
    told = explain_rows(predictor, values)
    whole = told.base + sum(a.amount for a in told.amounts)
    assert told.prediction == pytest.approx(predictor.predict(values)[0])
    if calibration is CURVE:
        assert told.unit == "log-odds before calibration"
        assert calibration.apply(sigmoid(np.array([whole])))[0] == pytest.approx(told.prediction, abs=1e-6)
        assert calibration.apply(sigmoid(np.array([told.base])))[0] == pytest.approx(told.usual)
        return
    assert told.unit == "log-odds"
    assert float(sigmoid(np.array([whole]))[0]) == pytest.approx(told.prediction, abs=1e-6)
    assert float(sigmoid(np.array([told.base]))[0]) == pytest.approx(told.usual, abs=1e-6)


def test_changes_of_a_prediction_are_those_of_the_calibrated_one(tmp_path):
    data = make_data(TaskType.MULTICLASS, n=600)
    folders = climb(data, tmp_path, ("entity", "linear", "blend"))
    predictor = Predictor.open(folders[-1])
    hot = replace(
        predictor, candidate=replace(predictor.candidate, calibration=Calibration("temperature", (4.0,)))
    )
    plain, told = (explain_row(p, asked(data, data.test).first(1)) for p in (predictor, hot))
    assert told.unit == plain.unit == "change of prediction"
    assert told.base == pytest.approx(told.prediction)
    assert told.prediction < plain.prediction


COLUMNS = {
    TaskType.BINARY: ["user_id", "anchor_time", "probability", "prediction"],
    TaskType.REGRESSION: ["user_id", "anchor_time", "prediction"],
    TaskType.MULTICLASS: ["user_id", "anchor_time", "class", "probability", "rank"],
    TaskType.MULTILABEL: ["user_id", "anchor_time", "class", "probability", "rank"],
    TaskType.MULTILABEL_RANKING: ["user_id", "anchor_time", "item", "score", "rank"],
    TaskType.FORECASTING: ["user_id", "anchor_time", "frame", "frame_start", "frame_end", "prediction"],
}


@pytest.mark.parametrize("kind", COLUMNS, ids=lambda k: k.value)
def test_answers_have_the_columns_of_their_task(kind, tmp_path):
    data = make_data(kind, n=480)
    climb(data, tmp_path, ("heuristic",))
    seeds = data.test.seeds.select(["entity", "anchor_time", "cutoff"]).slice(0, 4)
    values = planted(4 * (3 if kind is TaskType.FORECASTING else 1))[1]
    values = values.append_column("past.mode", pa.array(["class_000"] * values.num_rows))
    answer = predict_table(Predictor.open(tmp_path / "heuristic"), data.task, seeds, values)
    assert answer.column_names == COLUMNS[kind]
    if "rank" in COLUMNS[kind]:
        assert answer.slice(0, 2)["rank"].to_pylist() == [1, 2]
    if kind is TaskType.FORECASTING:
        first = answer.slice(0, 2).to_pylist()
        assert first[0]["frame_start"] == first[0]["anchor_time"]
        assert first[0]["frame_end"] == first[1]["frame_start"]
