"""Classes that are rare: fewer rows of the others are read, or the rare ones count more."""

import numpy as np
import pytest
import torch

from weft.core import Task, TaskType, UserError
from weft.learn.metrics import get_metric
from weft.learn.networks.drawing import EpochRows
from weft.learn.networks.heads import Goal, choose_goal, loss_of, predict_of
from weft.learn.targets import Targets
from weft.learn.view import asked

from .fit_process import fit
from .planted import make_data


def test_an_epoch_reads_every_rare_row_and_as_many_others_as_asked_drawn_anew():
    classes = np.repeat([0, 1, 2], [700, 200, 50])
    rows = EpochRows.of_classes(classes, 3, 2.0, seed=5)
    assert rows.shares == (100 / 700, 100 / 200, 1.0)
    first, second = rows.order(0), rows.order(1)
    assert len(rows) == len(first) == 250
    assert np.bincount(classes[first]).tolist() == [100, 100, 50]
    assert set(np.flatnonzero(classes == 2)) <= set(first) & set(second)
    assert set(first) != set(second)
    assert np.array_equal(first, EpochRows.of_classes(classes, 3, 2.0, seed=5).order(0))


def test_all_rows_are_read_where_no_ratio_is_asked_or_classes_are_even():
    classes = np.array([0, 0, 0, 1, -1])
    assert sorted(EpochRows.of_classes(classes, 2, 0, 1).order(3)) == [0, 1, 2, 3, 4]
    assert sorted(EpochRows.of_classes(classes, 2, 3.0, 1).order(3)) == [0, 1, 2, 3, 4]
    one = EpochRows.of_classes(classes, 2, 1.0, 1).order(3)
    assert {3, 4} <= set(one) and len(one) == 3  # a row without a class stays


def learn_constant(goal, targets, rows=slice(None)):
    """Find the raw outputs, alike for all rows, that the loss is least at."""
    raw = torch.zeros((1, goal.width), requires_grad=True)
    chosen = torch.from_numpy(goal.encode(targets)[rows])
    optimizer = torch.optim.LBFGS([raw], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = loss_of(goal, raw.expand(len(chosen), -1), chosen)
        loss.backward()
        return loss

    optimizer.step(closure)
    return raw.detach().numpy()


def test_chances_are_true_whatever_is_left_out_or_weighed():
    classes = np.repeat([0, 1, 2], [700, 200, 100])
    rows = EpochRows.of_classes(classes, 3, 1.0, seed=0)
    sampled = Goal(TaskType.MULTICLASS, 3, "cross_entropy", shares=rows.shares)
    raw = learn_constant(sampled, classes, rows.order(0))
    assert predict_of(sampled, raw)[0] == pytest.approx([0.7, 0.2, 0.1], abs=1e-3)
    task = Task(TaskType.MULTICLASS, "users", "user_id")
    weighed = choose_goal(task, Targets(classes, None), 3, "log_loss", {"positive_weight": "balanced"})
    assert len(weighed.class_weights) == 3
    assert np.allclose(torch.softmax(torch.tensor(learn_constant(weighed, classes)), 1), 1 / 3, atol=1e-3)
    assert predict_of(weighed, learn_constant(weighed, classes))[0] == pytest.approx(
        [0.7, 0.2, 0.1], abs=1e-3
    )
    yes = (classes == 2).astype(float)
    rows = EpochRows.of_classes(yes.astype(int), 2, 1.0, seed=0)
    both = Goal(TaskType.BINARY, 0, "cross_entropy", positive_weight=3.0, shares=rows.shares)
    assert predict_of(both, learn_constant(both, yes, rows.order(0)))[0] == pytest.approx(0.1, abs=1e-3)


def test_a_network_that_reads_few_of_the_many_ranks_well_and_its_chances_are_true(shop):
    data = make_data(*shop, above=0.9)
    config = {"class_ratio": 1.0, "epochs": 20, "batch_size": 64, "dropout": 0.0}
    model = fit(data, config)
    rare = data.train.targets.values.mean()
    assert rare < 0.2 and model.goal.shares[1] == 1.0 and model.goal.shares[0] < 0.3
    told = model.score_rows(asked(data, data.test))
    assert data.test.score(get_metric("auroc"), told) > 0.8
    assert told.mean() == pytest.approx(data.test.targets.values.mean(), abs=0.06)


def test_a_ratio_of_classes_is_refused_where_rows_have_none(shop):
    data = make_data(*shop, kind=TaskType.REGRESSION)
    with pytest.raises(UserError, match="rows of regression have no class each") as refused:
        fit(data, {"class_ratio": 1.0})
    assert refused.value.code == "LEARN043"
    with pytest.raises(UserError, match="schedule is 'steep'") as refused:
        fit(data, {"schedule": "steep"})
    assert refused.value.code == "LEARN043"


def test_a_long_pass_is_cut_into_equal_epochs_that_differ():
    rows = EpochRows(1003, seed=1, most=250)
    assert rows.parts == 5 and len(rows) == 200
    read = [rows.order(epoch) for epoch in range(10)]
    first, second = np.concatenate(read[:5]), np.concatenate(read[5:])
    assert len(np.unique(first)) == len(np.unique(second)) == 1000
    assert not np.array_equal(first, second)
    assert EpochRows(1003, seed=1).parts == 1
