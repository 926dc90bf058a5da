"""Rungs and metrics of a user's own, found by entry point."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from tests.learn.synthetic import RESOURCES, make_data

import weft.learn.metrics as metrics
import weft.learn.registry as registry
from weft.core import TaskType, UserError
from weft.learn import (
    Metric,
    Needs,
    Predictor,
    fit_candidate,
    get_metric,
    get_rung,
    metric_names,
    metrics_for,
    rung_names,
    rungs_for,
)
from weft.learn.metrics import mean_metric
from weft.learn.rungs.constant import ConstantModel, ConstantRung


class ShyModel(ConstantModel):
    rung = "shy"


class ShyRung(ConstantRung):
    """Half way between the constant and nothing."""

    name = "shy"
    cost = 5
    model = ShyModel

    def fit(self, data, config, seed, **limits):
        model = super().fit(data, config, seed, **limits)
        return ShyModel(model.header, model.value / 2)


def _off_by(targets, prediction):
    return np.abs(prediction - targets.values)


OFF_BY = Metric(
    "off_by", Needs.VALUE, False, frozenset({TaskType.REGRESSION}), mean_metric(_off_by), upper=None
)


@pytest.fixture
def installed(monkeypatch):
    """Entry points as an installed package would register them."""
    found = {
        registry.RUNG_GROUP: [EntryPoint("shy", f"{__name__}:ShyRung", registry.RUNG_GROUP)],
        metrics.METRIC_GROUP: [EntryPoint("off_by", f"{__name__}:OFF_BY", metrics.METRIC_GROUP)],
    }
    cached = (registry.get_rung, registry._plugged_in, metrics.get_metric, metrics._plugged_in)
    for module in (registry, metrics):
        monkeypatch.setattr(module, "entry_points", lambda group: found[group])
    for function in cached:
        function.cache_clear()
    yield found
    for function in cached:
        function.cache_clear()


def test_a_rung_of_ones_own_is_on_the_ladder(installed, tmp_path):
    data = make_data(TaskType.REGRESSION, n=400)
    assert "shy" in rung_names()
    names = [r.name for r in rungs_for(data.task)]
    assert names.index("constant") < names.index("shy") < names.index("entity")
    found = fit_candidate(data, "shy", {}, 0, tmp_path, resources=RESOURCES)
    assert (found.model, found.cost) == ("shy", 5)
    predicted = Predictor.open(tmp_path).model.score(data.test.matrix)
    assert predicted[0] == pytest.approx(np.median(data.train.targets.values) / 2)


def test_a_metric_of_ones_own_is_reported_and_can_choose(installed, tmp_path):
    data = make_data(TaskType.REGRESSION, n=400, metric="off_by")
    assert "off_by" in metric_names()
    assert "off_by" in [m.name for m in metrics_for(data.task)]
    assert "off_by" not in [m.name for m in metrics_for(make_data(TaskType.BINARY, n=400).task)]
    found = fit_candidate(data, "constant", {}, 0, tmp_path, resources=RESOURCES)
    assert found.metric == "off_by"
    predicted = get_rung("constant").model.load(tmp_path / "model").score(data.val.matrix)
    assert found.val == get_metric("off_by").score(data.val.targets, predicted)


def test_what_is_no_metric_is_refused_by_name(installed):
    installed[metrics.METRIC_GROUP][:] = [EntryPoint("off_by", f"{__name__}:ShyRung", metrics.METRIC_GROUP)]
    with pytest.raises(UserError, match=r"LEARN011: 'off_by' of the group weft.metrics does not load"):
        get_metric("off_by")
