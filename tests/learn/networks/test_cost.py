"""The number of epochs follows from counted work: more work, fewer epochs; the clock has no say."""

import numpy as np
import pytest

from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.cost import plan_epochs, step_seconds
from weft.learn.networks.drawing import EpochRows
from weft.learn.networks.fitting import Fit
from weft.learn.networks.registry import _BUILT_IN

from .fit_process import CONFIG
from .planted import RESOURCES, make_data


@pytest.fixture(scope="module")
def trainer(shop, tmp_path_factory):
    data = make_data(*shop)
    return Fit("sage", object, data, CONFIG, 0, RESOURCES)._trainer(tmp_path_factory.mktemp("fit"))


@pytest.mark.parametrize("name", _BUILT_IN)
def test_every_network_has_constants_and_wider_or_larger_steps_cost_more(trainer, name):
    small = trainer.course.feeder.make(trainer.course.train, np.arange(64), 0)
    large = trainer.course.feeder.make(trainer.course.train, np.arange(512), 0)
    assert 0 < step_seconds(name, small, 32) < step_seconds(name, large, 32) < step_seconds(name, large, 128)


def test_a_budget_buys_epochs_in_proportion_and_fewer_rows_buy_more(trainer):
    def planned(budget_s, rows=None, epochs=10**6):
        config = NetworkConfig(**CONFIG | {"budget_s": budget_s, "epochs": epochs})
        read = rows or EpochRows(len(trainer.course.train), 0)
        return plan_epochs("sage", trainer.course.feeder, trainer.course.train, read, 0, config)[0]

    usual = planned(1.0)
    assert usual >= 4
    assert planned(4.0) == pytest.approx(4 * usual, abs=4)
    assert planned(1.0) == usual
    assert planned(1.0, EpochRows(len(trainer.course.train) // 3, 0)) == pytest.approx(3 * usual, abs=3)
    assert planned(1.0, epochs=3) == 3
    assert planned(0.0, epochs=7) == 7
    assert planned(1e-6) == 0
