"""A place for graphs that are built by the hundred."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def quick_place():
    """A folder in memory where the system has one: flushing to a disk is most of a small build's time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def quick_path(quick_place):
    """A new folder in that place."""
    return Path(tempfile.mkdtemp(dir=quick_place))
