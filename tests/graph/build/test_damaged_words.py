"""A dictionary is checked before it is believed, in graphs that were built at once and in steps."""

import shutil

import pytest
from build_kit import MemoryReader

from weft.core import ROW, TIME, Column, Dtype, Resources, Schema, Stype, Table, UserError
from weft.graph import Store, materialize
from weft.graph.files import files_of

COLUMNS = (
    Column("channel", Dtype.STRING, Stype.CATEGORICAL),
    Column("level", Dtype.FLOAT, Stype.CATEGORICAL),
)
SCHEMA = Schema((Table("order", COLUMNS),))
RESOURCES = Resources(100_000_000, 1)
LATER = ["web", "app"] * 4 + [
    "web",
    "app",
    "web",
    "web",
    "app",
    "web",
    "shop",
    "",
    "web",
    "shop",
    "käse",
    None,
]


def rows(words):
    level = {"web": 0.5, "app": -0.0, "shop": 0.0}
    return {"order": [{"channel": w, "level": level.get(w), ROW: i, TIME: None} for i, w in enumerate(words)]}


def build(folder, num_rows, base=None):
    return materialize(MemoryReader(SCHEMA, rows(LATER[:num_rows])), folder, resources=RESOURCES, base=base)


@pytest.fixture(params=["at once", "in steps"])
def folder(request, tmp_path):
    if request.param == "at once":
        build(tmp_path / "graph", 20)
    else:
        build(tmp_path / "a", 16)
        layout = build(tmp_path / "b", 19, tmp_path / "a")
        layout = build(tmp_path / "graph", 20, tmp_path / "b")
        parts = [[w.segment for w in c.dictionary] for c in layout.table("order").columns]
        assert parts == [[0, 1], [0]]
    return tmp_path / "graph"


def words(folder):
    store = Store(folder)
    return [store.dictionary("order", c.name).to_pylist() for c in COLUMNS]


def test_words_are_in_order_of_first_appearance(folder):
    channel, level = words(folder)
    assert channel == ["web", "app", "shop", "", "käse"]
    assert [str(v) for v in level] == ["0.5", "-0.0", "0.0"]
    assert Store(folder).verify() > 0


@pytest.mark.parametrize("spoil", ["flip", "cut", "empty", "missing", "other"])
def test_every_damaged_file_is_found_at_first_use_or_by_verify(folder, tmp_path, spoil):
    files = sorted(folder.glob("nodes/*/*/dictionary/*"))
    assert {f.relative_to(folder).as_posix() for f in files} == {
        f.path for f, _, _ in files_of(Store(folder).layout) if "dictionary" in f.path
    }
    for file in files:
        raw = file.read_bytes()
        for at in (3, 60, 4097, -1) if spoil == "flip" else (0,):
            copy = tmp_path / "copy"
            shutil.copytree(folder, copy)
            target = copy / file.relative_to(folder)
            if spoil == "missing":
                target.unlink()
            elif spoil == "other":
                target.write_bytes(next(f for f in files if f.read_bytes() != raw).read_bytes())
            else:
                flipped = bytearray(raw)
                flipped[at] ^= 1
                target.write_bytes({"flip": flipped, "cut": raw[:4100], "empty": b""}[spoil])
            with pytest.raises(UserError, match=rf"GRAPH00[1345].*{file.name}"):
                Store(copy).verify()
            # Slots are read by builds alone; their size and header are checked at opening all the same.
            if file.suffix != ".slots" or spoil != "flip" or 0 <= at < 4096:
                with pytest.raises(UserError, match=rf"GRAPH00[1345].*{file.name}"):
                    words(copy)
            shutil.rmtree(copy)


def test_words_are_damaged_for_the_build_that_goes_on_from_them(folder, tmp_path):
    (slots,) = folder.glob("nodes/order/0/dictionary/channel.slots")
    raw = bytearray(slots.read_bytes())
    raw[4096 + 9] ^= 1
    slots.write_bytes(raw)
    longer = MemoryReader(SCHEMA, rows([*LATER, "web"]))
    with pytest.raises(UserError, match=r"GRAPH004.*channel\.slots"):
        materialize(longer, tmp_path / "next", resources=RESOURCES, base=folder)
    assert not (tmp_path / "next").exists()
