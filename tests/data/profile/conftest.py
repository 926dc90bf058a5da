"""Tables written as a raw snapshot, and profiled."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from profile_columns import RESOURCES

from weft.data.profile import profile_snapshot


def to_table(columns) -> pa.Table:
    if isinstance(columns, pa.Table):
        return columns
    arrays = {}
    for name, values in columns.items():
        if isinstance(values, (pa.Array, pa.ChunkedArray)):
            arrays[name] = values
        else:
            arrays[name] = pa.array(list(values) if isinstance(values, range) else values)
    return pa.table(arrays)


@pytest.fixture
def write(tmp_path):
    """Write tables, each a dict of columns, as Parquet files."""

    def write_tables(tables):
        paths = {}
        for index, (name, columns) in enumerate(tables.items()):
            paths[name] = tmp_path / f"{index}.parquet"
            pq.write_table(to_table(columns), paths[name])
        return paths

    return write_tables


@pytest.fixture
def profile(write):
    """Profile tables given as dicts of columns."""

    def profile_tables(tables, **options):
        return profile_snapshot(write(tables), resources=RESOURCES, **options)

    return profile_tables
