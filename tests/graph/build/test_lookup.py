"""Keys of every kind, found in graphs that were built from them, against a dictionary."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from build_kit import MemoryReader
from hypothesis import given, settings
from hypothesis import strategies as st
from random_databases import INTS

from weft.core import TIME, Column, Dtype, Resources, Schema, Stype, Table, UserError
from weft.graph import Store, materialize
from weft.graph.layout import NO_ROW, KeyKind

RESOURCES = Resources(1 << 28, 2)
MOMENT = st.integers(-(10**16), 10**16)
NUMBERS = st.one_of(st.integers(-9, 9).map(float), st.floats(allow_nan=False))
TEXTS = st.text(max_size=9)
UUIDS = st.uuids().map(str)
KINDS = {
    "dense": ((Dtype.INT,), st.integers(-20, 60)),
    "sparse": ((Dtype.INT,), INTS),
    "moment": ((Dtype.TIMESTAMP,), MOMENT),
    "flag": ((Dtype.BOOL,), st.booleans()),
    "text": ((Dtype.STRING,), TEXTS),
    "uuid": ((Dtype.STRING,), UUIDS),
    "number": ((Dtype.FLOAT,), NUMBERS),
    "pair": ((Dtype.INT, Dtype.STRING), st.tuples(st.integers(-3, 3), st.sampled_from(["", "x", "ä"]))),
    "three": ((Dtype.TIMESTAMP, Dtype.BOOL, Dtype.FLOAT), st.tuples(MOMENT, st.booleans(), NUMBERS)),
    "texts": ((Dtype.STRING, Dtype.STRING), st.tuples(TEXTS, UUIDS)),
}
ARROW = {
    Dtype.INT: pa.int64(),
    Dtype.FLOAT: pa.float64(),
    Dtype.BOOL: pa.bool_(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us"),
}


def built(folder: Path, dtypes, keys, base: Path | None = None) -> Store:
    """Build a graph of one table 't' with these keys; a key of several columns is a tuple."""
    names = tuple(f"k{i}" for i in range(len(dtypes)))
    columns = tuple(Column(n, d, Stype.ID) for n, d in zip(names, dtypes, strict=True))
    tuples = [k if isinstance(k, tuple) else (k,) for k in keys]
    rows = [{**dict(zip(names, k, strict=True)), TIME: None} for k in tuples]
    reader = MemoryReader(Schema((Table("t", columns, names),), ()), {"t": rows})
    materialize(reader, folder / "g", resources=RESOURCES, base=base)
    return Store(folder / "g")


def as_columns(dtypes, keys):
    tuples = [k if isinstance(k, tuple) else (k,) * len(dtypes) for k in keys]
    columns = [pa.array(c, ARROW[d]) for c, d in zip(zip(*tuples, strict=True), dtypes, strict=True)]
    return columns if len(columns) > 1 else columns[0]


def comparable(key):
    """-0.0 and 0.0 are one key."""
    return tuple(k + 0.0 if isinstance(k, float) else k for k in (key if isinstance(key, tuple) else (key,)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_every_key_has_its_row_and_no_other_has_one(kind, data):
    dtypes, one = KINDS[kind]
    keys = data.draw(st.lists(one, max_size=60, unique_by=comparable))
    asked = data.draw(st.lists(st.one_of(one, st.none()), min_size=1, max_size=40)) + keys
    row_of = {comparable(k): row for row, k in enumerate(keys)}
    expected = [NO_ROW if k is None else row_of.get(comparable(k), NO_ROW) for k in asked]
    with tempfile.TemporaryDirectory() as folder:
        store = built(Path(folder), dtypes, keys)
        found = store.rows("t", as_columns(dtypes, asked))
        assert (found.dtype, found.tolist()) == (np.uint32, expected)
        check_keys(store, dtypes, keys)


def check_keys(store: Store, dtypes, keys) -> None:
    rows = np.arange(len(keys))
    back = store.keys("t", rows)
    expected = [
        tuple(
            np.datetime64(v, "us") if d is Dtype.TIMESTAMP else v
            for v, d in zip(k if isinstance(k, tuple) else (k,), dtypes, strict=True)
        )
        for k in keys
    ]
    assert [b if isinstance(b, tuple) else (b,) for b in back] == expected
    assert store.keys("t", [NO_ROW, NO_ROW]) == [None, None]
    if keys:
        assert store.rows("t", back).tolist() == rows.tolist()
        assert store.rows("t", [*back, None]).tolist() == [*rows.tolist(), NO_ROW]


def test_a_part_of_a_key_that_is_null_finds_nothing(tmp_path):
    store = built(tmp_path, (Dtype.INT, Dtype.STRING), [(1, "a"), (0, "")])
    assert store.rows("t", [[1, None, 0], ["a", "a", None]]).tolist() == [0, NO_ROW, NO_ROW]


INTEGER_FORMS = {
    "int8": np.array([5, 7, 9], np.int8),
    "uint64": np.array([5, 7, 9], np.uint64),
    "whole floats": np.array([5.0, 7.0, 9.0]),
    "single floats": np.array([5.0, 7.0, 9.0], np.float32),
    "every other": np.arange(5, 11)[::2],
    "objects": np.array([5, np.int16(7), 9], object),
    "list": [5, 7, 9],
    "tuple": (5, 7, 9),
    "range": range(5, 10, 2),
    "chunked": pa.chunked_array([[5], [], [7, 9]], pa.int32()),
    "dictionary": pa.array([5, 7, 9]).dictionary_encode(),
    "slice": pa.array([1, 5, 7, 9, 2])[1:4],
}


@pytest.mark.parametrize("form", sorted(INTEGER_FORMS))
@pytest.mark.parametrize("keys", [[9, 5], [9, 5, 10**15]])
def test_integers_come_in_any_form_that_loses_nothing(tmp_path, form, keys):
    store = built(tmp_path, (Dtype.INT,), keys)
    assert store.rows("t", INTEGER_FORMS[form]).tolist() == [1, NO_ROW, 0]


def test_missing_integers_may_be_nan_or_none(tmp_path):
    store = built(tmp_path, (Dtype.INT,), [9, 5])
    for keys in ([5, None], np.array([5, np.nan]), np.array([5, None], object), pa.array([5.0, np.nan])):
        assert store.rows("t", keys).tolist() == [1, NO_ROW]
    assert store.rows("t", [None]).tolist() == [NO_ROW]
    assert store.rows("t", []).tolist() == []


def test_texts_and_uuids_come_in_any_form(tmp_path):
    one, two = uuid.UUID(int=0xAB), uuid.UUID(int=2**100)
    store = built(tmp_path, (Dtype.STRING,), [str(one), str(two)])
    assert store.table("t").keys.segments[0].kind is KeyKind.UUID
    texts = [str(two), str(one)]
    uuids = pa.array([two.bytes, one.bytes], pa.binary(16)).cast(pa.uuid())
    for keys in (
        texts,
        np.array(texts),
        pa.array(texts, pa.large_string()),
        pa.array(texts, pa.string_view()),
        pa.array(texts).dictionary_encode(),
        [two, one],
        np.array([two, one], object),
        uuids,
    ):
        assert store.rows("t", keys).tolist() == [1, 0]
    assert store.rows("t", [str(one).upper(), "", "x", None]).tolist() == [NO_ROW] * 4


def test_moments_come_in_any_unit(tmp_path):
    day = 86_400_000_000
    store = built(tmp_path, (Dtype.TIMESTAMP,), [3 * day, 5 * day + 1])
    zoned = dt.datetime(1970, 1, 4, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    for keys in (
        np.array(["1970-01-04"], "datetime64[D]"),
        np.array(["1970-01-04", "1970-01-06"], "datetime64[s]")[:1],
        np.array(["1970-01-04"], "datetime64[ns]"),
        pa.array([dt.date(1970, 1, 4)]),
        [dt.datetime(1970, 1, 4)],
        [zoned],
        pa.array([3 * day * 1000], pa.timestamp("ns", "UTC")),
    ):
        assert store.rows("t", keys).tolist() == [0]
    assert store.rows("t", np.array(["1970-01-06T00:00:00.000001", "NaT"], "M8[us]")).tolist() == [1, NO_ROW]


REFUSED = [
    ((Dtype.INT,), ["5"], "k0 int.*string"),
    ((Dtype.INT,), [True], "bool"),
    ((Dtype.INT,), [1.5], "truncated"),
    ((Dtype.INT,), [2**63], "one column"),
    ((Dtype.INT,), np.array([2**63], np.uint64), "not in range"),
    ((Dtype.INT,), [np.inf], "truncated"),
    ((Dtype.INT,), np.array(["1970-01-01"], "M8[s]"), "timestamp"),
    ((Dtype.INT,), [1, "a"], "one column"),
    ((Dtype.INT,), 5, "one column"),
    ((Dtype.INT,), np.zeros((2, 2), np.int64), "one column"),
    ((Dtype.FLOAT,), [2**53 + 1], "not in range"),
    ((Dtype.FLOAT,), ["1.5"], "string"),
    ((Dtype.BOOL,), [1], "int64"),
    ((Dtype.STRING,), [5], "k0 string.*int64"),
    ((Dtype.STRING,), [b"x"], "binary"),
    ((Dtype.TIMESTAMP,), [5], "int64"),
    ((Dtype.TIMESTAMP,), np.array([1], "M8[ns]"), "lose data"),
    ((Dtype.INT, Dtype.STRING), [[1]], r"k0 int64, k1 string.*is 1"),
    ((Dtype.INT, Dtype.STRING), [[1], ["a"], ["b"]], "given is 3"),
    ((Dtype.INT, Dtype.STRING), [[1], ["a", "b"]], "1, 2 values"),
    ((Dtype.INT, Dtype.STRING), [["a"], [1]], "string, int64"),
]


@pytest.mark.parametrize(("dtypes", "keys", "said"), REFUSED)
def test_keys_of_another_type_are_refused(tmp_path, dtypes, keys, said):
    example = {Dtype.INT: 1, Dtype.FLOAT: 1.5, Dtype.BOOL: True, Dtype.STRING: "a", Dtype.TIMESTAMP: 7}
    store = built(tmp_path, dtypes, [tuple(example[d] for d in dtypes)])
    with pytest.raises(UserError, match=rf"(?s)GRAPH044.*'t'.*{said}"):
        store.rows("t", keys)


def test_a_table_without_a_key_has_none_to_look_up(tmp_path):
    store = built(tmp_path, (), [(), ()])
    with pytest.raises(UserError, match=r"GRAPH044.*no primary key"):
        store.rows("t", [1])
    with pytest.raises(UserError, match=r"GRAPH044.*no primary key"):
        store.keys("t", [1])


def test_rows_that_do_not_exist_have_no_keys(tmp_path):
    store = built(tmp_path, (Dtype.INT,), [4, 5])
    with pytest.raises(UserError, match=r"GRAPH040.*no row 2; it has 2"):
        store.keys("t", [0, 2])
    with pytest.raises(UserError, match="GRAPH042"):
        store.keys("u", [0])


KEY_OF = {
    "dense": lambda i: i,
    "sparse": lambda i: i * 10**12,
    "uuid": lambda i: str(uuid.UUID(int=i)),
    "text": lambda i: f"käse {i}",
    "pair": lambda i: (i, f"{i}"),
}


LAST_FLIP = 3


def damaged(raw: bytes) -> Iterator[bytes]:
    """A file with one bit flipped, in its head and all over its items, or cut."""
    for place in (10, 4096 + 20, len(raw) // 2, len(raw) - 9):
        flipped = bytearray(raw)
        flipped[place] ^= 4
        yield bytes(flipped)
    for length in (0, 100, 4096, 4096 + 8, len(raw) - 1):
        yield raw[:length]


@pytest.mark.parametrize("counts", [(3000,), (3000, 3700, 4000)], ids=["at once", "appended"])
@pytest.mark.parametrize("kind", KEY_OF)
def test_damaged_key_files_are_refused_by_name(tmp_path, kind, counts):
    dtypes, keys = KINDS[kind][0], [KEY_OF[kind](i) for i in range(counts[-1])]
    base = None
    for count in counts:
        store = built(tmp_path / str(count), dtypes, keys[:count], base)
        base = store.directory
    files = sorted(store.directory.glob("nodes/*/*/keys.*"))
    assert len({f.parent for f in files}) == len(store.table("t").segments) == len(counts)
    assert len(files) >= 2 * len(counts)
    everyone = as_columns(dtypes, keys)
    for number, file in enumerate(files):
        for other, spoiled in enumerate(damaged(file.read_bytes())):
            copy = tmp_path / f"{number} {other}"
            shutil.copytree(store.directory, copy, copy_function=os.link)
            path = copy / file.relative_to(store.directory)
            path.unlink()
            path.write_bytes(spoiled)
            named = rf"GRAPH00[1-6].*{file.relative_to(store.directory)}"
            with pytest.raises(UserError, match=named):
                Store(copy).verify()
            try:
                opened = Store(copy)
                assert opened.rows("t", everyone).tolist() == list(range(len(keys)))
                assert len(opened.keys("t", np.arange(len(keys)))) == len(keys)
            except UserError as error:
                assert re.search(named, str(error))
            else:
                # The last block of slots may hold no key: then no lookup reads it.
                assert (file.suffix, other) == (".slots", LAST_FLIP)
            shutil.rmtree(copy)


def test_threads_share_one_opened_index(tmp_path):
    keys = [i * 10**12 for i in range(50_000)]
    store = built(tmp_path, (Dtype.INT,), keys)
    found: list[np.ndarray] = []
    askers = [threading.Thread(target=lambda: found.append(store.rows("t", keys))) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert [f.tolist() for f in found] == [list(range(len(keys)))] * 4
    assert store.rows("t", keys, threads=3).tolist() == list(range(len(keys)))
