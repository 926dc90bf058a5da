"""Shards behind real servers: the same batches as one graph, and coded errors when a shard is lost."""

from __future__ import annotations

import dataclasses
import signal
import socket
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shards import Process, served
from test_sampling import TIME, option_sets, toys
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import InvariantError, UnavailableError, UserError
from weft.graph import Choice, Exclusion, SampleOptions, Sampler, Store, Strategy, _native
from weft.graph.service import GraphServer, RemoteStore, split_graph
from weft.graph.wire import encode_batch


def assert_equal(one, other) -> None:
    assert bytes(encode_batch(one)) == bytes(encode_batch(other))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_number_of_shards_gives_the_batches_of_one_graph(data):
    toy, scale = data.draw(toys())
    toy = Toy([dataclasses.replace(t, cuts=()) for t in toy.tables], toy.links)
    options = data.draw(option_sets(toy, scale))
    if data.draw(st.booleans()):
        options = dataclasses.replace(
            options, strategy=Strategy(Choice.RECENT_WEIGHTED, half_life_us=2 * scale)
        )
    table = data.draw(st.integers(0, len(toy.tables) - 1))
    size = len(toy.tables[table])
    seeds = data.draw(st.lists(st.tuples(st.integers(0, size - 1), TIME), max_size=6))
    rows, anchors = [r for r, _ in seeds], [a * scale + 3 for _, a in seeds]
    link = data.draw(st.integers(0, len(toy.links) - 1))
    children = len(toy.tables[toy.links[link].child])
    edges = data.draw(st.lists(st.integers(0, children - 1), max_size=3))
    of_seeds = data.draw(
        st.one_of(
            st.none(),
            st.lists(st.integers(0, max(0, len(seeds) - 1)), min_size=len(edges), max_size=len(edges)),
        )
        if seeds
        else st.none()
    )
    exclude = [Exclusion(toy.name(link), edges, of_seeds)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_toy(toy, folder / "graph")
        name = toy.tables[table].name
        local = Sampler(Store(folder / "graph"), options).sample(
            name, rows, anchors, epoch=3, exclude=exclude
        )
        for count in (1, data.draw(st.integers(2, 4))):
            folders = [folder / f"{count}-{i}" for i in range(count)]
            split_graph(folder / "graph", folders)
            with served(folders) as store:
                remote = Sampler(store, options).sample(name, rows, anchors, epoch=3, exclude=exclude)
                assert_equal(remote, local)
                every = np.arange(size)
                for column, values in Store(folder / "graph").values(name, every).items():
                    assert np.array_equal(store.values(name, every)[column], values, equal_nan=True)


@pytest.fixture
def graph(tmp_path):
    rng = np.random.default_rng(0)
    times = rng.integers(0, 1000, 4000).tolist()
    users, items = rng.integers(0, 300, 4000).tolist(), rng.integers(0, 60, 4000).tolist()
    tables = [
        ToyTable("user", [None] * 300),
        ToyTable("item", [None] * 60),
        ToyTable("event", times, order_by=0),
    ]
    write_toy(Toy(tables, [ToyLink(2, 0, users), ToyLink(2, 1, items)]), tmp_path / "graph")
    split_graph(tmp_path / "graph", [tmp_path / "a", tmp_path / "b"])
    return tmp_path


OPTIONS = SampleOptions((5, 5, 5), Strategy(Choice.UNIFORM), seed=3)


def sample(store) -> object:
    rng = np.random.default_rng(1)
    rows, anchors = rng.integers(0, 300, 200), rng.integers(0, 1000, 200)
    return Sampler(store, OPTIONS).sample("user", rows, anchors)


def test_two_processes_give_the_batches_of_one_and_a_lost_one_comes_back(graph):
    expected = sample(Store(graph / "graph"))
    with (
        Process(graph / "a") as a,
        Process(graph / "b") as b,
        RemoteStore([b.location, a.location], timeout_s=20) as store,
    ):
        assert_equal(sample(store), expected)
        b.end(signal.SIGKILL)
        b.process.wait()
        with pytest.raises(UnavailableError, match="GRAPH080") as caught:
            sample(store)
        assert b.location in str(caught.value)
        with pytest.raises(UnavailableError, match="GRAPH080"):
            store.values("user", [299])
        assert store.values("user", [0])["value"][0] == 0.5
        port = int(b.location.rsplit(":", 1)[1])
        with Process(graph / "b", port):
            assert_equal(sample(store), expected)


def test_a_shard_that_hangs_times_out_and_is_used_again(graph):
    expected = sample(Store(graph / "graph"))
    with (
        Process(graph / "a") as a,
        Process(graph / "b") as b,
        RemoteStore([a.location, b.location], timeout_s=1.5) as store,
    ):
        assert_equal(sample(store), expected)
        a.end(signal.SIGSTOP)
        try:
            with pytest.raises(UnavailableError, match=r"GRAPH081.*1.5 s"):
                sample(store)
        finally:
            a.end(signal.SIGCONT)
        assert_equal(sample(store), expected)


def test_a_batch_is_whole_or_not_at_all_while_a_shard_comes_and_goes(graph):
    expected = bytes(encode_batch(sample(Store(graph / "graph"))))
    outcomes = {"whole": 0, "refused": 0, "torn": 0}
    with GraphServer(graph / "a") as a, Process(graph / "b") as b:
        port = int(b.location.rsplit(":", 1)[1])
        with RemoteStore([a.location, b.location], timeout_s=20) as store:
            stop = threading.Event()
            strange: list[BaseException] = []

            def work() -> None:
                while not stop.is_set():
                    try:
                        found = bytes(encode_batch(sample(store)))
                        outcomes["whole" if found == expected else "torn"] += 1
                    except UnavailableError:
                        outcomes["refused"] += 1
                    except BaseException as error:
                        strange.append(error)
                        return

            workers = [threading.Thread(target=work) for _ in range(3)]
            for worker in workers:
                worker.start()
            b.end(signal.SIGKILL)
            b.process.wait()
            for _ in range(3):
                with Process(graph / "b", port) as again:
                    before = outcomes["whole"]
                    while outcomes["whole"] < before + 5 and not strange:
                        pass
                    again.end(signal.SIGKILL)
            stop.set()
            for worker in workers:
                worker.join()
    assert not strange
    assert outcomes["torn"] == 0
    assert outcomes["whole"] >= 15
    assert outcomes["refused"] >= 1


def test_refusals_of_a_shard_arrive_as_they_were_raised(graph):
    with served([graph / "a", graph / "b"]) as store:
        with pytest.raises(UserError, match=r"GRAPH040.*no row 300"):
            store.values("user", [300])
        with pytest.raises(UserError, match="GRAPH042"):
            store.values("basket", [0])
        path = graph / "b" / "nodes/user/0/rows.bin"
        raw = bytearray(path.read_bytes())
        raw[4096] ^= 1
        path.write_bytes(raw)
        with pytest.raises(UserError, match=r"GRAPH004.*rows\.bin"):
            store.values("user", np.arange(300))


def test_servers_that_do_not_make_one_graph_are_refused(graph):
    with GraphServer(graph / "a") as a, GraphServer(graph / "b") as b, GraphServer(graph / "graph") as whole:
        for locations in ([], [a.location], [a.location, a.location], [a.location, whole.location]):
            with pytest.raises(UserError, match="GRAPH083"):
                RemoteStore(locations)
        with RemoteStore([a.location, b.location]) as store:
            for shard in store._shards:
                shard.graph = "another"
            with pytest.raises(UserError, match="GRAPH083"):
                store.values("user", [0])


def test_a_shard_alone_refuses_rows_of_others(graph):
    with pytest.raises(UserError, match="GRAPH043"):
        Store(graph / "a").values("user", [299])


def test_what_the_codes_of_a_shard_round_off_is_verified_too(tmp_path):
    times = [10, 11, 12, 14]
    tables = [ToyTable("user", [None] * 2), ToyTable("event", times, unit_factor=3)]
    write_toy(Toy(tables, [ToyLink(1, 0, [0, 1, 0, 1])]), tmp_path / "graph")
    split_graph(tmp_path / "graph", [tmp_path / "a", tmp_path / "b"])
    shard = Store(tmp_path / "a")
    assert shard.verify() > 0
    low = tmp_path / "a" / shard.layout.links[0].segments[0].low.path
    raw = bytearray(low.read_bytes())
    raw[4096] ^= 1
    low.write_bytes(raw)
    with pytest.raises(UserError, match=f"GRAPH004.*{low}"):
        Store(tmp_path / "a").verify()


def test_what_cannot_be_split_is_refused(graph, tmp_path):
    with pytest.raises(UserError, match="GRAPH085"):
        split_graph(graph / "graph", [])
    with pytest.raises(UserError, match="GRAPH085"):
        split_graph(graph / "graph", [graph / "a"])
    with pytest.raises(UserError, match="GRAPH085"):
        split_graph(graph / "a", [tmp_path / "c"])


def test_an_address_in_use_is_refused(graph):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="GRAPH086"):
            GraphServer(graph / "graph", port=taken.getsockname()[1])


def test_an_answer_that_does_not_add_up_is_not_taken(graph):
    store = Store(graph / "graph")
    seeds, anchors = np.zeros(1, np.uint32), np.full(1, 1000, np.int64)
    plan = _native.make_plan(store.native, [[(0, False, 0, 5, 0)]], [], [], False)
    work = _native.RemoteSampling(store.native, plan, 0, seeds, anchors, 0, 0)
    work.plant(np.full(1, np.iinfo(np.int64).min), np.zeros(1, np.uint64))
    assert work.next() is not None
    with pytest.raises(InvariantError, match="GRAPH084"):
        work.take(np.full(1, 2, np.uint32), np.zeros(1, np.uint32), np.zeros(1, np.int64))
