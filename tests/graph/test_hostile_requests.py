"""Requests that no client sends: each is refused by a code, and the server goes on serving."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pyarrow as pa
import pytest
from shards import Process
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import UserError, WeftError, to_plain
from weft.graph import Store, _native
from weft.graph.drawing import Walk
from weft.graph.service import split_graph
from weft.graph.service.message import Message, from_batch, pack_table, to_batch
from weft.graph.service.shard import ShardClient

NUMBERS = [-1, 3, 7, 2**30, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, -(2**63), 2**64 - 1, 2**64, 2**70]
OTHERS = [None, "x", "", [], [[]], {}, 1.5, float("nan"), True, [1], {"a": 1}, "../../manifest.json"]
ARRAYS = [
    np.array([0x40000000], np.uint32),
    np.array([0x10000000, 0xFFFFFFFF], np.uint32),
    np.array([2**32 - 2], np.uint32),
    np.array([-1], np.int64),
    np.array([2**63 - 1, -(2**63)], np.int64),
    np.array([np.nan]),
    np.empty(0, np.uint32),
    np.zeros((1, 1), np.uint32),
    np.array(7, np.uint32),
    np.frombuffer(b"no table of arrow", np.uint8),
]
WALK = to_plain(Walk((((0, False, 1, 2, 0), (0, True, 0, 1, 0)),), (1,), (0, 1), False))
HOPS = [
    [[[9, False, 0, 2, 0]]],
    [[[0, False, 4, 2, 0]]],
    [[[0, False, 3, 0, 5]]],
    [[[0, False, 3, 1, 0]]],
    [[[0, False, 2, 1, -1]]],
    [[[0, False, 2, 1, -(2**63)]]],
    [[[0, False, 0, 2**32, 0]]],
    [[[0, False, 0, 2]]],
    [[[0, False, 0, 1, 0]] * 100],
    [[[0, False, 0, 1, 0]]] * 100,
]


def u32(*values: int) -> np.ndarray:
    return np.array(values, np.uint32)


def requests() -> dict[str, tuple[dict, dict]]:
    """Return what a client sends, by kind: arrays and values."""
    none, rows = u32(), u32(0, 1)
    asks = {"rows": rows, "anchors": np.array([50, 60], np.int64), "keys": np.array([1, 2], np.uint64)}
    excluded = {"excluded_parents": u32(0), "excluded_rows": u32(0), "excluded_asks": u32(0)}
    step = {"link": 0, "choice": 1, "fanout": 2, "span_us": 0}
    seeds = {"rows": rows, "anchors": np.array([50, 60], np.int64)}
    seeds |= {"excluded_links": u32(0), "excluded_rows": u32(3), "excluded_seeds": u32(1)}
    keys = {"keys": pack_table(pa.table({"0": [0, 1]}))}
    return {
        "stamps": ({"rows": rows}, {"table": 1}),
        "parents": ({"rows": rows}, {"link": 0}),
        "children": (asks | excluded | {"excluded_times": np.zeros(1, np.int64)}, step),
        "gather": ({"rows": rows}, {"table": 1}),
        "find": (keys, {"table": 0}),
        "keys": ({"rows": none}, {"table": 0}),
        "dictionary": ({}, {"table": "user", "column": "code"}),
        "file": ({}, {"path": "nodes/user/0/rows.bin", "first": 0, "size": 100}),
        "sample": (seeds, {"walk": WALK, "table": 0, "seed": 0, "epoch": 0}),
        "layout": ({}, {}),
    }


def malformed():
    """Yield (kind, arrays, values): each request with one part replaced or left out."""
    for kind, (arrays, values) in requests().items():
        for name in arrays:
            yield kind, {k: a for k, a in arrays.items() if k != name}, values
            for array in ARRAYS:
                yield kind, arrays | {name: array}, values
        for name in values:
            yield kind, arrays, {k: v for k, v in values.items() if k != name}
            for value in (*NUMBERS, *OTHERS):
                yield kind, arrays, values | {name: value}
        for name, value in itertools.product(("version", "graph"), OTHERS):
            yield kind, arrays, values | {name: value}


def malformed_steps():
    """Yield samplings and steps of them that no options make."""
    arrays, values = requests()["sample"]
    for part, wrong in (("hops", HOPS), ("crossed", [[2], [-1], [2**31]]), ("gathered", [[2], [-1], ["x"]])):
        for one in wrong:
            yield "sample", arrays, values | {"walk": WALK | {part: one}}
    arrays, values = requests()["children"]
    for choice in range(4):
        for fanout, span in ((0, 1), (2**32 - 1, 1), (1, 0), (1, -1), (1, -(2**63)), (2, 2**63 - 1)):
            yield "children", arrays, values | {"choice": choice, "fanout": fanout, "span_us": span}
    for what in (None, 1, "boom", ["stamps"], {}):
        yield what, {}, {}


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    tables = [ToyTable("user", [None] * 4), ToyTable("event", [10, 20, None, 30, 40, 5, 20])]
    write_toy(Toy(tables, [ToyLink(1, 0, [0, 1, 0, 1, None, 3, 0])]), folder / "graph")
    split_graph(folder / "graph", [folder / "a", folder / "b"])
    return folder


@pytest.mark.parametrize("name", ["graph", "a"])
def test_a_malformed_request_is_refused_by_a_code_and_the_server_goes_on(graph, name):
    outcomes: set[str] = set()
    arrays, values = requests()["sample" if name == "graph" else "stamps"]
    kind, values = ("sample", values) if name == "graph" else ("stamps", values | {"table": 0})
    with Process(graph / name) as server:
        client = ShardClient(server.location, 20)
        expected = client.ask(kind, arrays, **values)
        for what, given, told in itertools.chain(malformed(), malformed_steps()):
            try:
                client.ask(what, given, **told)
                outcomes.add("answered")
            except WeftError as error:
                assert isinstance(error, UserError), f"{what} {given} {told}: {error}"
                outcomes.add(error.code)
            assert server.process.poll() is None, f"{what} {given} {told}"
        again = client.ask(kind, arrays, **values)
    assert {n: a.tobytes() for n, a in again.arrays.items()} == {
        n: a.tobytes() for n, a in expected.arrays.items()
    }
    assert {"GRAPH087", "GRAPH040", "GRAPH083", "answered"} <= outcomes
    assert ("GRAPH090" in outcomes) == (name == "a")


def batches() -> list[pa.RecordBatch]:
    """Return record batches that are no messages, or lie about themselves."""

    def of(kind: str, columns: list[pa.Array], values: str = "{}") -> pa.RecordBatch:
        fields = [pa.field(f"c{i}", c.type, metadata={"array": kind}) for i, c in enumerate(columns)]
        return pa.record_batch(columns, schema=pa.schema(fields, metadata={"values": values}))

    eight = pa.array([b"12345678"], pa.large_binary())
    return [
        pa.record_batch([pa.array([1])], ["x"]),
        pa.record_batch([pa.array([], pa.int8())], ["x"]),
        of("[]", [eight]),
        of('["O", [1]]', [eight]),
        of('["<u4", [9]]', [eight]),
        of('["<u4", [-1, -1]]', [eight]),
        of('[[["a", "O"]], [1]]', [eight]),
        of('["<M8[us]", [1]]', [eight]),
        of('["<u4", [2]]', [pa.array([1])]),
        of('["<u4", [2]]', [pa.array([None], pa.null())]),
        of('["<u4", [2]]', [eight], "[]"),
        of('["<u4", [2]]', [eight], "not json"),
        of("not json", [eight]),
    ]


def test_batches_that_are_no_messages_are_refused(graph):
    with Process(graph / "graph") as server:
        client = ShardClient(server.location, 20)
        for batch in batches():
            with pytest.raises(UserError, match="GRAPH087"):
                client.send(batch)
        assert client.ask("layout").values["graph"] == Store(graph / "graph").digest


def test_a_batch_that_points_outside_of_itself_is_no_message():
    batch = to_batch(Message({"what": "layout"}, {"rows": u32(1, 2)}))
    assert from_batch(batch).arrays["rows"].tolist() == [1, 2]
    # What no library writes: the place where the array ends is overwritten in memory.
    ends = batch.column(0).buffers()[1]
    ctypes.c_int64.from_address(ends.address + 8).value = 2**40
    with pytest.raises(ValueError, match="offset"):
        from_batch(batch)


def test_what_bindings_are_given_is_checked_before_it_is_an_index(graph):
    store = Store(graph / "graph")
    plan = _native.make_plan(store.native, [[(0, False, 0, 2, 0)]], [], [], False)
    seeds = (0, u32(0), np.zeros(1, np.int64))
    for links, of in ((u32(0x10000000), u32(0)), (u32(0), u32(0x40000000)), (u32(0), u32(1))):
        with pytest.raises(ValueError, match="no such"):
            _native.sample(store.native, plan, *seeds, links, u32(0), of, 0, 0, 1)
    for hops in HOPS[:6]:
        with pytest.raises(ValueError, match="no such"):
            _native.make_plan(store.native, [[tuple(s) for s in hop] for hop in hops], [], [], False)
