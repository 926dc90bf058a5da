"""The best items on a device: what the search on the CPU finds, in any tiling, within its memory."""

import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.utils._python_dispatch import TorchDispatchMode

from weft.core import UserError
from weft.graph import Seen, TopKOptions, top_k
from weft.learn.networks.device_items import DeviceItems

CPU = torch.device("cpu")
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_GPU)])


def brute_force(users, items, k, seen, allowed):
    """Sort all products, the lower row first where they are equal."""
    scores = users.astype(np.float64) @ items.T.astype(np.float64)
    rows, values = np.full((len(users), k), -1), np.full((len(users), k), -np.inf, np.float32)
    for user, own in enumerate(scores):
        hidden = set() if seen is None else set(seen[1][seen[0][user] : seen[0][user + 1]].tolist())
        kept = [i for i in range(len(items)) if i not in hidden and (allowed is None or allowed[i])]
        best = sorted(kept, key=lambda i: (-own[i], i))[:k]
        rows[user, : len(best)], values[user, : len(best)] = best, own[best]
    return rows, values


def in_cpu_engine(users, items, k, seen, allowed):
    left_out = None if seen is None else Seen(*seen)
    found = top_k(users, items, k, seen=left_out, allowed=allowed, options=TopKOptions(threads=1))
    return found.items, found.scores


def on_device(users, items, k, seen, allowed, device="cpu", **options):
    searched = DeviceItems(items, k, torch.device(device), allowed=allowed, **options)
    return searched.best(torch.from_numpy(users).to(device), seen)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def integers(shape):
    """Embeddings with few distinct products, all of which float32 holds exactly."""
    return arrays.arrays(np.float32, shape, elements=st.integers(-2, 2).map(np.float32))


def hidden_of(lists):
    return np.cumsum([0, *map(len, lists)]), np.array([i for one in lists for i in sorted(one)], np.uint32)


@st.composite
def searches(draw):
    num_users, num_items, d = draw(st.integers(0, 9)), draw(st.integers(0, 60)), draw(st.integers(1, 4))
    rows = st.lists(st.integers(0, num_items - 1), unique=True) if num_items else st.just([])
    lists = draw(st.none() | st.lists(rows, min_size=num_users, max_size=num_users))
    few = st.sets(st.integers(0, 59), max_size=3).map(lambda kept: np.isin(np.arange(num_items), list(kept)))
    return (
        draw(integers((num_users, d))),
        draw(integers((num_items, d))),
        draw(st.integers(1, 70)),
        None if lists is None else hidden_of(lists),
        draw(st.none() | few | arrays.arrays(np.bool_, num_items)),
    )


@DEVICES
@settings(max_examples=250, deadline=None)
@given(search=searches(), width=st.integers(1, 70), memory=st.sampled_from([1, 20_000, 1 << 30]))
def test_the_result_is_that_of_sorting_everything_and_of_the_engine(search, width, memory, device):
    found = on_device(*search, width=width, memory_bytes=memory, device=device)
    assert_same(found, in_cpu_engine(*search))
    np.testing.assert_array_equal(found[0], brute_force(*search)[0])
    np.testing.assert_array_equal(found[1], brute_force(*search)[1])


