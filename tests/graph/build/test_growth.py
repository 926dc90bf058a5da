"""What an append reads and writes depends on what was appended, not on what was there."""

import shutil
import uuid

import pyarrow as pa
import pytest
from build_kit import MemoryReader, check_graph

from weft.core import TIME, Column, Dtype, Link, Resources, Schema, Stype, Table, UserError
from weft.graph import Store, _native, materialize

RESOURCES = Resources(1 << 28, 2)
SCHEMA = Schema(
    (
        Table(
            "users",
            (Column("id", Dtype.STRING, Stype.ID), Column("name", Dtype.STRING, Stype.TEXT)),
            ("id",),
        ),
        Table(
            "items",
            (Column("id", Dtype.INT, Stype.ID), Column("code", Dtype.INT, Stype.CATEGORICAL)),
            ("id",),
        ),
        Table(
            "events",
            (
                Column("id", Dtype.STRING, Stype.ID),
                Column("user", Dtype.STRING, Stype.ID),
                Column("item", Dtype.INT, Stype.ID),
            ),
            ("id",),
        ),
    ),
    (Link("events", ("user",), "users", ("id",)), Link("events", ("item",), "items", ("id",))),
)


def user(number):
    return str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))


def tables(count):
    """Users, items and events, whose foreign keys are nobody's now and then."""
    return {
        "users": [{"id": user(i), "name": f"name {i}", TIME: None} for i in range(count)],
        "items": [{"id": i * 10**12, "code": i * 3, TIME: None} for i in range(count)],
        "events": [
            {
                "id": f"event {i}",
                "user": user(10**9 + i if i % 10 == 0 else i * 7 % max(1, i)),
                "item": None if i % 9 == 0 else i * 5 % max(1, i) * 10**12,
                TIME: i * 1000,
            }
            for i in range(count)
        ],
    }


def build(folder, count, base=None, resources=RESOURCES):
    rows = tables(count)
    return materialize(MemoryReader(SCHEMA, rows, 500), folder, resources=resources, base=base), rows


def new_bytes(folder):
    """Bytes of the files that no earlier graph shares, without the manifest."""
    files = [p for p in folder.rglob("*.*") if p.is_file() and p.name != "manifest.json"]
    return sum(p.stat().st_size for p in files if p.stat().st_nlink == 1), len(files)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class CountingReader(MemoryReader):
    """Counts the rows that a build reads."""

    rows_read = 0

    def batches(self, table, columns, *, start=0):
        for batch in super().batches(table, columns, start=start):
            self.rows_read += len(batch)
            yield batch


def appended(place, count, more=50):
    """Build, append, and return bytes written, rows read beyond the last block, and bytes of scratch."""
    build(place / "a", count)
    reader = CountingReader(SCHEMA, tables(count + more), 10)
    reader.fingerprints = MemoryReader.fingerprints.__get__(MemoryReader(SCHEMA, tables(count + more)))
    spilled = 0
    spill = _native.KeySpill

    class Spill(spill):
        def add(self, batch, columns):
            nonlocal spilled
            spilled += len(batch)
            super().add(batch, columns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "KeySpill", Spill)
        materialize(reader, place / "b", resources=RESOURCES, base=place / "a")
    whole = 3 * count  # the last block of each table is read to see that it did not change
    return new_bytes(place / "b")[0], reader.rows_read - whole, spilled


def test_bytes_and_rows_of_an_append_do_not_grow_with_what_was_there(tmp_path):
    found = []
    for count in (1000, 20_000):
        (tmp_path / str(count)).mkdir()
        found.append(appended(tmp_path / str(count), count))
    (written, read, spilled), (written_20, read_20, spilled_20) = found
    assert written_20 <= 1.05 * written + 4096
    assert (read_20, spilled_20) == (read, spilled)
    assert spilled <= 50 * 5


def test_bytes_of_an_append_grow_with_it(tmp_path):
    written = []
    for more in (100, 400):
        (tmp_path / str(more)).mkdir()
        bytes_new, _, _ = appended(tmp_path / str(more), 2000, more)
        written.append(bytes_new)
    assert written[1] > written[0]


