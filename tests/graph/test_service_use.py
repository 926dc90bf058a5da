"""How the service is used wrongly, stopped, and forked: coded errors and clean ends, never a hang."""

import os
import signal
import socket
import traceback

import numpy as np
import pyarrow.flight as flight
import pytest
from shards import Process, served
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import UnavailableError, UserError
from weft.graph import NegativeSampler, SampleOptions, Sampler
from weft.graph.service import GraphServer, RemoteStore

FORK_S = 60  # a child that hangs is ended, and has then another status


@pytest.fixture
def graph(tmp_path):
    tables = [ToyTable("user", [None] * 4), ToyTable("event", [10, 20, None, 30])]
    write_toy(Toy(tables, [ToyLink(1, 0, [0, 1, 0, 1])]), tmp_path / "graph")
    return tmp_path / "graph"


def uses(store):
    """Return every way to ask a store."""
    return [
        lambda: Sampler(store, SampleOptions((2,))).sample("user", [0], [50]),
        lambda: NegativeSampler(store, "user", strategy="uniform").sample([50], 1, keys=[0]),
        lambda: store.values("user", [0]),
        lambda: store.times_us("event", [0]),
        lambda: store.source_rows("user", [0]),
        lambda: store.keys("user", [0]),
        lambda: store.rows("user", [1]),
        lambda: store.dictionary("user", "code"),
    ]


@pytest.mark.parametrize(
    "given",
    [
        "127.0.0.1:8815",
        "zzz",
        "",
        "http://127.0.0.1:8815",
        "grpc://127.0.0.1",
        "grpc://127.0.0.1:99999",
        "grpc://127.0.0.1:0",
        "grpc://:8815",
        "grpc://a b:8815",
        None,
        8815,
        b"grpc://127.0.0.1:8815",
    ],
)
def test_what_is_no_address_is_refused(given):
    for locations in ([given], ["grpc://127.0.0.1:1", given]):
        with pytest.raises(UserError, match="GRAPH082") as caught:
            RemoteStore(locations)
        assert repr(given) in str(caught.value)


def test_one_address_stands_alone(graph):
    with GraphServer(graph) as server, RemoteStore(server.location) as store:
        assert store.values("user", [1])["value"][0] == 1.5
    with pytest.raises(UserError, match=r"'127\.0\.0\.1:8815' is no address"):
        RemoteStore("127.0.0.1:8815")


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "30", None])
def test_a_time_that_is_none_is_refused(timeout_s):
    with pytest.raises(UserError, match=r"GRAPH082.*timeout_s"):
        RemoteStore(["grpc://127.0.0.1:1"], timeout_s=timeout_s)


def test_a_closed_store_refuses_every_use(graph):
    with served([graph]) as store:
        uses(store)[1]()
        uses(store)[2]()
    for use in uses(store):
        with pytest.raises(UserError, match="GRAPH089"):
            use()
    store.close()


def test_an_address_that_nothing_serves_is_said_in_words(graph):
    with GraphServer(graph) as server:
        location = server.location
    with pytest.raises(UnavailableError) as caught:
        RemoteStore([location], timeout_s=20)
    assert caught.value.message == f"the shard at {location} cannot be reached: the connection was refused."
    with pytest.raises(UnavailableError, match=r"there is no such host\."):
        RemoteStore(["grpc://no.such.host.invalid:99"], timeout_s=20)


def test_why_an_address_cannot_be_listened_on_is_said(graph):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"GRAPH086.*: Address already in use\."):
            GraphServer(graph, port=taken.getsockname()[1])
    with pytest.raises(UserError, match=r"GRAPH086.*no port 99999"):
        GraphServer(graph, port=99999)
    with pytest.raises(UserError, match=r"GRAPH086.*not known"):
        GraphServer(graph, host="256.1.1.1")


def in_fork(work) -> int:
    """Run a piece of work in a forked child; return how it ended, 0 where nothing was raised."""
    child = os.fork()
    if child == 0:
        signal.alarm(FORK_S)
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def refused_as_forked(work):
    with pytest.raises(UserError, match="GRAPH088") as caught:
        work()
    assert "spawn" in caught.value.hint


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_is_refused_and_does_not_wait(graph):
    with Process(graph) as server, RemoteStore([server.location], timeout_s=20) as store:
        expected = store.values("user", [0, 1])
        kept = [store]
        for use in (*uses(store), lambda: RemoteStore([server.location]), lambda: GraphServer(graph)):
            assert in_fork(lambda use=use: refused_as_forked(use)) == 0
        assert in_fork(store.close) == 0
        assert in_fork(kept.clear) == 0
        assert np.array_equal(store.values("user", [0, 1])["value"], expected["value"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_server_cleanly(graph, how):
    with Process(graph) as server, RemoteStore([server.location], timeout_s=20) as store:
        store.values("user", [0])
        server.end(how)
        assert server.process.wait(30) == 0
        with pytest.raises(UnavailableError, match="GRAPH080"):
            store.values("user", [0])


def test_a_client_that_sends_nothing_does_not_keep_a_server_from_ending(graph):
    with Process(graph) as server:
        client = flight.FlightClient(server.location)
        writer, _ = client.do_exchange(flight.FlightDescriptor.for_command(b"weft graph"))
        with RemoteStore([server.location], timeout_s=20) as store:
            store.values("user", [0])
        server.end(signal.SIGTERM)
        assert server.process.wait(60) == -signal.SIGTERM
        with pytest.raises(flight.FlightError):
            writer.close()
