"""The best items per user: what a sort of all scores gives, in any tiling, with any filter."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from threadpoolctl import threadpool_info, threadpool_limits

from weft.core import UserError, one_blas_thread
from weft.graph import Seen, Similarity, TopKOptions, top_k, top_k_blocks

SMALL = TopKOptions(threads=1, users_per_tile=3, items_per_tile=5)


def brute_force(users, items, k, *, seen=None, allowed=None):
    """Sort all products, the lower item first where they are equal."""
    scores = users.astype(np.float64) @ items.T.astype(np.float64)
    lists, values = [], []
    for user, row in enumerate(scores):
        left_out = set() if seen is None else set(seen.items[seen.offsets[user] : seen.offsets[user + 1]])
        kept = [i for i in range(len(items)) if i not in left_out and (allowed is None or allowed[i])]
        best = sorted(kept, key=lambda i: (-row[i], i))[:k]
        padding = k - len(best)
        lists.append(best + [-1] * padding)
        values.append([row[i] for i in best] + [-np.inf] * padding)
    return np.array(lists).reshape(-1, k), np.array(values).reshape(-1, k)


def seen_of(lists):
    return Seen(
        np.cumsum([0, *map(len, lists)]), np.array([i for one in lists for i in sorted(one)], dtype=np.uint32)
    )


def integers(shape):
    """Embeddings whose products float32 holds exactly."""
    return arrays.arrays(np.float32, shape, elements=st.integers(-4, 4).map(np.float32))


@st.composite
def searches(draw):
    num_users, num_items, d = draw(st.integers(0, 12)), draw(st.integers(0, 30)), draw(st.integers(1, 5))
    rows = st.lists(st.integers(0, num_items - 1), unique=True) if num_items else st.just([])
    lists = draw(st.none() | st.lists(rows, min_size=num_users, max_size=num_users))
    return {
        "users": draw(integers((num_users, d))),
        "items": draw(integers((num_items, d))),
        "k": draw(st.integers(1, 35)),
        "seen": None if lists is None else seen_of(lists),
        "allowed": draw(st.none() | arrays.arrays(np.bool_, num_items)),
    }


@settings(max_examples=150, deadline=None)
@given(search=searches(), tile=st.tuples(st.integers(1, 5), st.integers(1, 9)), threads=st.integers(1, 3))
def test_the_result_is_that_of_sorting_everything(search, tile, threads):
    options = TopKOptions(threads=threads, users_per_tile=tile[0], items_per_tile=tile[1])
    found = top_k(**search, options=options)
    items, scores = brute_force(**search)
    np.testing.assert_array_equal(found.items, items)
    np.testing.assert_array_equal(found.scores, scores)
    assert found.items.dtype == np.int64
    assert found.scores.dtype == np.float32


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tile=st.tuples(st.integers(1, 90), st.integers(1, 300)))
def test_real_numbers_agree_within_rounding_and_threads_change_no_byte(seed, tile):
    random = np.random.default_rng(seed)
    users = random.standard_normal((80, 17), dtype=np.float32)
    items = random.standard_normal((257, 17), dtype=np.float32)
    tiles = {"users_per_tile": tile[0], "items_per_tile": tile[1]}
    one, two = (top_k(users, items, 9, options=TopKOptions(threads=n, **tiles)) for n in (1, 3))
    assert one.items.tobytes() == two.items.tobytes()
    assert one.scores.tobytes() == two.scores.tobytes()
    _, scores = brute_force(users, items, 9)
    np.testing.assert_allclose(one.scores, scores, rtol=1e-4, atol=1e-5)
    of_items = np.take_along_axis(users @ items.T, one.items, axis=1)
    np.testing.assert_allclose(one.scores, of_items, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [SMALL, TopKOptions(threads=2)], ids=["small tiles", "default tiles"])
def test_cosine_is_the_product_of_directions(options):
    random = np.random.default_rng(3)
    users = random.standard_normal((40, 6), dtype=np.float32) * 100
    items = random.standard_normal((90, 6), dtype=np.float32) * 1e-3
    users[4] = items[7] = 0
    allowed = random.random(90) < 0.7
    allowed[7] = True
    unit_users, unit_items = (
        a / np.maximum(np.linalg.norm(a, axis=1), 1e-30)[:, None] for a in (users, items)
    )
    found = top_k(users, items, 70, similarity=Similarity.COSINE, allowed=allowed, options=options)
    items_of, scores = brute_force(unit_users, unit_items, 70, allowed=allowed)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)
    assert (found.items == items_of).mean() > 0.99
    np.testing.assert_array_equal(found.items[4, : allowed.sum()], np.flatnonzero(allowed))
    assert found.scores[0][found.items[0] == 7] == 0


def test_blocks_come_in_order_and_make_up_the_whole():
    random = np.random.default_rng(0)
    users = random.integers(-3, 4, (200, 4)).astype(np.float32)
    items = random.integers(-3, 4, (100, 4)).astype(np.float32)
    options = TopKOptions(threads=2, users_per_tile=32)
    blocks = list(top_k_blocks(users, items, 5, options=options))
    assert [b.first_user for b in blocks] == list(range(0, 200, 32))
    whole = top_k(users, items, 5, options=options)
    np.testing.assert_array_equal(np.concatenate([b.items for b in blocks]), whole.items)
    np.testing.assert_array_equal(np.concatenate([b.scores for b in blocks]), whole.scores)


def test_mapped_files_and_strided_views_are_searched_in_place(tmp_path):
    random = np.random.default_rng(1)
    plain = [random.integers(-3, 4, (n, 8)).astype(np.float32) for n in (50, 70)]
    mapped = []
    for name, array in zip(("users", "items"), plain, strict=True):
        array.tofile(tmp_path / name)
        mapped.append(np.memmap(tmp_path / name, np.float32, "r", shape=array.shape))
    seen = seen_of([[1, 5, 9]] * 50)
    seen.items.tofile(tmp_path / "seen")
    mapped_seen = Seen(seen.offsets, np.memmap(tmp_path / "seen", np.uint32, "r"))
    wanted = top_k(*plain, 6, seen=seen, options=SMALL)
    found = top_k(*mapped, 6, seen=mapped_seen, options=SMALL)
    np.testing.assert_array_equal(found.items, wanted.items)
    strided = [np.repeat(a, 2, axis=1)[:, ::2] for a in plain]
    np.testing.assert_array_equal(top_k(*strided, 6, seen=seen, options=SMALL).items, wanted.items)
    turned = [np.asfortranarray(a) for a in plain]
    np.testing.assert_array_equal(
        top_k(*turned, 6, seen=seen, similarity=Similarity.COSINE).items,
        top_k(*plain, 6, seen=seen, similarity=Similarity.COSINE).items,
    )


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.int64, np.uint8])
def test_seen_items_may_be_any_integers(dtype):
    users, items = np.ones((2, 1), np.float32), np.arange(6, dtype=np.float32)[:, None]
    seen = Seen(np.array([0, 1, 3], dtype), np.array([5, 0, 4], dtype))
    np.testing.assert_array_equal(top_k(users, items, 2, seen=seen).items, [[4, 3], [5, 3]])


def test_the_memory_limit_decides_on_threads_and_blocks_and_not_on_results():
    random = np.random.default_rng(2)
    users = random.integers(-3, 4, (300, 8)).astype(np.float32)
    items = random.integers(-3, 4, (2000, 8)).astype(np.float32)
    wanted = top_k(users, items, 10)
    tight = TopKOptions(threads=4, memory_bytes=200_000)
    blocks = list(top_k_blocks(users, items, 10, options=tight))
    assert max(len(b.items) for b in blocks) < 64
    np.testing.assert_array_equal(np.concatenate([b.items for b in blocks]), wanted.items)
    with pytest.raises(UserError, match="GRAPH075") as caught:
        top_k(users, items, 10, options=TopKOptions(memory_bytes=1000))
    assert "the limit is 1000" in str(caught.value)


def test_the_memory_of_a_search_stays_below_its_limit(tmp_path):
    """The arrays that numpy makes are counted; the results are dropped as they come."""
    import tracemalloc

    users = np.lib.format.open_memmap(tmp_path / "u.npy", "w+", np.float32, (20_000, 8))
    items = np.lib.format.open_memmap(tmp_path / "i.npy", "w+", np.float32, (3_000, 8))
    random = np.random.default_rng(0)
    users[:] = random.standard_normal(users.shape)
    items[:] = random.standard_normal(items.shape)
    seen = Seen(np.arange(0, 20_001 * 10, 10), np.tile(np.arange(10), 20_000))
    limit = 3_000_000
    options = TopKOptions(threads=2, memory_bytes=limit)
    tracemalloc.start()
    try:
        for block in top_k_blocks(users, items, 50, seen=seen, similarity="cosine", options=options):
            assert block.items.min() >= 10
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def test_the_blas_is_pinned_while_a_search_works_and_restored_afterwards():
    def blas_threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    users = items = np.ones((500, 3), np.float32)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        blocks = top_k_blocks(users, items, 2)
        next(blocks)
        assert set(blas_threads()) == {1}
        other = one_blas_thread()
        other.__enter__()
        blocks.close()
        assert set(blas_threads()) == {1}
        other.__exit__(None, None, None)
        assert blas_threads() == before
        for threads in (1, 2):
            top_k(users, items, 2, options=TopKOptions(threads=threads))
            assert blas_threads() == before


def test_a_search_that_is_left_early_leaves_no_thread():
    users = items = np.ones((4000, 3), np.float32)
    blocks = top_k_blocks(users, items, 2, options=TopKOptions(threads=2, users_per_tile=64))
    assert len(list(itertools.islice(blocks, 2))) == 2
    blocks.close()
    assert not [t for t in threading.enumerate() if t.name == "weft-loader"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("side", ["users", "items"])
def test_a_score_that_is_nan_is_refused_with_its_rows(side, threads):
    arrays = {"users": np.ones((300, 2), np.float32), "items": np.ones((900, 2), np.float32)}
    arrays[side][123, 1] = np.nan
    rows = "user row 123 and item row 0" if side == "users" else "user row 0 and item row 123"
    with pytest.raises(UserError, match=f"GRAPH073: the score of {rows} is NaN"):
        top_k(**arrays, k=3, options=TopKOptions(threads=threads))
    allowed = np.ones(900, np.bool_)
    allowed[123] = False
    if side == "items":
        assert 123 not in top_k(**arrays, k=3, allowed=allowed).items


def test_infinite_scores_are_scores_and_infinity_minus_infinity_is_refused():
    users = np.array([[1, 1]], np.float32)
    items = np.array([[-np.inf, 0], [2, 0], [np.inf, 0], [np.inf, -np.inf]], np.float32)
    with pytest.raises(UserError, match="user row 0 and item row 3 is NaN"):
        top_k(users, items, 3)
    found = top_k(users, items[:3], 4)
    assert found.items.tolist() == [[2, 1, 0, -1]]
    assert found.scores.tolist() == [[np.inf, 2, -np.inf, -np.inf]]


GOOD = np.ones((3, 2), np.float32)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"k": 0}, "GRAPH070"),
        ({"users": GOOD.astype(np.float64)}, "GRAPH071"),
        ({"items": GOOD[0]}, "GRAPH071"),
        ({"items": np.ones((3, 4), np.float32)}, "GRAPH071"),
        ({"users": np.ones((3, 0), np.float32)}, "GRAPH071"),
        ({"allowed": np.ones(4, np.bool_)}, "GRAPH072"),
        ({"allowed": np.ones(3)}, "GRAPH072"),
        ({"seen": Seen(np.zeros(3, int), np.zeros(0, int))}, "GRAPH072"),
        ({"seen": Seen(np.array([0, 1, 1, 2]), np.zeros(1, int))}, "GRAPH072"),
        ({"seen": Seen(np.zeros(4), np.zeros(0, int))}, "GRAPH072"),
        ({"seen": Seen(np.array([0, 2, 2, 2]), np.array([2, 1]))}, "GRAPH074"),
        ({"seen": Seen(np.array([0, 0, 0, 2]), np.array([0, 3]))}, "GRAPH074"),
        ({"seen": Seen(np.array([0, 0, 0, 2]), np.array([-1, 0]))}, "GRAPH074"),
        ({"seen": Seen(np.array([0, 0, 0, 2]), np.array([0, 2**40]))}, "GRAPH074"),
        ({"seen": Seen(np.array([0, 2, 1, 2]), np.array([0, 1]))}, "GRAPH074"),
        ({"seen": Seen(np.array([0, -1, 1, 2]), np.array([0, 1]))}, "GRAPH074"),
        ({"seen": Seen(np.array([0, 9, 1, 2]), np.array([0, 1]))}, "GRAPH074"),
    ],
)
def test_what_cannot_be_searched_is_refused(changed, code):
    with pytest.raises(UserError, match=code):
        top_k(**{"users": GOOD, "items": GOOD, "k": 1, **changed})


@pytest.mark.parametrize("option", ["threads", "memory_bytes", "users_per_tile", "items_per_tile"])
def test_options_below_one_are_refused(option):
    with pytest.raises(UserError, match=f"GRAPH070: {option}"):
        TopKOptions(**{option: 0})
