"""Digests of columns: equal for equal values however they lie in memory, different for different ones."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import TIME
from weft.graph.build.edit import ColumnDigests

VALUES = {
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float": (pa.float64(), st.floats(allow_nan=False)),
    "moment": (pa.timestamp("us"), st.integers(-(10**15), 10**15)),
    "flag": (pa.bool_(), st.booleans()),
    "text": (pa.string(), st.text(max_size=4)),
}


def digest(batches):
    found = ColumnDigests(["c"])
    for batch in batches:
        found.add(batch)
    return found.digests()["c"]


def batch_of(array):
    return pa.record_batch([array, pa.nulls(len(array))], ["c", TIME])


@pytest.mark.parametrize("kind", VALUES)
@settings(deadline=None)
@given(st.data())
def test_equal_digests_are_of_equal_columns(kind, data):
    dtype, one = VALUES[kind]
    lists = st.lists(st.one_of(one, st.none()), max_size=20)
    left, right = data.draw(lists), data.draw(lists)
    whole = digest([batch_of(pa.array(left, dtype))])
    cut = data.draw(st.integers(0, len(left)))
    longer = pa.array([*left[:1], None, *left, None], dtype)[min(1, len(left)) + 1 :][: len(left)]
    assert whole == digest([batch_of(longer[:cut]), batch_of(longer[cut:])])
    assert (whole == digest([batch_of(pa.array(right, dtype))])) == (repr(left) == repr(right))


def test_what_lies_under_a_null_does_not_count():
    values = [pa.py_buffer(np.array([1, second, 3], "<i8")) for second in (2, 5)]
    valid = pa.py_buffer(bytes([0b101]))
    one, other = (pa.Array.from_buffers(pa.int64(), 3, [valid, v]) for v in values)
    assert digest([batch_of(one)]) == digest([batch_of(other)])
    ends = pa.py_buffer(np.array([0, 1, 2, 3], "<i4"))
    texts = [pa.Array.from_buffers(pa.string(), 3, [valid, ends, pa.py_buffer(t)]) for t in (b"abc", b"axc")]
    assert digest([batch_of(texts[0])]) == digest([batch_of(texts[1])])
    assert digest([batch_of(texts[0])]) != digest([batch_of(pa.array(["a", "", "c"]))])