def test_an_append_reads_the_blocks_of_earlier_keys_and_words_that_it_looks_up(tmp_path):
    build(tmp_path / "a", 3000)
    files = [*(tmp_path / "a").glob("nodes/*/*/keys.*"), *(tmp_path / "a").glob("nodes/*/*/dictionary/*")]
    touched = blocks = 0
    for file in files:
        whole = file.read_bytes()
        for block in range(0, (len(whole) - 4096 - 1) // 4100, 4):
            damaged = bytearray(whole)
            damaged[4096 * (block + 1) + 7] ^= 1
            file.write_bytes(damaged)
            try:
                build(tmp_path / "b", 3001, tmp_path / "a")
            except UserError as error:
                assert error.code == "GRAPH004"
                touched += 1
            blocks += 1
            shutil.rmtree(tmp_path / "b", ignore_errors=True)
        file.write_bytes(whole)
    assert blocks > 25
    assert touched <= 14, "a block or two for each of seven keys and words"


@pytest.mark.parametrize("steps", [(1000, 1050, 1060, 1061, 1062, 1063, 1063, 1400), (40, 41, 60, 61, 62)])
def test_steps_hold_what_one_build_holds(tmp_path, steps):
    base = None
    for number, count in enumerate(steps):
        layout, rows = build(tmp_path / str(number), count, base)
        base = tmp_path / str(number)
        check_graph(base, layout, SCHEMA, rows, is_whole=number == 0)
        assert all(len(t.segments) <= 8 for t in layout.tables)
    store, last = Store(base), steps[-1]
    asked = [user(i) for i in range(last)] + ["nobody", None, user(2**60)]
    found = store.rows("users", asked, threads=2)
    assert store.keys("users", found)[:last] == asked[:last]
    assert found[last:].tolist() == [2**32 - 1] * 3
    words = store.dictionary("users", "name")
    assert words.type == pa.string()
    assert words.to_pylist() == [f"name {i}" for i in range(last)]
    whole, _ = build(tmp_path / "whole", last)
    for name in ("users", "items"):
        values = [Store(f).values(name, range(last)) for f in (base, tmp_path / "whole")]
        assert {n: v.tolist() for n, v in values[0].items()} == {n: v.tolist() for n, v in values[1].items()}
    assert [(k.num_edges, k.num_null, k.num_dangling) for k in layout.links] == [
        (k.num_edges, k.num_null, k.num_dangling) for k in whole.links
    ]


@pytest.mark.parametrize("memory", [1 << 28, 20_000])
def test_an_append_gives_the_same_bytes_for_any_threads_and_limit(tmp_path, memory):
    build(tmp_path / "a", 3000)
    build(tmp_path / "one", 3300, tmp_path / "a")
    build(tmp_path / "other", 3300, tmp_path / "a", Resources(memory, 3))
    one, other = (contents(tmp_path / name) for name in ("one", "other"))
    assert one == other


@pytest.mark.parametrize("table", ["users", "items", "events"])
@pytest.mark.parametrize("twin", [0, 999, 1005])
def test_an_appended_key_that_a_row_has_is_refused(tmp_path, table, twin):
    build(tmp_path / "a", 1000)
    build(tmp_path / "b", 1010, tmp_path / "a")
    rows = tables(1012)
    rows[table][-1]["id"] = rows[table][twin]["id"]
    with pytest.raises(UserError, match=r"GRAPH021.*belongs to more than one row") as caught:
        materialize(MemoryReader(SCHEMA, rows), tmp_path / "c", resources=RESOURCES, base=tmp_path / "b")
    assert str(rows[table][twin]["id"]) in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
    again = tables(1012)
    again[table][-1]["id"] = again[table][-2]["id"]
    with pytest.raises(UserError, match=r"GRAPH021.*belongs to more than one row"):
        materialize(MemoryReader(SCHEMA, again), tmp_path / "c", resources=RESOURCES, base=tmp_path / "b")
