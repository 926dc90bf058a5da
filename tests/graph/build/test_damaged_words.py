"""A dictionary is checked before it is believed, whole builds and followed ones alike."""

import pytest
from build_kit import MemoryReader

from weft.core import ROW, TIME, Column, Dtype, Resources, Schema, Stype, Table, UserError
from weft.graph import Store, materialize

SCHEMA = Schema((Table("order", (Column("channel", Dtype.STRING, Stype.CATEGORICAL),)),))
RESOURCES = Resources(100_000_000, 1)


def rows(words):
    return {"order": [{"channel": w, ROW: i, TIME: None} for i, w in enumerate(words)]}


@pytest.fixture
def folder(tmp_path):
    materialize(MemoryReader(SCHEMA, rows(["web", "app", "web"])), tmp_path / "graph", resources=RESOURCES)
    return tmp_path / "graph"


def words_of(folder):
    store = Store(folder)
    column = store.table("order").column("channel")
    return store, folder / column.dictionary


@pytest.mark.parametrize("at", [0, 9, -20, -1])
def test_a_flipped_byte_is_found_at_first_use_and_by_verify(folder, at):
    store, path = words_of(folder)
    assert store.dictionary("order", "channel").to_pylist() == ["web", "app"]
    assert store.verify() > path.stat().st_size
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    for use in (lambda s: s.dictionary("order", "channel"), lambda s: s.verify()):
        with pytest.raises(UserError, match=r"GRAPH004.*channel\.arrow"):
            use(Store(folder))


def test_a_missing_or_empty_dictionary_is_refused_by_name(folder):
    _, path = words_of(folder)
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"GRAPH004.*channel\.arrow"):
        Store(folder).dictionary("order", "channel")
    path.unlink()
    with pytest.raises(UserError, match=r"GRAPH001.*channel\.arrow"):
        Store(folder).verify()


def test_words_of_appended_rows_are_checked_too(folder, tmp_path):
    longer = MemoryReader(SCHEMA, rows(["web", "app", "web", "shop"]))
    materialize(longer, tmp_path / "next", resources=RESOURCES, base=folder)
    store = Store(tmp_path / "next")
    assert store.dictionary("order", "channel").to_pylist() == ["web", "app", "shop"]
    assert store.verify() > 0
    materialize(longer, tmp_path / "same", resources=RESOURCES, base=tmp_path / "next")
    assert Store(tmp_path / "same").verify() == store.verify()
