"""Digests of blocks of rows: what counts and what does not."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import FINGERPRINT_ROWS, fingerprint_batches


def sample(n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    empty = rng.random(n) < 0.2
    return pa.table(
        {
            "i": pa.array(rng.integers(0, 9, n), mask=empty),
            "f": pa.array(rng.random(n), mask=empty),
            "b": pa.array(rng.random(n) < 0.5, mask=empty),
            "s": pa.array([str(x) for x in rng.integers(0, 99, n)], mask=empty),
            "t": pa.array(rng.integers(0, 9, n), pa.timestamp("us"), mask=empty),
            "v": pa.array([[1.5] * int(x) for x in rng.integers(0, 4, n)], pa.list_(pa.float32())),
        }
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 40_000), max_size=6))
def test_the_length_of_batches_does_not_count(cuts):
    table = sample(100_000)
    whole = fingerprint_batches(table.to_batches())
    places = sorted({0, len(table), *(c * 2 for c in cuts)})
    pieces = [b for a, z in itertools.pairwise(places) for b in table.slice(a, z - a).to_batches()]
    assert fingerprint_batches(pieces) == whole
    assert len(whole) == 2


def test_what_lies_under_a_null_does_not_count():
    clean = sample(1000)
    dirty = [c.combine_chunks() for c in clean.columns]
    flag = dirty[0].is_null().to_numpy(zero_copy_only=False)
    values = dirty[0].fill_null(77).to_numpy().copy()
    dirty[0] = pa.array(values, mask=flag)
    other = pa.table(dirty, names=clean.column_names)
    assert fingerprint_batches(other.to_batches()) == fingerprint_batches(clean.to_batches())


@pytest.mark.parametrize("column", ["i", "f", "b", "s", "t", "v"])
@pytest.mark.parametrize("row", [0, 500, 999])
def test_every_value_counts(column, row):
    table = sample(1000)
    values = table[column].to_pylist()
    values[row] = values[(row + 1) % 1000] if values[row] is None else None
    other = table.set_column(table.column_names.index(column), column, pa.array(values, table[column].type))
    assert fingerprint_batches(other.to_batches()) != fingerprint_batches(table.to_batches())


def test_a_value_that_moves_between_texts_counts():
    left, right = pa.record_batch({"s": ["ab", "c"]}), pa.record_batch({"s": ["a", "bc"]})
    assert fingerprint_batches([left]) != fingerprint_batches([right])


def test_an_appended_row_changes_the_last_digest_alone():
    table = sample(FINGERPRINT_ROWS + 10)
    before = fingerprint_batches(table.slice(0, FINGERPRINT_ROWS + 9).to_batches())
    after = fingerprint_batches(table.to_batches())
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_no_rows_have_no_digest():
    assert fingerprint_batches(sample(0).to_batches()) == ()


def test_the_name_of_a_lists_inner_field_does_not_count():
    kinds = [pa.list_(pa.field(name, pa.float32())) for name in ("item", "element")]
    left, right = (pa.record_batch({"v": pa.array([[1.0], None], kind)}) for kind in kinds)
    assert fingerprint_batches([left]) == fingerprint_batches([right])
