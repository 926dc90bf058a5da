"""A graph with keys and words behind two servers answers as the one on this machine."""

import numpy as np
import pyarrow as pa
import pytest
from build_kit import MemoryReader

from weft.core import ROW, TIME, Column, Dtype, Link, Resources, Schema, Stype, Table, UserError
from weft.graph import Store, materialize
from weft.graph.service import GraphServer, RemoteStore, split_graph
from weft.graph.service.message import pack_table

SCHEMA = Schema(
    (
        Table("user", (Column("id", Dtype.STRING, Stype.ID),), ("id",)),
        Table(
            "order",
            (
                Column("user", Dtype.STRING, Stype.ID),
                Column("at", Dtype.TIMESTAMP, Stype.TIMESTAMP),
                Column("channel", Dtype.STRING, Stype.CATEGORICAL),
            ),
            ("user", "at"),
            "at",
        ),
        Table("day", (Column("day", Dtype.TIMESTAMP, Stype.TIMESTAMP),), ("day",)),
    ),
    (Link("order", ("user",), "user", ("id",)),),
)
ROWS = {
    "user": [{"id": f"u{i}", ROW: i, TIME: None} for i in range(9)],
    "order": [
        {"user": f"u{i % 7}", "at": 1000 * i, "channel": ["web", "app"][i % 2], ROW: i, TIME: 1000 * i}
        for i in range(40)
    ],
    "day": [{"day": 86_400_000_000 * i, ROW: i, TIME: None} for i in range(3)],
}


@pytest.fixture
def stores(tmp_path):
    materialize(MemoryReader(SCHEMA, ROWS), tmp_path / "graph", resources=Resources(100_000_000, 1))
    split_graph(tmp_path / "graph", [tmp_path / "a", tmp_path / "b"])
    with (
        GraphServer(tmp_path / "a") as a,
        GraphServer(tmp_path / "b") as b,
        RemoteStore([a.location, b.location]) as remote,
    ):
        yield Store(tmp_path / "graph"), remote


def test_keys_rows_times_and_words(stores):
    local, remote = stores
    for keys in (["u3", None, "u99"], [], np.array(["u8", "u0"], object)):
        assert np.array_equal(remote.rows("user", keys), local.rows("user", keys))
    both = (pa.array(["u3", "u3"]), pa.array([3000, 1], pa.timestamp("us")))
    assert np.array_equal(remote.rows("order", both), local.rows("order", both))
    for table in ("user", "order", "day"):
        every = np.append(np.arange(local.table(table).num_rows), 0xFFFFFFFF)
        assert remote.keys(table, every) == local.keys(table, every)
        assert np.array_equal(remote.times_us(table, every[:-1]), local.times_us(table, every[:-1]))
        assert np.array_equal(remote.source_rows(table, every[:-1]), local.source_rows(table, every[:-1]))
    assert remote.dictionary("order", "channel") == local.dictionary("order", "channel")


def test_what_does_not_fit_is_refused_alike(stores):
    for store in stores:
        with pytest.raises(UserError, match="GRAPH044"):
            store.rows("user", [1, 2])
        with pytest.raises(UserError, match="GRAPH040"):
            store.keys("user", [99])
        with pytest.raises(UserError, match="GRAPH042"):
            store.dictionary("order", "price")


def test_keys_that_point_outside_of_themselves_are_refused(stores):
    far = pack_table(pa.table({"id": ["u", "v"]})).copy()
    ends = np.array([0, 1, 2], np.int32).tobytes()
    at = far.tobytes().index(ends)
    far[at : at + 12] = np.frombuffer(np.array([0, 2**30, 2**31 - 1], np.int32).tobytes(), np.uint8)
    _, remote = stores
    shard = remote._shards[0]
    with pytest.raises(UserError, match="GRAPH087"):
        shard.ask("find", {"keys": far}, table=0)
    with pytest.raises(UserError, match="GRAPH044"):
        shard.ask("find", {"keys": pack_table(pa.table({"id": [1.5]}))}, table=0)
    assert shard.ask("find", {"keys": pack_table(pa.table({"id": ["u1"]}))}, table=0).arrays["rows"] == [1]
