"""An approximate index: exact scores, kept filters, complete lists, and most of what a full search finds."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import UserError
from weft.graph import ApproximateIndex, IndexOptions, Seen, Similarity, TopKOptions, top_k, top_k_blocks


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss", reason="faiss-cpu is not installed")


def clusters(random, count, d=32, num_clusters=60):
    """Embeddings as models make them: groups, of various lengths."""
    centers = np.random.default_rng(7).standard_normal((num_clusters, d))
    points = centers[random.integers(0, num_clusters, count)] + 0.4 * random.standard_normal((count, d))
    return (points * random.uniform(0.5, 1.5, (count, 1))).astype(np.float32)


def seen_of(lists):
    return Seen(
        np.cumsum([0, *map(len, lists)]), np.array([i for one in lists for i in sorted(one)], np.uint32)
    )


def recall(found, exact):
    shared = [len(set(a[a >= 0]) & set(b[b >= 0])) for a, b in zip(found.items, exact.items, strict=True)]
    return sum(shared) / max(1, (exact.items >= 0).sum())


@pytest.mark.parametrize("similarity", list(Similarity))
def test_most_of_the_best_are_found_with_their_scores(faiss, similarity):
    random = np.random.default_rng(0)
    items, users = clusters(random, 20_000), clusters(random, 300)
    index = ApproximateIndex(items, similarity=similarity)
    found = top_k(users, index, 20, similarity=similarity)
    exact = top_k(users, items, 20, similarity=similarity)
    assert recall(found, exact) >= 0.95
    assert (found.items >= 0).all()
    hits = found.items == exact.items
    np.testing.assert_allclose(found.scores[hits], exact.scores[hits], rtol=1e-4, atol=1e-5)
    assert (np.diff(found.scores, axis=1) <= 0).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 40), filtered=st.booleans(), lists=st.integers(1, 12))
def test_looking_at_every_group_is_an_exact_search(seed, k, filtered, lists):
    pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    random = np.random.default_rng(seed)
    items = random.integers(-4, 5, (random.integers(1, 60), 4)).astype(np.float32)
    users = random.integers(-4, 5, (random.integers(0, 20), 4)).astype(np.float32)
    filters = {}
    if filtered:
        lists_of = [random.permutation(len(items))[: random.integers(0, len(items) + 1)] for _ in users]
        filters = {"seen": seen_of(lists_of), "allowed": random.random(len(items)) < 0.7}
    index = ApproximateIndex(items, options=IndexOptions(lists=lists, probes=lists))
    found, exact = top_k(users, index, k, **filters), top_k(users, items, k, **filters)
    np.testing.assert_array_equal(found.scores, exact.scores)
    # Where equal scores are cut off, either may be there.
    inside = exact.scores > exact.scores[:, -1:]
    np.testing.assert_array_equal(found.items[inside], exact.items[inside])


def test_filters_hold_and_lists_are_complete_though_few_groups_are_looked_at(faiss):
    random = np.random.default_rng(1)
    items, users = clusters(random, 3000), clusters(random, 100)
    allowed = random.random(3000) < 0.02
    best = top_k(users, items, 40, allowed=allowed)
    seen = seen_of([row[: n % 9] for n, row in enumerate(best.items)])
    index = ApproximateIndex(items, options=IndexOptions(lists=50, probes=1))
    found = top_k(users, index, 30, seen=seen, allowed=allowed, options=TopKOptions(users_per_tile=16))
    assert allowed[found.items].all()
    for user, row in enumerate(found.items):
        left_out = seen.items[seen.offsets[user] : seen.offsets[user + 1]]
        assert not set(row) & set(left_out)
        assert len(set(row)) == 30


def test_threads_and_repetition_change_no_byte(faiss):
    random = np.random.default_rng(2)
    items, users = clusters(random, 5000), clusters(random, 200)
    answers = []
    for threads in (1, 2, 2):
        index = ApproximateIndex(items, options=IndexOptions(threads=threads, seed=5))
        options = TopKOptions(threads=threads, users_per_tile=32)
        blocks = list(top_k_blocks(users, index, 10, options=options))
        assert [b.first_user for b in blocks] == list(range(0, 200, 32))
        answers.append(b"".join(b.items.tobytes() + b.scores.tobytes() for b in blocks))
    assert answers[0] == answers[1] == answers[2]
    assert faiss.omp_get_max_threads() >= 1


def test_a_memory_limit_makes_blocks_small(faiss):
    random = np.random.default_rng(3)
    items, users = clusters(random, 500), clusters(random, 100)
    index = ApproximateIndex(items)
    blocks = list(top_k_blocks(users, index, 10, options=TopKOptions(memory_bytes=20_000)))
    assert max(len(b.items) for b in blocks) < 25
    whole = top_k(users, index, 10)
    np.testing.assert_array_equal(np.concatenate([b.items for b in blocks]), whole.items)


def test_what_an_index_cannot_do_is_refused(faiss):
    items = clusters(np.random.default_rng(4), 100)
    index = ApproximateIndex(items)
    with pytest.raises(UserError, match="GRAPH076"):
        top_k(items, index, 3, similarity=Similarity.COSINE)
    with pytest.raises(UserError, match="GRAPH071"):
        top_k(items[:, :3], index, 3)
    with pytest.raises(UserError, match="GRAPH072"):
        top_k(items, index, 3, allowed=np.ones(3, np.bool_))
    with pytest.raises(UserError, match="GRAPH074"):
        top_k(items[:1], index, 3, seen=Seen(np.array([0, 2]), np.array([5, 3])))
    with pytest.raises(UserError, match="GRAPH070"):
        top_k(items, index, 0)
    with pytest.raises(UserError, match="GRAPH071"):
        ApproximateIndex(items[:0])
    bad = items.copy()
    bad[17, 2] = np.nan
    with pytest.raises(UserError, match="GRAPH077: the embedding of item row 17"):
        ApproximateIndex(bad)
    with pytest.raises(UserError, match="GRAPH077: the embedding of user row 17"):
        top_k(bad, index, 3)


@pytest.mark.parametrize("option", ["lists", "probes", "threads"])
def test_options_below_one_are_refused(option):
    with pytest.raises(UserError, match=f"GRAPH070: {option} of an index"):
        IndexOptions(**{option: 0})


def test_without_the_library_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match="EXT001") as caught:
        ApproximateIndex(np.ones((3, 2), np.float32))
    assert "weft[ann]" in str(caught.value)
