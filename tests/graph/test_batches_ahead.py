"""Batches of a graph that were made ahead, kept, or sent are those that the sampler gives."""

import numpy as np
from graph_batches import assert_same
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.graph import (
    BatchCache,
    Loader,
    SampleOptions,
    Sampler,
    Store,
    batch_key,
    decode_batch,
    encode_batch,
)


def test_what_is_made_ahead_kept_or_sent_is_what_is_sampled(tmp_path):
    random = np.random.default_rng(0)
    users = ToyTable("users", [None] * 40)
    orders = ToyTable("orders", [int(t) for t in random.integers(0, 1000, 600)])
    toy = Toy([users, orders], [ToyLink(1, 0, [int(u) for u in random.integers(0, 40, 600)])])
    write_toy(toy, tmp_path / "graph")
    options = SampleOptions(fanouts=(5, 3), seed=3)
    sampler = Sampler(Store(tmp_path / "graph"), options, threads=1)
    cache = BatchCache(tmp_path / "cache", max_bytes=10**8)
    seeds = [random.integers(0, 40, 16).astype(np.uint32) for _ in range(12)]
    anchors = [random.integers(0, 1000, 16) for _ in range(12)]

    def sample(number):
        return sampler.sample("users", seeds[number], anchors[number], epoch=1)

    def cached(number):
        key = batch_key(
            graph="toy", options=options, seeds=(seeds[number], anchors[number]), epoch=1, number=number
        )
        return cache.get(key, lambda: sample(number))

    for make in (sample, cached, cached):
        with Loader(make, range(12), workers=3, ahead=4, memory_bytes=10**6) as loader:
            for number, batch in enumerate(loader):
                assert batch.num_edges > 0
                assert_same(batch, sample(number))
                assert_same(decode_batch(encode_batch(batch)), batch)
