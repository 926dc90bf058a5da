"""A store as models see it."""

from __future__ import annotations

import numpy as np
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import GraphSource, SampleOptions
from weft.graph import Sampler, Source, Store


def test_a_source_gives_what_its_store_gives(tmp_path):
    rng = np.random.default_rng(0)
    tables = [ToyTable("user", [None] * 20), ToyTable("event", rng.integers(0, 90, 100).tolist())]
    write_toy(Toy(tables, [ToyLink(1, 0, rng.integers(0, 20, 100).tolist())]), tmp_path / "graph")
    store = Store(tmp_path / "graph")
    source: GraphSource = Source(store)
    table = source.tables[0]
    rows = np.arange(table.num_rows, dtype=np.uint32)
    assert source.digest == store.digest
    assert [k.name for k in source.links] == [k.name for k in store.layout.links]
    assert np.array_equal(source.times_us(table.name, rows), store.times_us(table.name, rows))
    for name, values in source.values(table.name, rows).items():
        assert np.array_equal(
            values, store.values(table.name, rows)[name], equal_nan=values.dtype.kind == "f"
        )
    anchors = np.full(len(rows), np.iinfo(np.int64).max // 2)
    options = SampleOptions((2, 2))
    drawn = source.neighborhoods(options).sample(table.name, rows, anchors, epoch=3)
    expected = Sampler(store, options).sample(table.name, rows, anchors, epoch=3)
    assert drawn.num_edges == expected.num_edges > 0
    for one, other in zip(drawn.edges, expected.edges, strict=True):
        assert np.array_equal(one.source, other.source)
