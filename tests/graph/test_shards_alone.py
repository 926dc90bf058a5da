"""What a shard must not be taken for, and what splitting leaves when it fails."""

import errno
import os

import pytest
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import Resources, Schema, UnavailableError, UserError
from weft.graph import NegativeSampler, SampleOptions, Sampler, Store, materialize
from weft.graph.service import GraphServer, RemoteStore, split, split_graph
from weft.graph.writing import refused_write


@pytest.fixture
def graph(tmp_path):
    tables = [ToyTable("user", [None] * 4), ToyTable("event", [10, 20, None, 30])]
    write_toy(Toy(tables, [ToyLink(1, 0, [0, 1, 0, 1])]), tmp_path / "graph")
    return tmp_path


def test_a_shard_is_not_sampled_from_nor_built_on(graph):
    split_graph(graph / "graph", [graph / "a", graph / "b"])
    shard = Store(graph / "b")
    with pytest.raises(UserError, match=r"GRAPH090.*shard 2 of 2"):
        Sampler(shard, SampleOptions((2,)))
    with pytest.raises(UserError, match=r"GRAPH090.*shard 2 of 2"):
        NegativeSampler(shard, "user", strategy="uniform").sample([50], 1, keys=[0])
    assert shard.values("user", [3])["value"].tolist() == [3.5]
    assert shard.times_us("event", [3]).tolist() == [30]

    class Nothing:
        schema = Schema((), ())

    with pytest.raises(UserError, match=r"GRAPH090.*base"):
        materialize(Nothing(), graph / "next", resources=Resources(10**8, 1), base=graph / "b")
    assert not (graph / "next").exists()
    with GraphServer(graph / "b") as server, pytest.raises(UserError, match="GRAPH083"):
        RemoteStore(server.location)


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_the_same_folder_twice_is_refused_before_anything_is_written(graph):
    with pytest.raises(UserError, match=r"GRAPH085.*same folder"):
        split_graph(graph / "graph", [graph / "a", graph / "x" / ".." / "a"])
    assert left(graph) == ["graph"]


def test_shards_are_all_there_or_none(graph):
    (graph / "file").write_text("x")
    with pytest.raises(UnavailableError, match=r"GRAPH010") as caught:
        split_graph(graph / "graph", [graph / "a", graph / "file" / "b"])
    assert "space" not in caught.value.hint
    assert left(graph) == ["file", "graph"]
    with pytest.raises(UnavailableError, match=r"GRAPH010.*File name too long") as caught:
        split_graph(graph / "graph", [graph / "a", graph / ("b" * 300)])
    assert "shorter" in caught.value.hint
    assert left(graph) == ["file", "graph"]


def test_a_shard_that_cannot_be_put_in_its_place_takes_the_others_back(graph, monkeypatch):
    publish = split.publish

    def failing(place, folder):
        if folder.name == "b":
            raise refused_write(folder, OSError(errno.ENOSPC, "No space left on device"))
        publish(place, folder)

    monkeypatch.setattr(split, "publish", failing)
    with pytest.raises(UnavailableError, match="GRAPH010"):
        split_graph(graph / "graph", [graph / "a", graph / "b"])
    assert left(graph) == ["graph"]


def test_what_a_split_that_was_killed_left_is_removed_by_the_next(graph):
    stale = graph / ".a.building-dead"
    (stale / "graph").mkdir(parents=True)
    split_graph(graph / "graph", [graph / "a"])
    assert left(graph) == ["a", "graph"]


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOSPC, "space"),
        (errno.EROFS, "file system"),
        (errno.EACCES, "allow"),
        (errno.ENAMETOOLONG, "shorter"),
        (errno.EEXIST, "in the way"),
        (errno.EMFILE, "open files"),
    ],
)
def test_a_hint_follows_what_the_system_said(number, word):
    error = refused_write("graph", OSError(number, os.strerror(number)))
    assert os.strerror(number) in error.message
    assert word in error.hint


def test_bytes_that_were_not_written_are_damage(graph):
    path = graph / "graph" / "nodes/event/0/source.bin"
    raw = path.read_bytes()
    for damaged, code in (
        (raw + b"x", "GRAPH003"),
        (raw[:100] + b"\x01" + raw[101:], "GRAPH004"),
        (raw[:4095] + b"\x80" + raw[4096:], "GRAPH004"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=code):
            Store(graph / "graph")
    path.write_bytes(raw)
    assert Store(graph / "graph").verify() > 0


def test_what_fills_up_the_last_block_is_zero(tmp_path):
    tables = [ToyTable("user", [None] * 3), ToyTable("event", [10, 20, 30])]
    write_toy(Toy(tables, [ToyLink(1, 0, [0, 1, 0])]), tmp_path / "graph")
    path = tmp_path / "graph" / "nodes/event/0/source.bin"
    raw = bytearray(path.read_bytes())
    raw[4096 + 12] = 1  # three numbers of four bytes, then four of nothing
    path.write_bytes(raw)
    with pytest.raises(UserError, match="GRAPH004"):
        Store(tmp_path / "graph").verify()
