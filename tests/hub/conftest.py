"""A hub on each of its databases."""

import pytest

from weft.hub import Hub


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    """Where a new hub is to be."""
    if request.param == "sqlite":
        return str(tmp_path / "weft.db")
    request.getfixturevalue("database")
    return request.getfixturevalue("postgres")


@pytest.fixture
def hub(address):
    return Hub(address)
