"""Weft's own networks pass the suite that it gives to others; one that peeks or mixes seeds does not."""

import importlib
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from torch import nn

from weft.core import Silent, UserError
from weft.learn import get_rung, load_model, registry
from weft.learn.networks import registry as networks
from weft.learn.networks.layers import RowEncoder, module_names
from weft.learn.search import default_space, read_space
from weft.learn.view import asked
from weft.testing.networks import NetworkSuite

from .fit_process import CONFIG
from .planted import RESOURCES, make_data


class TestSage(NetworkSuite):
    network = importlib.import_module("weft.learn.models.sage.network")


class TestRelGNN(NetworkSuite):
    network = importlib.import_module("weft.learn.models.relgnn.network")


class TestGraphTransformer(NetworkSuite):
    network = importlib.import_module("weft.learn.models.graph_transformer.network")


class Lonely(nn.Module):
    """Reads the seeds alone, or the mean of all rows of a batch."""

    def __init__(self, inputs, config, mixes):
        super().__init__()
        self.names = module_names([t.table for t in inputs.tables])
        tables = {self.names[t.table]: RowEncoder(t, config.channels) for t in inputs.tables}
        self.encode, self.mixes = nn.ModuleDict(tables), mixes

    def forward(self, batch):
        state = self.encode[self.names["users"]](batch.rows["users"])[batch.seeds]
        if self.mixes and "orders" in batch.rows:
            state = state + self.encode[self.names["orders"]](batch.rows["orders"]).mean(0)
        return state


class _Built:
    def __init__(self, mixes):
        self.build = lambda inputs, config: Lonely(inputs, config, mixes)


def test_the_suite_finds_a_network_that_reads_no_neighbors():
    suite = NetworkSuite()
    suite.network = _Built(mixes=False)
    suite.test_every_seed_has_a_state()
    with pytest.raises(AssertionError):
        suite.test_neighbors_are_read()


def test_the_suite_finds_a_network_that_mixes_seeds():
    suite = NetworkSuite()
    suite.network = _Built(mixes=True)
    with pytest.raises(AssertionError):
        suite.test_a_seed_does_not_feel_the_seeds_beside_it()
    with pytest.raises(AssertionError):
        suite.test_what_comes_after_an_anchor_changes_nothing()


lonely = _Built(mixes=False)


def fit(data, config, name):
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}
    return get_rung(name).fit(data, CONFIG | config, 0, **limits)


@pytest.fixture
def installed(monkeypatch):
    """Entry points as an installed package would register them."""
    points = [EntryPoint(n, f"{__name__}:{n}", networks.NETWORK_GROUP) for n in ("lonely", "missing")]
    cached = (registry.get_rung, networks.added_networks, networks._module)
    monkeypatch.setattr(networks, "entry_points", lambda group: points)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def test_a_network_of_ones_own_is_a_rung_is_saved_and_can_be_searched(installed, shop, tmp_path):
    data = make_data(*shop)
    assert "lonely" in registry.rung_names()
    model = fit(data, {"epochs": 1}, name="lonely")
    model.save(tmp_path)
    rows = asked(data, data.test)
    assert np.array_equal(load_model(tmp_path).score_rows(rows), model.score_rows(rows))
    assert "lonely over 2 hops" in model.words
    space = read_space({"network": ["sage", "lonely"]}, default_space(data.task.type))
    assert "lonely" in space["network"]


def test_a_network_that_does_not_load_is_named(installed, shop):
    with pytest.raises(UserError, match="LEARN011") as raised:
        fit(make_data(*shop), {"epochs": 1}, name="missing")
    assert "'missing' of the group weft.networks does not load" in raised.value.message
    assert get_rung("sage").name == "sage"
