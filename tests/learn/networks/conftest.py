"""The planted database, made once."""

import pytest

from .planted import make_tables, open_graph
from .planted_lists import make_lists, open_shop


@pytest.fixture(scope="package")
def shop(tmp_path_factory):
    """Its graph, and the habits that decide the labels."""
    tables, habit = make_tables()
    return open_graph(tables, tmp_path_factory.mktemp("shop")), habit


@pytest.fixture(scope="package")
def lists(tmp_path_factory):
    """Lists to rank, with the graph of a shop where nobody buys an item twice."""
    return make_lists(open_shop(tmp_path_factory.mktemp("lists")))
