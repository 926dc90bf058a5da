"""A batch through bytes and back: the same arrays, no copies, and nothing damaged passes."""

import json
import struct

import numpy as np
import pytest
from graph_batches import arrays_of, assert_same, batch_of, batches
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import UserError
from weft.graph import _native, decode_batch, encode_batch


@settings(max_examples=150, deadline=None)
@given(batch=batches())
def test_what_was_written_is_read(batch):
    buffer = encode_batch(batch)
    assert_same(decode_batch(buffer), batch)
    assert_same(decode_batch(buffer.tobytes()), batch)
    assert encode_batch(batch).tobytes() == buffer.tobytes()
    assert batch.num_bytes == sum(a.nbytes for a in arrays_of(batch)) <= len(buffer)


def test_arrays_are_aligned_views_and_as_writable_as_their_buffer():
    buffer = encode_batch(batch_of(1))
    batch = decode_batch(buffer)
    for array in arrays_of(batch):
        assert np.shares_memory(array, buffer)
        assert array.ctypes.data % 64 == 0
        assert array.flags.writeable
        assert array.flags.c_contiguous
    assert not any(a.flags.writeable for a in arrays_of(decode_batch(buffer.tobytes())))


def test_views_keep_the_buffer():
    seeds = decode_batch(encode_batch(batch_of(1))).seeds
    np.testing.assert_array_equal(seeds, batch_of(1).seeds)


def test_every_flipped_byte_is_found():
    good = encode_batch(batch_of(1, size=3))
    for at in range(len(good)):
        bad = good.copy()
        bad[at] ^= 0x10
        with pytest.raises(UserError) as caught:
            decode_batch(bad)
        assert caught.value.code in {"GRAPH062", "GRAPH063", "GRAPH064", "GRAPH065"}


@settings(max_examples=60, deadline=None)
@given(size=st.integers(0, 1000), more=st.binary(max_size=80))
def test_what_is_cut_or_continued_is_refused(size, more):
    good = encode_batch(batch_of(2, size=5)).tobytes()
    with pytest.raises(UserError, match=r"GRAPH06[24]"):
        decode_batch(good[: min(size, len(good) - 1)])
    if more:
        with pytest.raises(UserError, match="GRAPH065"):
            decode_batch(good + more)
    with pytest.raises(UserError, match=r"GRAPH06[24]"):
        decode_batch(more)


def test_each_refusal_has_its_code():
    good = encode_batch(batch_of(2, size=5))
    newer, foreign, damaged = good.copy(), good.copy(), good.copy()
    newer[8] = 2
    foreign[0] = 0
    damaged[-70] ^= 1
    for bytes_, code in ((newer, "GRAPH063"), (foreign, "GRAPH062"), (damaged, "GRAPH065")):
        with pytest.raises(UserError, match=code):
            decode_batch(bytes_)
    with pytest.raises(UserError, match="GRAPH064"):
        decode_batch(good[:-1])


def sealed(header, size):
    """A buffer with right checksums around any header."""
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    start = -(-(64 + len(text)) // 64) * 64
    buffer = np.zeros(start + size, np.uint8)
    buffer[64 : 64 + len(text)] = np.frombuffer(text, np.uint8)
    struct.pack_into(
        "<8sIIQI", buffer.data, 0, b"WEFTBTCH", 1, len(text), len(buffer), _native.crc32c(buffer[start:])
    )
    checksum = _native.crc32c(buffer[32:start], _native.crc32c(buffer[:28]))
    struct.pack_into("<I", buffer.data, 28, checksum)
    return buffer


PLACE = {"$type": "_Place", "dtype": "<i4", "shape": [2], "offset": 0}
HEADER = {
    "$type": "_Header",
    "seed_table": "t",
    "scope": "disjoint",
    "tables": [],
    "edges": [],
    "arrays": [PLACE, PLACE, PLACE, PLACE],
}


@pytest.mark.parametrize(
    "header",
    [
        b"\xff",
        b"[]",
        b"7",
        {},
        HEADER | {"scope": "none"},
        HEADER | {"arrays": [PLACE] * 3},
        HEADER | {"arrays": [PLACE] * 5},
        HEADER | {"tables": [{"$type": "_Rows", "table": "t", "per_hop": [], "blocks": []}]},
        HEADER | {"edges": [{"$type": "_Edges", "link": "l", "toward": "children", "per_hop": []}]},
        *(
            HEADER | {"arrays": [PLACE | change] * 4}
            for change in (
                {"offset": -8},
                {"offset": 60},
                {"offset": 0.5},
                {"shape": [-1]},
                {"shape": [2**60]},
                {"shape": ["2"]},
                {"shape": 2},
                {"dtype": "O"},
                {"dtype": "nothing"},
                {"dtype": "i4,i4"},
                {"dtype": 3},
            )
        ),
    ],
)
def test_a_header_that_describes_no_batch_is_refused_though_its_checksum_fits(header):
    with pytest.raises(UserError, match="GRAPH065"):
        decode_batch(sealed(header, 64))


def test_the_header_of_these_tests_is_one_that_can_be_read():
    assert len(decode_batch(sealed(HEADER, 64)).seeds) == 2


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array([1j]), np.zeros(2, "f8,f8")])
def test_arrays_of_other_things_are_refused(array):
    from dataclasses import replace

    with pytest.raises(UserError, match="GRAPH066"):
        encode_batch(replace(batch_of(1), seeds=array))
