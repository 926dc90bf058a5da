"""The planted database, made once."""

import pytest

from .planted import make_tables, open_graph


@pytest.fixture(scope="package")
def shop(tmp_path_factory):
    """Its graph, and the habits that decide the labels."""
    tables, habit = make_tables()
    return open_graph(tables, tmp_path_factory.mktemp("shop")), habit
