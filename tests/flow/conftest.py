"""Stores of every kind, and limits that tests run within."""

import uuid

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from weft.core import Resources
from weft.flow import Store


class PlainFileSystem(LocalFileSystem):
    """A place whose writes are not all or nothing, such as a file server."""

    protocol = "plain"


fsspec.register_implementation("plain", PlainFileSystem, clobber=True)


@pytest.fixture
def resources():
    return Resources(1_000_000, 4)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture(params=["folder", "memory", "plain"])
def any_store(request, tmp_path):
    """One store per kind of place; what passes here passes on any fsspec URL."""
    if request.param == "folder":
        yield Store(tmp_path / "store")
    elif request.param == "plain":
        yield Store(f"plain://{tmp_path}/remote", cache=tmp_path / "cache")
    else:
        url = f"memory://{tmp_path.name}"
        yield Store(url, cache=tmp_path / "cache")
        fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/weft.db"


@pytest.fixture
def postgres_url(postgres):
    """A database of its own on the server of the session."""
    import psycopg

    name = f"flow_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    base, _, query = postgres.partition("?")
    yield f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    """URL of an empty database, of each kind that keeps runs."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def controllers():
    """A place for processes that a test starts; what still runs at its end is killed."""
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()
