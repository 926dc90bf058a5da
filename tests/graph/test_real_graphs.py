"""Real databases, from folder to batch, compared with SQL over the same prepared tables."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from weft.core import NO_AGE, Resources, Toward
from weft.data import Tables, connect, prepare_tables, profile_snapshot, take_snapshot
from weft.graph import ALL, SampleOptions, Sampler, Store, materialize

RESOURCES = Resources(1_000_000_000, 2)


@pytest.fixture(scope="module", params=["rel_f1", "journey", "football", "travel"])
def graph(request, real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    info = take_snapshot(connect(real_data / request.param), folder / "snapshot", resources=RESOURCES)
    paths = info.paths(folder / "snapshot")
    profile = profile_snapshot(paths, declared=info.declared, resources=RESOURCES)
    prepared = prepare_tables(paths, profile.schema, folder / "prepared", resources=RESOURCES)
    with Tables(
        prepared.schema, prepared.paths(folder / "prepared"), RESOURCES, folder / "scratch"
    ) as tables:
        materialize(tables, folder / "graph", resources=RESOURCES)
        yield tables, Store(folder / "graph")


def seeds_of(store: Store, table: str, rng) -> tuple[np.ndarray, np.ndarray]:
    """Random rows of a table with anchors from all the time there is."""
    newest = max(t.newest_us for t in store.layout.tables if t.newest_us is not None)
    num_rows = store.table(table).num_rows
    rows = rng.integers(0, num_rows, 200)
    return rows, newest - rng.integers(0, 20 * 365 * 86_400_000_000, 200)


def test_all_children_are_those_that_sql_finds(graph):
    tables, store = graph
    rng = np.random.default_rng(0)
    assert store.layout.links
    for link in store.layout.links:
        rows, anchors = seeds_of(store, link.parent, rng)
        options = SampleOptions(({(link.name, Toward.CHILDREN): ALL},), columns=())
        batch = Sampler(store, options).sample(link.parent, rows, anchors)
        (edges,) = batch.edges
        found = set()
        if len(edges):
            child, parent = batch.tables[link.child], batch.tables[link.parent]
            scopes = child.scope[edges.source]
            assert np.array_equal(scopes, parent.scope[edges.target])
            reached = store.source_rows(link.child, child.rows[edges.source])
            found = set(zip(scopes.tolist(), reached.tolist(), strict=True))
        assert found == children_by_sql(tables, store, link.name, rows, anchors)


def children_by_sql(tables: Tables, store: Store, name: str, rows, anchors) -> set[tuple[int, int]]:
    link = next(k for k in tables.schema.links if k.name == name)
    numbers = store.source_rows(link.parent, rows)
    seeds = ", ".join(f"({i}, {r}, {a})" for i, (r, a) in enumerate(zip(numbers, anchors, strict=True)))
    on = " AND ".join(f'c."{a}" = p."{b}"' for a, b in zip(link.columns, link.parent_columns, strict=True))
    sql = f"""
        WITH seed(i, r, a) AS (VALUES {seeds})
        SELECT i, c.__row FROM seed
        JOIN '{tables.paths[link.parent]}' p ON p.__row = r
        JOIN '{tables.paths[link.table]}' c ON {on}
        WHERE (c.__time IS NULL OR epoch_us(c.__time) <= a) AND (p.__time IS NULL OR epoch_us(p.__time) <= a)
    """
    with duckdb.connect() as engine:
        return {(i, row) for i, row in engine.execute(sql).fetchall()}


def test_no_row_of_a_deep_sample_is_later_than_its_anchor_and_values_are_those_of_the_tables(graph):
    tables, store = graph
    rng = np.random.default_rng(1)
    for table in store.layout.tables:
        rows, anchors = seeds_of(store, table.name, rng)
        batch = Sampler(store, SampleOptions((8, 4, 2))).sample(table.name, rows, anchors)
        seeds = set(batch.seeds.tolist())
        for name, block in batch.tables.items():
            times = store.times_us(name, block.rows)
            is_timed = times != np.iinfo(np.int64).min
            late = np.flatnonzero(is_timed & (times > batch.scope_anchors_us[block.scope]))
            assert name == table.name or not len(late)
            assert set(late.tolist()) <= seeds
            assert (block.age_us[late] == NO_AGE).all()
            kept = np.setdiff1d(np.arange(len(block)), late)[:50]
            compare_values(tables, store, name, block, kept)


def compare_values(tables: Tables, store: Store, name: str, block, kept) -> None:
    layout = store.table(name)
    numbers = store.source_rows(name, block.rows[kept])
    for column in layout.columns:
        packed = block.blocks[column.storage.value][kept, column.position]
        with duckdb.connect() as engine:
            engine.execute("SET TimeZone = 'UTC'")
            wanted = dict(
                engine.execute(
                    f"SELECT __row, \"{column.name}\" FROM '{tables.paths[name]}' "
                    f"WHERE __row IN ({', '.join(str(n) for n in [*numbers, -1])})"
                ).fetchall()
            )
        values = [wanted[n] for n in numbers.tolist()]
        if column.dictionary is not None:
            words = store.dictionary(name, column.name)
            assert [None if c < 0 else words[int(c)].as_py() for c in packed] == values
        elif column.storage.value.startswith("float") and column.width == 1:
            expected = np.array([np.nan if v is None else float(v) for v in values])
            assert np.array_equal(packed.astype(float), expected, equal_nan=True)
        elif column.storage.value == "uint8":
            assert packed.tolist() == [255 if v is None else int(v) for v in values]
