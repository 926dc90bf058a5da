"""A build against plain Python, on random databases."""

import tempfile
from pathlib import Path

import pytest
from build_kit import MemoryReader, check_graph, expected_order
from hypothesis import HealthCheck, given, settings
from random_databases import databases
from shop_kit import SCHEMA, shop

from weft.core import TIME, Resources
from weft.graph import Store, materialize


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(databases())
def test_every_file_holds_what_plain_python_says(quick_place, database):
    schema, rows = database
    folder = Path(tempfile.mkdtemp(dir=quick_place)) / "g"
    layout = materialize(MemoryReader(schema, rows, 7), folder, resources=Resources(1 << 30, 2))
    check_graph(folder, layout, schema, rows)


@pytest.mark.parametrize("memory", [1, 20_000])
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(database=databases())
def test_threads_batches_and_memory_do_not_change_a_byte(quick_place, memory, database):
    schema, rows = database
    place = Path(tempfile.mkdtemp(dir=quick_place))
    one = materialize(MemoryReader(schema, rows, 5000), place / "a", resources=Resources(1 << 30, 1))
    two = materialize(MemoryReader(schema, rows, 3), place / "b", resources=Resources(memory, 3))
    assert one == two
    files = sorted(p.relative_to(place / "a") for p in (place / "a").rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(place / "b") for p in (place / "b").rglob("*") if p.is_file())
    for file in files:
        assert (place / "a" / file).read_bytes() == (place / "b" / file).read_bytes(), file


def test_the_store_reads_what_was_built(quick_path):
    rows = shop()
    layout = materialize(MemoryReader(SCHEMA, rows), quick_path / "g", resources=Resources(1 << 30, 2))
    with Store(quick_path / "g") as store:
        assert store.verify() > 0
        assert store.layout == layout
        events = layout.table("events").num_rows
        sources = store.source_rows("events", list(range(events))).tolist()
        assert sources == expected_order(SCHEMA, rows)["events"]
        assert store.times_us("events", list(range(events))).tolist() == [
            rows["events"][s][TIME] for s in sources
        ]
        assert store.dictionary("events", "note").to_pylist() == [f"note {i}" for i in range(30)]
