"""Epochs of seeds: each seed once, in an order of its own, the same for every trainer."""

import numpy as np
import pytest
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import UserError
from weft.graph import BatchCache, Choice, SampleOptions, Sampler, SeedBatches, Store, Strategy
from weft.graph.wire import encode_batch


@pytest.fixture
def sampler(tmp_path):
    rng = np.random.default_rng(0)
    tables = [ToyTable("user", [None] * 50), ToyTable("event", rng.integers(0, 90, 400).tolist())]
    write_toy(Toy(tables, [ToyLink(1, 0, rng.integers(0, 50, 400).tolist())]), tmp_path / "graph")
    return Sampler(
        Store(tmp_path / "graph"), SampleOptions((3, 2), Strategy(Choice.UNIFORM), seed=1), threads=1
    )


ROWS = np.arange(50).repeat(2)
ANCHORS = np.tile([40, 80], 50)


@pytest.mark.parametrize("shuffle_seed", [None, 0, 7])
def test_an_epoch_has_every_seed_once_with_its_own_neighborhood(sampler, shuffle_seed):
    batches = SeedBatches(sampler, "user", ROWS, ANCHORS, batch_size=16, shuffle_seed=shuffle_seed)
    assert len(batches) == 7
    with batches.epoch(2, workers=2) as loader:
        found = list(loader)
    positions = np.concatenate([one.positions for one in found])
    assert sorted(positions.tolist()) == list(range(100))
    assert (positions.tolist() == list(range(100))) == (shuffle_seed is None)
    for one in found:
        rows = one.batch.tables["user"].rows[one.batch.seeds]
        assert np.array_equal(rows, ROWS[one.positions])
        assert np.array_equal(one.batch.anchors_us, ANCHORS[one.positions])
        assert one.num_bytes > 0


def test_epochs_differ_and_come_again_the_same(sampler):
    make = lambda: SeedBatches(sampler, "user", ROWS, ANCHORS, batch_size=32, shuffle_seed=3)  # noqa: E731
    one, other = make(), make()
    assert np.array_equal(one.positions(5, 1), other.positions(5, 1))
    assert not np.array_equal(one.positions(5, 1), one.positions(6, 1))
    assert bytes(encode_batch(one.batch(5, 1).batch)) == bytes(encode_batch(other.batch(5, 1).batch))


def test_trainers_share_batches_through_a_cache(sampler, tmp_path):
    cache = BatchCache(tmp_path / "cache", max_bytes=10_000_000)
    plain = SeedBatches(sampler, "user", ROWS, ANCHORS, batch_size=32, shuffle_seed=3)
    kept = SeedBatches(sampler, "user", ROWS, ANCHORS, batch_size=32, shuffle_seed=3, cache=cache)
    expected = [bytes(encode_batch(plain.batch(0, n).batch)) for n in range(len(plain))]
    assert [bytes(encode_batch(kept.batch(0, n).batch)) for n in range(len(kept))] == expected
    used = cache.kept_bytes()
    assert used > 0
    again = SeedBatches(sampler, "user", ROWS, ANCHORS, batch_size=32, shuffle_seed=3, cache=cache)
    assert [bytes(encode_batch(again.batch(0, n).batch)) for n in range(len(again))] == expected
    assert cache.kept_bytes() == used, "nothing was made twice"


def test_seeds_that_do_not_fit_are_refused(sampler):
    with pytest.raises(UserError, match="GRAPH042"):
        SeedBatches(sampler, "user", [0, 1], [5])
    with pytest.raises(UserError, match="GRAPH042"):
        SeedBatches(sampler, "user", [0], [5], batch_size=0)
