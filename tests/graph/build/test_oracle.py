"""A build against plain Python, on random databases."""

import pytest
from build_kit import MemoryReader, check_graph
from hypothesis import HealthCheck, given, settings
from random_databases import databases

from weft.core import Resources
from weft.graph import materialize


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(databases())
def test_every_file_holds_what_plain_python_says(tmp_path_factory, database):
    schema, rows = database
    folder = tmp_path_factory.mktemp("graph") / "g"
    layout = materialize(MemoryReader(schema, rows, 7), folder, resources=Resources(1 << 30, 2))
    check_graph(folder, layout, schema, rows)


@pytest.mark.parametrize("memory", [1, 20_000])
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(database=databases())
def test_threads_batches_and_memory_do_not_change_a_byte(tmp_path_factory, memory, database):
    schema, rows = database
    place = tmp_path_factory.mktemp("graph")
    one = materialize(MemoryReader(schema, rows, 5000), place / "a", resources=Resources(1 << 30, 1))
    two = materialize(MemoryReader(schema, rows, 3), place / "b", resources=Resources(memory, 3))
    assert one == two
    files = sorted(p.relative_to(place / "a") for p in (place / "a").rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(place / "b") for p in (place / "b").rglob("*") if p.is_file())
    for file in files:
        assert (place / "a" / file).read_bytes() == (place / "b" / file).read_bytes(), file
