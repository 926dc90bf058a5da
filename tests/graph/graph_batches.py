"""Batches for tests: any that the type allows, and whether two are equal to the last byte."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from weft.core import Batch, BatchEdges, BatchRows, Scope, Toward

NAMES = st.text(max_size=8)
HOPS = st.lists(st.integers(0, 2**40), max_size=4).map(tuple)
KINDS = ["?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", ">i4", ">f8"]
DTYPES = st.sampled_from(KINDS).map(np.dtype)


@st.composite
def any_arrays(draw, max_dims=2):
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=max_dims, min_side=0, max_side=9))
    array = draw(arrays.arrays(draw(DTYPES), shape))
    how = draw(st.sampled_from(["plain", "every second", "reversed", "fortran"]))
    if how == "every second":
        return np.repeat(array, 2, axis=0)[::2]
    return {"plain": array, "reversed": array[::-1], "fortran": np.asfortranarray(array)}[how]


@st.composite
def batches(draw):
    blocks = st.dictionaries(NAMES, any_arrays(), max_size=3)
    rows = st.builds(BatchRows, any_arrays(1), any_arrays(1), any_arrays(1), blocks, HOPS)
    edges = st.builds(BatchEdges, NAMES, st.sampled_from(Toward), any_arrays(1), any_arrays(1), HOPS)
    return Batch(
        seed_table=draw(NAMES),
        seeds=draw(any_arrays(1)),
        anchors_us=draw(any_arrays(1)),
        seed_scopes=draw(any_arrays(1)),
        scope_anchors_us=draw(any_arrays(1)),
        scope=draw(st.sampled_from(Scope)),
        tables=draw(st.dictionaries(NAMES, rows, max_size=3)),
        edges=tuple(draw(st.lists(edges, max_size=3))),
    )


def batch_of(number, size=100):
    """A batch that its number decides on."""
    random = np.random.default_rng(number)
    ids, anchors = np.arange(size, dtype=np.int32), np.full(size, number)
    blocks = {"float32": random.standard_normal((size, 3), dtype=np.float32)}
    users = BatchRows(random.integers(0, 99, size).astype(np.uint32), ids, anchors, blocks, (size,))
    edges = (BatchEdges("orders.user", Toward.CHILDREN, ids, ids[::-1], (size,)),)
    return Batch("users", ids, anchors, ids, anchors, Scope.DISJOINT, {"users": users}, edges)


def arrays_of(batch):
    yield from (batch.seeds, batch.anchors_us, batch.seed_scopes, batch.scope_anchors_us)
    for rows in batch.tables.values():
        yield from (rows.rows, rows.scope, rows.age_us, *rows.blocks.values())
    for edges in batch.edges:
        yield from (edges.source, edges.target)


def assert_same(left, right):
    """Same words in the same order, same types, shapes and bytes."""

    def words(batch):
        tables = [(name, rows.per_hop, list(rows.blocks)) for name, rows in batch.tables.items()]
        edges = [(e.link, e.toward, e.per_hop) for e in batch.edges]
        return batch.seed_table, batch.scope, tables, edges

    assert words(left) == words(right)
    for one, other in zip(arrays_of(left), arrays_of(right), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
