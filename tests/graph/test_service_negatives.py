"""Negatives of a graph in shards: the bytes of one store, coded errors while a shard is lost."""

from __future__ import annotations

import dataclasses
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shards import Process, served
from test_negatives import IN_BATCH, POPULARITY, ask, csr, questions, shop, toys
from toy_graph import Toy, write_toy

from weft.core import UnavailableError, UserError
from weft.graph import NegativeSampler, NegativeStrategy, Store
from weft.graph.service import GraphServer, RemoteStore, copying, split_graph

NUM_SEEDS = 500


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_number_of_shards_gives_the_negatives_of_one_graph(data):
    toy, scale = data.draw(toys())
    whole = Toy([dataclasses.replace(t, cuts=()) for t in toy.tables], toy.links)
    question = data.draw(questions(toy, scale))
    num = data.draw(st.sampled_from([1, 3, 40]))
    count = data.draw(st.integers(2, 4))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_toy(whole, folder / "whole")
        write_toy(toy, folder / "in segments")
        shards = [folder / str(i) for i in range(count)]
        split_graph(folder / "whole", shards)
        local = Store(folder / "whole")
        with served(shards) as several, served([folder / "in segments"]) as one:
            for strategy in NegativeStrategy:
                expected = ask(local, whole, strategy, question, num, epoch=2)
                assert ask(several, whole, strategy, question, num, epoch=2) == expected
                assert ask(one, toy, strategy, question, num, epoch=2) == expected


@pytest.fixture
def graph(tmp_path):
    write_toy(shop(), tmp_path / "graph")
    split_graph(tmp_path / "graph", [tmp_path / "a", tmp_path / "b"])
    return tmp_path


def negatives(store, strategy, num: int = 7) -> bytes:
    rng = np.random.default_rng(1)
    anchors = rng.integers(0, 300, NUM_SEEDS)
    lists = csr([rng.integers(0, 300, rng.integers(0, 40)).tolist() for _ in anchors])
    sampler = NegativeSampler(
        store, "item", strategy=strategy, link="link1" if strategy is POPULARITY else None
    )
    positives = lists if strategy is IN_BATCH else None
    return sampler.sample(
        anchors, num, keys=np.arange(NUM_SEEDS), exclude=lists, positives=positives
    ).tobytes()


@pytest.mark.parametrize("num", [7, 200])
def test_two_processes_give_the_bytes_of_one_store_and_are_asked_once(graph, num):
    local = Store(graph / "graph")
    expected = {s: negatives(local, s, num) for s in NegativeStrategy}
    with (
        Process(graph / "a") as a,
        Process(graph / "b") as b,
        RemoteStore([b.location, a.location], timeout_s=20) as store,
    ):
        assert {s: negatives(store, s, num) for s in NegativeStrategy} == expected
        for one in (a, b):
            one.end(signal.SIGKILL)
            one.process.wait()
        assert {s: negatives(store, s, num) for s in NegativeStrategy} == expected


@pytest.mark.parametrize("strategy", list(NegativeStrategy))
def test_a_lost_shard_is_an_error_and_serves_again_when_it_is_back(graph, strategy):
    expected = negatives(Store(graph / "graph"), strategy)
    with (
        Process(graph / "a") as a,
        Process(graph / "b") as b,
        RemoteStore([a.location, b.location], timeout_s=20) as store,
    ):
        b.end(signal.SIGKILL)
        b.process.wait()
        with pytest.raises(UnavailableError, match="GRAPH080") as caught:
            negatives(store, strategy)
        assert b.location in str(caught.value)
        with Process(graph / "b", int(b.location.rsplit(":", 1)[1])):
            assert negatives(store, strategy) == expected


def test_a_shard_that_hangs_times_out_and_is_used_again(graph):
    expected = negatives(Store(graph / "graph"), POPULARITY)
    with (
        Process(graph / "a") as a,
        Process(graph / "b") as b,
        RemoteStore([a.location, b.location], timeout_s=1.5) as store,
    ):
        a.end(signal.SIGSTOP)
        try:
            with pytest.raises(UnavailableError, match=r"GRAPH081.*1.5 s"):
                negatives(store, POPULARITY)
        finally:
            a.end(signal.SIGCONT)
        assert negatives(store, POPULARITY) == expected


def test_a_shard_that_dies_between_two_pieces_leaves_nothing_and_is_fetched_anew(graph, monkeypatch):
    expected = negatives(Store(graph / "graph"), POPULARITY)
    places = graph / "places"
    places.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(places))
    monkeypatch.setattr(copying, "_PIECE_BYTES", 3000)
    with (
        GraphServer(graph / "a") as a,
        Process(graph / "b") as b,
        RemoteStore([a.location, b.location], timeout_s=20) as store,
    ):
        asked = store._shards[1].ask
        count = iter(range(1000))

        def dying(what, *args, **values):
            if next(count) == 5:
                b.end(signal.SIGKILL)
                b.process.wait()
            return asked(what, *args, **values)

        monkeypatch.setattr(store._shards[1], "ask", dying)
        with pytest.raises(UnavailableError, match="GRAPH080"):
            negatives(store, POPULARITY)
        assert next(count) == 6
        assert not list(places.iterdir())
        with Process(graph / "b", int(b.location.rsplit(":", 1)[1])):
            assert negatives(store, POPULARITY) == expected
        assert not list(places.iterdir())


def test_a_damaged_file_of_a_shard_is_refused_by_its_name_there(graph):
    path = graph / "b" / Store(graph / "b").layout.link("link1").segments[0].parent.path
    raw = bytearray(path.read_bytes())
    raw[5000] ^= 1
    with served([graph / "a", graph / "b"]) as store:
        path.write_bytes(raw)
        with pytest.raises(UserError, match=f"GRAPH004.*{path}"):
            negatives(store, POPULARITY)
        assert negatives(store, NegativeStrategy.UNIFORM)


def test_a_copy_that_cannot_be_written_says_where(graph, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(graph / "nowhere"))
    with (
        served([graph / "a", graph / "b"]) as store,
        pytest.raises(UnavailableError, match=r"GRAPH010.*nowhere.*\n.*exists\. It is chosen by TMPDIR"),
    ):
        negatives(store, IN_BATCH)


def test_a_shard_gives_no_file_but_its_own(graph):
    (graph / "secret").write_text("secret")
    with served([graph / "a", graph / "b"]) as store:
        for path in ("../secret", str(graph / "secret"), "manifest.json"):
            with pytest.raises(UserError, match="GRAPH001"):
                store._shards[0].ask("file", path=path, first=0, size=100)


def test_questions_that_do_not_fit_are_refused_as_by_a_local_store(graph):
    with served([graph / "a", graph / "b"]) as store:
        with pytest.raises(UserError, match=r"GRAPH045.*over no link"):
            NegativeSampler(store, "item", strategy=POPULARITY)
        with pytest.raises(UserError, match="GRAPH042"):
            NegativeSampler(store, "basket", strategy=IN_BATCH)
        sampler = NegativeSampler(store, "item", strategy=IN_BATCH)
        with pytest.raises(UserError, match=r"GRAPH040.*no row 300"):
            sampler.sample([1], 1, keys=[0], positives=csr([[300]]))
