"""Data that is too small, too wide, empty or dull: a model or a coded error, never a crash."""

import numpy as np
import pyarrow as pa
import pytest
from tests.learn.synthetic import RESOURCES, categorical, label_table, make_data, make_task, numerical

from weft.core import History, InvariantError, Silent, TaskType, UserError
from weft.learn import Budget, Predictor, TrainingData, fit_candidate, get_rung, rungs_for
from weft.learn.candidate import check_prediction

RUNGS = ("constant", "entity", "heuristic", "linear", "lightgbm")


def build(columns, labels, kind=TaskType.BINARY, features=None, **layout):
    table = pa.table(columns)
    return TrainingData.build(
        task=make_task(kind),
        history=History.SEED_TIME,
        features=features if features is not None else [numerical(name) for name in columns],
        feature_table=table,
        labels=label_table(labels, **layout),
    )


def fit_all(data, directory, budget=0.5):
    found = {}
    for rung in RUNGS:
        if get_rung(rung).supports(data.task):
            config = get_rung(rung).variants(data.outline, Budget(budget))[0]
            found[rung] = fit_candidate(data, rung, config, 0, directory / rung, resources=RESOURCES)
            if not found[rung].left_out:
                predictor = Predictor.open(directory / rung)
                assert np.isfinite(predictor.model.score(data.val.matrix)).all()
    return found


def alternating(n):
    return pa.array([i % 2 == 0 for i in range(n)])


@pytest.mark.parametrize("kind", [TaskType.BINARY, TaskType.REGRESSION])
def test_features_that_are_all_missing_or_all_equal(kind, tmp_path):
    labels = alternating(120) if kind is TaskType.BINARY else pa.array(np.arange(120.0) % 7)
    columns = {
        "none": pa.nulls(120, pa.float64()),
        "same": pa.array(np.ones(120)),
        "no_text": pa.nulls(120, pa.string()),
    }
    features = [numerical("none"), numerical("same"), categorical("no_text")]
    found = fit_all(build(columns, labels, kind, features), tmp_path)
    assert "no feature goes with the label" in found["heuristic"].left_out
    assert "no feature varies" in found["linear"].left_out
    assert not found["lightgbm"].left_out


def test_no_feature_at_all(tmp_path):
    table = pa.table({"x": np.zeros(80)})
    data = TrainingData.build(
        task=make_task(TaskType.BINARY),
        history=History.SEED_TIME,
        features=[],
        feature_table=table,
        labels=label_table(alternating(80)),
    )
    found = fit_all(data, tmp_path)
    assert {name for name, c in found.items() if not c.left_out} == {"constant"}


@pytest.mark.parametrize("kind", [TaskType.BINARY, TaskType.REGRESSION, TaskType.MULTICLASS])
def test_a_handful_of_rows(kind, tmp_path):
    labels = {
        TaskType.BINARY: alternating(5),
        TaskType.REGRESSION: pa.array(np.arange(5.0)),
        TaskType.MULTICLASS: pa.array(["a", "b", "a", "b", "a"]),
    }[kind]
    data = build({"x": pa.array([3.0, 1.0, None, 0.5, 2.0])}, labels, kind, anchors=5, num_entities=1)
    assert (len(data.train), len(data.val), len(data.test)) == (3, 1, 1)
    fit_all(data, tmp_path)


def test_one_train_row_of_a_regression(tmp_path):
    data = build({"x": [1.0, 2.0, 3.0]}, pa.array([5.0, 6.0, 7.0]), TaskType.REGRESSION, anchors=3)
    found = fit_all(data, tmp_path)
    assert found["constant"].test == 2.0


def test_a_regression_whose_labels_are_all_equal(tmp_path):
    data = build({"x": np.arange(120.0)}, pa.array(np.full(120, 4.0)), TaskType.REGRESSION)
    assert fit_all(data, tmp_path)["lightgbm"].test == pytest.approx(0.0)


def test_a_val_split_of_one_class_falls_back_to_the_log_loss(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=800)
    truth = x + 0.5 * rng.normal(size=800) > 0
    data = build({"x": x}, pa.array(np.where(np.arange(800) // 100 == 6, True, truth)))
    found = fit_all(data, tmp_path)
    assert all(c.val is None for c in found.values())
    assert found["lightgbm"].val_fallback < found["constant"].val_fallback
    assert found["lightgbm"].test > 0.9


def test_three_thousand_features(tmp_path):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 3000))
    labels = pa.array(matrix[:, 7] + 0.3 * rng.normal(size=400) > 0)
    data = build({f"f{i}": matrix[:, i] for i in range(3000)}, labels)
    found = fit_all(data, tmp_path, budget=2.0)
    assert found["heuristic"].words == "the higher f7, the likelier"
    assert found["heuristic"].test > 0.9
    assert found["lightgbm"].test > 0.85


@pytest.mark.parametrize("kind", [TaskType.MULTICLASS, TaskType.MULTILABEL])
def test_two_hundred_classes(kind, tmp_path):
    data = make_data(kind, n=1600, num_classes=200)
    assert len(data.classes) == 200
    found = fit_all(data, tmp_path, budget=1.0)
    assert found["heuristic"].val_fallback < 1.2 * found["constant"].val_fallback


def test_huge_and_tiny_numbers(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    columns = {"big": x * 1e300, "small": x * 1e-300, "wild": np.where(x > 2, np.inf, x)}
    fit_all(build(columns, pa.array(x > 0)), tmp_path)


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (np.zeros(3), r"shape \(3,\) where \(2,\) is due"),
        (np.array([0.5, np.nan]), "1 predictions that are not finite"),
    ],
)
def test_a_rung_that_predicts_nonsense_is_named(prediction, message):
    with pytest.raises(InvariantError, match=f"LEARN017: the rung 'mine' gives .*{message}"):
        check_prediction("mine", prediction, 2, 0)


def test_unknown_rungs_and_packages_that_do_not_load_are_named(monkeypatch):
    from importlib.metadata import EntryPoint

    from weft.learn import registry
    from weft.learn.metrics import _load

    with pytest.raises(UserError, match=r"LEARN006: there is no rung 'forest'"):
        get_rung("forest")
    broken = EntryPoint("mine", "no_such_package:Rung", registry.RUNG_GROUP)
    with pytest.raises(UserError, match=r"LEARN011: 'mine' of the group weft.rungs does not load"):
        registry.load_plug_in(broken)
    with pytest.raises(UserError, match=r"LEARN011.*not a weft.learn.Metric"):
        _load(EntryPoint("mine", "builtins:int", "weft.metrics"))


def test_a_rung_says_why_it_finds_nothing():
    data = build({"x": np.ones(80)}, alternating(80))
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}
    with pytest.raises(UserError, match=r"LEARN010: the rung 'linear' was left out: no feature varies"):
        get_rung("linear").fit(data, {}, 0, **limits)


def test_every_task_has_a_rung():
    for kind in TaskType:
        assert rungs_for(make_task(kind, top_k=3))
