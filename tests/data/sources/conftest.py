"""Short ways to a snapshot."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import Resources
from weft.data.snapshot import take_snapshot
from weft.data.sources import connect

RESOURCES = Resources(512 * 10**6, 2)


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
