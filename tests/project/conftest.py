"""A small shop and one finished run on it, shared by the tests of the Python face."""

import pytest

import weft
from weft.data import generate_shop

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    generate_shop(folder / "shop", num_users=300, seed=0)
    return folder


@pytest.fixture(scope="session")
def graph(shop):
    return weft.connect(str(shop / "shop"), project=shop).graph()


@pytest.fixture(scope="session")
def run(graph):
    return graph.query(CHURN).fit(budget="2s", seed=0)
