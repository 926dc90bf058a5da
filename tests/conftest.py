"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


def pytest_configure(config):
    os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; tests that need it are named as not run without it."""
    folder = os.environ.get("WEFT_TEST_DATA")
    if not folder:
        pytest.skip("WEFT_TEST_DATA is not set: the real data sets are not here")
    return Path(folder)
