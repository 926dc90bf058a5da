"""The scale of a target: what is learned on it goes back to the same statistic in the target's own units."""

import dataclasses

import numpy as np
import pytest
import torch

from weft.core import Silent, Task, TaskType, UserError
from weft.learn import get_metric, get_rung, load_model
from weft.learn.networks.allowed import TARGETS
from weft.learn.networks.heads import choose_goal, loss_of, predict_of
from weft.learn.networks.scale import Scale
from weft.learn.targets import Targets
from weft.learn.view import asked

from .planted import RESOURCES, make_data

TASK = Task(TaskType.REGRESSION, "users", "user_id")
CONFIG = {"channels": 16, "fanouts": [16, 4], "epochs": 6, "batch_size": 128, "learning_rate": 0.02}
SKEWED = np.exp(np.random.default_rng(0).normal(2, 1.5, 4000))


def goal_of(values, **config):
    targets = Targets(np.asarray(values, float), np.ones(len(values)))
    return choose_goal(TASK, targets, 0, "mae", config)


def best_constant(goal, values):
    """Return what a network that knows nothing would learn to predict."""
    raw = torch.zeros(1, goal.width, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.05)
    targets = torch.from_numpy(goal.encode(values))
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 1500)
        optimizer.zero_grad()
        loss_of(goal, raw.expand(len(values), -1), targets).backward()
        optimizer.step()
    return float(predict_of(goal, raw.detach().numpy())[0])


@pytest.mark.parametrize("target", TARGETS)
def test_labels_come_back_from_every_scale_in_their_own_order(target):
    values = np.concatenate([SKEWED[:500], -SKEWED[500:700], np.zeros(50)])
    scale = Scale.fit(target, values, is_mean=False)
    inner = np.sort(values)[20:-20]
    told = scale.encode(inner)
    assert np.all(np.diff(told) >= 0)
    back = scale.decode(torch.from_numpy(told)).numpy()
    assert np.abs(back - inner).max() < (1e-9 if target != "rank" else 0.2 * np.abs(inner).max())
    assert np.all(np.diff(back) >= -1e-9)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("loss", ["mae", "quantiles"])
def test_a_median_stays_the_median_on_every_scale(target, loss):
    values = SKEWED if target != "raw" else SKEWED / 20
    found = best_constant(goal_of(values, loss=loss, target=target), values)
    assert found == pytest.approx(np.median(values), rel=0.05)
    assert found < 0.6 * values.mean()


def test_a_mean_is_learned_on_straight_scales_alone():
    assert best_constant(goal_of(SKEWED, loss="mse"), SKEWED) == pytest.approx(SKEWED.mean(), rel=0.02)
    for target in ("log", "rank"):
        with pytest.raises(
            UserError, match=rf"LEARN043.*target is {target}, and the loss mse asks for a mean"
        ):
            goal_of(SKEWED, loss="mse", target=target)
        with pytest.raises(UserError, match="LEARN043"):
            targets = Targets(SKEWED, np.ones(len(SKEWED)))
            choose_goal(TASK, targets, 0, "rmse", {"target": target})


def test_a_scale_that_there_is_not_or_that_no_number_is_for_is_refused():
    with pytest.raises(UserError, match=r"LEARN043.*no scale 'sqrt'"):
        goal_of(SKEWED, target="sqrt")
    yes = Targets(np.array([0.0, 1.0]), np.ones(2))
    with pytest.raises(UserError, match=r"LEARN043.*binary task predicts no number"):
        choose_goal(Task(TaskType.BINARY, "users", "user_id"), yes, 0, "auroc", {"target": "log"})


def test_labels_that_are_all_equal_or_mostly_zero_do_no_harm():
    for target in TARGETS:
        scale = Scale.fit(target, np.full(30, 7.0), is_mean=False)
        assert np.isfinite(scale.encode(np.array([7.0, 9.0]))).all()
        told = scale.encode(np.array([7.0]))
        assert scale.decode(torch.from_numpy(np.asarray(told))).item() == pytest.approx(7.0)
    mostly = np.concatenate([np.zeros(900), SKEWED[:100]])
    scale = Scale.fit("rank", mostly, is_mean=False)
    told = scale.encode(np.array([0.0, 0.0, 5.0]))
    assert told[0] == told[1] < told[2]
    assert best_constant(goal_of(mostly, target="rank"), mostly) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("target", ["standard", "raw", "log", "rank"])
def test_a_prediction_can_be_explained_where_all_labels_of_train_are_equal(target):
    told = torch.tensor([0.3, -2.0], requires_grad=True)
    found = Scale.fit(target, np.full(3, 7.0), is_mean=False).decode(told)
    (slope,) = torch.autograd.grad(found.sum(), told)
    assert torch.isfinite(slope).all() and (target != "rank" or (found == 7.0).all())


def test_what_lies_far_out_on_a_scale_stays_near_what_train_knows():
    far = torch.tensor([-50.0, 50.0], dtype=torch.float64)
    told = Scale.fit("log", SKEWED, is_mean=False).decode(far).numpy()
    assert np.isfinite(told).all() and told[1] < 10 * SKEWED.max()
    told = Scale.fit("rank", SKEWED, is_mean=False).decode(far).numpy()
    assert SKEWED.min() <= told[0] < told[1] <= SKEWED.max()


@pytest.mark.parametrize("target", ["log", "rank"])
def test_a_network_predicts_in_the_units_of_the_target_and_explains_it(shop, target, tmp_path):
    data = make_data(*shop, kind=TaskType.REGRESSION)
    data = dataclasses.replace(data, test=bigger(data.test))
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}
    model = get_rung("sage").fit(data, {**CONFIG, "target": target}, 0, **limits)
    # Learned from train alone, whatever the labels of test are.
    assert model.goal.scale == Scale.fit(target, data.train.targets.values, is_mean=False)
    rows = asked(data, data.val)
    predicted = model.score_rows(rows)
    mae = get_metric("mae")
    constant = np.full(len(predicted), np.median(data.train.targets.values))
    assert data.val.score(mae, predicted) < 0.8 * data.val.score(mae, constant)
    told = model.divide_rows(rows.first(4))
    whole = told.amounts.sum(axis=1) + told.base
    assert whole == pytest.approx(predicted[:4], rel=0.02)
    model.save(tmp_path / "model")
    assert np.array_equal(load_model(tmp_path / "model").score_rows(rows), predicted)


def bigger(rows):
    values = dataclasses.replace(rows.targets, values=rows.targets.values * 1e6)
    return dataclasses.replace(rows, targets=values)