@DEVICES
@pytest.mark.parametrize("width", [64, 256, 1 << 16])
def test_of_many_equal_scores_the_lowest_rows_are_taken(width, device):
    """Groups of items are left out unseen here; those with equal scores must be the later ones."""
    random = np.random.default_rng(width)
    users = random.integers(-1, 2, (50, 3)).astype(np.float32)
    items = random.integers(-1, 2, (3000, 3)).astype(np.float32)
    lists = [np.flatnonzero(random.random(3000) < 0.3).tolist() for _ in users]
    search = users, items, 20, hidden_of(lists), random.random(3000) < 0.9
    plan = DeviceItems(items, 20, CPU, allowed=search[4], width=width).plan
    assert plan.group > 1 and (width < 1000 or plan.width // plan.group > 20)
    assert_same(on_device(*search, width=width, device=device), in_cpu_engine(*search))


def test_real_numbers_are_those_of_the_engine_but_for_rounding():
    random = np.random.default_rng(0)
    users, items = (random.standard_normal((n, 48), dtype=np.float32) for n in (300, 5000))
    rows, scores = on_device(users, items, 30, None, None, width=1024)
    expected_rows, expected = in_cpu_engine(users, items, 30, None, None)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert (rows == expected_rows).mean() > 0.999


@DEVICES
def test_equal_items_score_equally_in_every_tile(device):
    random = np.random.default_rng(1)
    users, one = (random.standard_normal((n, 33), dtype=np.float32) for n in (9, 1))
    rows, scores = on_device(users, np.repeat(one, 1000, 0), 1000, None, None, width=128, device=device)
    assert (rows == np.arange(1000)).all() and (scores == scores[:, :1]).all()


@DEVICES
@pytest.mark.parametrize("extreme", [-np.inf, np.inf, np.float32(-3e38), np.float32(2e38)])
def test_infinite_scores_are_scores(extreme, device):
    """An item of score minus infinity comes after all others and before none at all."""
    users = np.array([[2.0], [-2.0], [1.0]], np.float32)
    items = np.array([[1], [extreme], [-1], [extreme], [0], [3]], np.float32)
    search = users, items, 7, (np.array([0, 2, 2, 3]), np.array([1, 5, 0])), None
    assert_same(on_device(*search, width=2, device=device), in_cpu_engine(*search))
    assert (on_device(*search, device=device)[0] >= 0).sum(1).tolist() == [4, 6, 5]


@DEVICES
@pytest.mark.parametrize("side", [0, 1])
def test_a_score_that_is_nan_is_refused_with_its_rows(side, device):
    both = [np.ones((5, 2), np.float32), np.ones((40, 2), np.float32)]
    both[side][3] = np.nan
    told = f"user row {(0, 3)[side == 0]} and item row {(0, 3)[side == 1]} is NaN"
    with pytest.raises(UserError, match=f"GRAPH073.*{told}"):
        on_device(*both, 2, None, None, width=8, device=device)
    if side == 1:
        allowed = np.arange(40) != 3
        assert_same(
            on_device(*both, 2, None, allowed, width=8, device=device), in_cpu_engine(*both, 2, None, allowed)
        )
        seen = hidden_of([[3]] * 5)
        assert_same(
            on_device(*both, 2, seen, None, width=8, device=device), in_cpu_engine(*both, 2, seen, None)
        )


def test_autocast_does_not_round_products():
    random = np.random.default_rng(2)
    users, items = (random.standard_normal((n, 16), dtype=np.float32) for n in (20, 300))
    expected = on_device(users, items, 10, None, None)
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(on_device(users, items, 10, None, None), expected)


class Live(TorchDispatchMode):
    """Counts the bytes of memory that tensors made in its time hold."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.holders = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for one in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(one, torch.Tensor) and one.untyped_storage().nbytes():
                self._hold(one, one.untyped_storage())
        return made

    def _hold(self, tensor, storage):
        place, size = storage.data_ptr(), storage.nbytes()
        if place not in self.holders:
            self.holders[place] = 0
            self.now += size
            self.most = max(self.most, self.now)
        self.holders[place] += 1
        weakref.finalize(tensor, self._release, place, size)

    def _release(self, place, size):
        self.holders[place] -= 1
        if not self.holders[place]:
            del self.holders[place]
            self.now -= size


@pytest.mark.parametrize("greatest", [1.0, 1e30], ids=["finite", "maybe infinite"])
@pytest.mark.parametrize("k", [12, 400])
@pytest.mark.parametrize("memory_bytes", [1 << 20, 1 << 22])
def test_a_search_stays_within_its_memory(memory_bytes, k, greatest):
    random = np.random.default_rng(3)
    users, items = (random.standard_normal((n, 24), dtype=np.float32) for n in (150, 8_000))
    users[0, 0], items[0, 0] = greatest, greatest
    with Live() as live:
        searched = DeviceItems(items, k, CPU, memory_bytes=memory_bytes)
        assert searched.plan.keeps == (memory_bytes >= 1 << 22)
        found = searched.best(torch.from_numpy(users))
        plan = searched.plan
        del searched
    assert 1 <= plan.step < 150 and live.now < 1000
    assert 0.3 * min(memory_bytes, 150 * 4 * 8_000) < live.most <= memory_bytes
    assert (
        found[0][:, : min(k, 12)] == in_cpu_engine(users, items, 12, None, None)[0][:, : min(k, 12)]
    ).all()
