"""Negatives against plain Python: candidates, chances, layouts, threads."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import UserError
from weft.graph import NegativeSampler, NegativeStrategy, Store
from weft.graph.layout import NO_ROW

TIME = st.integers(0, 12)
UNIFORM, POPULARITY, IN_BATCH = NegativeStrategy


@st.composite
def toys(draw):
    """Items, events that point to them, and users; few instants, so that ties and later items are common."""
    scale = draw(st.sampled_from([1, 1_000_000, 2**40]))
    tables = []
    for name in ("user", "item", "event"):
        size = draw(st.integers(1, 14))
        time = draw(st.sampled_from([st.none(), TIME, st.one_of(st.none(), TIME)]))
        times = draw(st.lists(time, min_size=size, max_size=size))
        tables.append(ToyTable(name, [None if t is None else t * scale + t % 3 for t in times]))
        tables[-1].cuts = tuple(sorted(draw(st.sets(st.integers(1, 13), max_size=2))))
        tables[-1].unit_factor = draw(st.sampled_from([1, 1, 3]))
    links = []
    for parent in (0, 1):
        to = st.one_of(st.none(), *[st.integers(0, len(tables[parent]) - 1)] * 4)
        links.append(ToyLink(2, parent, draw(st.lists(to, min_size=len(tables[2]), max_size=len(tables[2])))))
    tables[2].order_by = draw(st.sampled_from([None, 0, 1]))
    return Toy(tables, links), scale


def csr(lists):
    offsets = np.cumsum([0, *(len(rows) for rows in lists)])
    return offsets, np.array([row for rows in lists for row in rows], np.uint32)


def candidates(toy: Toy, strategy, anchor, excluded, positives, seed) -> dict[int, int]:
    """Weight of each prepared row of 'item' that may be drawn."""

    def is_visible(table, row):
        time = toy.tables[table].times[row]
        return time is None or time <= anchor

    weights: Counter[int] = Counter()
    if strategy is UNIFORM:
        weights.update(range(len(toy.tables[1])))
    elif strategy is POPULARITY:
        to = toy.links[1].to
        weights.update(to[e] for e in range(len(to)) if to[e] is not None and is_visible(2, e))
    else:
        weights.update(itertools.chain(*(p for i, p in enumerate(positives) if i != seed)))
        excluded = {*excluded, *positives[seed]}
    return {row: w for row, w in weights.items() if is_visible(1, row) and row not in excluded}


@st.composite
def questions(draw, toy, scale):
    anchors = draw(st.lists(TIME.map(lambda t: t * scale + 1), min_size=1, max_size=6))
    rows = st.lists(st.integers(0, len(toy.tables[1]) - 1), max_size=5)
    lists = st.lists(rows, min_size=len(anchors), max_size=len(anchors))
    return anchors, draw(lists), draw(lists)


def ask(store, toy, strategy, question, num, **options):
    """Negatives of a question about prepared rows, as prepared rows; ``None`` where there is none."""
    anchors, excluded, positives = question
    row_of = {s: r for r, s in enumerate(toy.source[1])}
    lists = [csr([[row_of[s] for s in rows] for rows in given]) for given in (excluded, positives)]
    link = toy.name(1) if strategy is POPULARITY else None
    sampler = NegativeSampler(store, "item", strategy=strategy, link=link, seed=options.pop("seed", 3))
    found = sampler.sample(
        anchors,
        num,
        keys=np.arange(len(anchors)) * 5,
        exclude=lists[0],
        positives=lists[1] if strategy is IN_BATCH else None,
        **options,
    )
    assert (found.dtype, found.shape) == (np.uint32, (len(anchors), num))
    return [[None if r == NO_ROW else toy.source[1][r] for r in rows] for rows in found.tolist()]


def written(toy: Toy, folder: str | Path, name: str = "graph") -> Store:
    write_toy(toy, Path(folder) / name)
    return Store(Path(folder) / name)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_negatives_are_candidates_and_all_of_them_where_they_are_few(data):
    toy, scale = data.draw(toys())
    question = data.draw(questions(toy, scale))
    anchors, excluded, positives = question
    num = data.draw(st.sampled_from([1, 2, 3, 7, 40, 100]))
    with tempfile.TemporaryDirectory() as folder:
        store = written(toy, folder)
        for strategy in NegativeStrategy:
            found = ask(store, toy, strategy, question, num)
            for seed, rows in enumerate(found):
                allowed = candidates(toy, strategy, anchors[seed], excluded[seed], positives, seed)
                drawn = [r for r in rows if r is not None]
                assert rows == drawn + [None] * (num - len(drawn)), "what is missing is at the end"
                assert len(set(drawn)) == len(drawn)
                assert set(drawn) <= set(allowed)
                assert len(drawn) == min(num, len(allowed))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_layout_of_a_graph_does_not_change_its_negatives(data):
    toy, scale = data.draw(toys())
    question = data.draw(questions(toy, scale))
    num = data.draw(st.sampled_from([1, 2, 5]))
    plain = Toy(
        [dataclasses.replace(t, order_by=None, cuts=(), unit_factor=1) for t in toy.tables], toy.links
    )
    with tempfile.TemporaryDirectory() as folder:
        stores = written(toy, folder, "given"), written(plain, folder, "plain")
        for strategy in NegativeStrategy:
            found = [
                ask(s, t, strategy, question, num, epoch=2) for s, t in zip(stores, (toy, plain), strict=True)
            ]
            assert found[0] == found[1]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_later_than_the_anchor_change_nothing_when_they_are_appended(data):
    toy, scale = data.draw(toys())
    anchors, excluded, positives = data.draw(questions(toy, scale))
    num = data.draw(st.sampled_from([1, 2, 5]))
    later = [max(anchors) + 1 + i for i in range(5)]
    longer = Toy([dataclasses.replace(t, times=[*t.times, *later]) for t in toy.tables], [])
    longer.links = [
        dataclasses.replace(k, to=[*k.to, 0, 0, 0, None, len(toy.tables[1])][: len(k.to) + 5])
        for k in toy.links
    ]
    longer.links[0].to[-1] = 0
    with tempfile.TemporaryDirectory() as folder:
        before, after = written(toy, folder, "before"), written(longer, folder, "after")
        for strategy in NegativeStrategy:
            question = (anchors, excluded, positives)
            assert ask(before, toy, strategy, question, num) == ask(after, longer, strategy, question, num)


def shop(num_items=300, num_events=20_000, *, seed=0) -> Toy:
    """Items that become visible one after another, events skewed to few of them."""
    rng = np.random.default_rng(seed)
    to = (num_items * rng.random(num_events) ** 3).astype(int)
    return Toy(
        [
            ToyTable("user", [None]),
            ToyTable("item", [None if i % 5 else i for i in range(num_items)]),
            ToyTable("event", rng.integers(0, num_items, num_events).tolist(), order_by=0),
        ],
        [ToyLink(2, 0, [0] * num_events), ToyLink(2, 1, [None if t % 7 == 6 else int(t) for t in to])],
    )


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    toy = shop()
    return toy, written(toy, tmp_path_factory.mktemp("shop"))


def sample(opened, strategy, anchors, num, **options):
    toy, store = opened
    link = toy.name(1) if strategy is POPULARITY else None
    sampler = NegativeSampler(store, "item", strategy=strategy, link=link, seed=options.pop("seed", 0))
    return sampler.sample(anchors, num, keys=options.pop("keys", np.arange(len(anchors))), **options)


@pytest.mark.parametrize("strategy", list(NegativeStrategy))
@pytest.mark.parametrize("num", [4, 80])
def test_any_number_of_threads_and_any_company_gives_the_same_rows(opened, strategy, num):
    rng = np.random.default_rng(1)
    anchors = rng.integers(0, 300, 2000)
    lists = csr([rng.integers(0, 300, rng.integers(0, 40)).tolist() for _ in anchors])
    options = {"exclude": lists, "positives": lists if strategy is IN_BATCH else None}
    one = sample(opened, strategy, anchors, num, threads=1, **options)
    for threads in (2, 5):
        assert sample(opened, strategy, anchors, num, threads=threads, **options).tobytes() == one.tobytes()
    assert not np.array_equal(sample(opened, strategy, anchors, num, epoch=1, **options), one)
    assert not np.array_equal(sample(opened, strategy, anchors, num, seed=1, **options), one)
    assert np.array_equal(sample(opened, strategy, anchors, num, **options), one)
    if strategy is not IN_BATCH:
        alone = sample(
            opened, strategy, anchors[7:8], num, keys=[7], exclude=csr([lists[1][lists[0][7] : lists[0][8]]])
        )
        assert np.array_equal(alone[0], one[7])


def chi_square(counts, expected) -> float:
    return float((((counts - expected) ** 2) / expected).sum())


def weights_of(toy, strategy, anchor, positives=()) -> np.ndarray:
    found = candidates(toy, strategy, anchor, (), [*positives, []], len(positives))
    return np.array([found.get(i, 0) for i in range(len(toy.tables[1]))], float)


def check_chances(counts: np.ndarray, weights: np.ndarray) -> None:
    """Rows of little weight are put together; p is above 1 in 100,000 where nothing is wrong."""
    assert counts[weights == 0].sum() == 0
    order = np.argsort(weights)
    expected = weights[order] / weights.sum() * counts.sum()
    group = np.minimum((np.cumsum(expected) / 25).astype(int), len(weights))
    pairs = [(counts[order][group == g].sum(), expected[group == g].sum()) for g in np.unique(group)]
    found, wanted = np.array([p for p in pairs if p[1] > 10]).T
    freedom = len(found) - 1
    assert freedom > 8
    assert chi_square(found, wanted) < freedom + 4.3 * np.sqrt(2 * freedom) + 12


@pytest.mark.parametrize("strategy", list(NegativeStrategy))
@pytest.mark.parametrize("anchor", [40, 299])
def test_the_first_row_is_drawn_by_its_weight(opened, strategy, anchor):
    toy, _ = opened
    num_seeds = 20_000
    rng = np.random.default_rng(2)
    pool = [(300 * rng.random(500) ** 2).astype(int).tolist()]
    lists = csr([*pool, *[[]] * num_seeds]) if strategy is IN_BATCH else None
    anchors = np.full(num_seeds + (strategy is IN_BATCH), anchor)
    drawn = sample(opened, strategy, anchors, 1, positives=lists)[-num_seeds:, 0]
    check_chances(np.bincount(drawn, minlength=300), weights_of(toy, strategy, anchor, pool))


def few(weights: list[int], num_seeds: int, num: int, folder: Path, strategy) -> np.ndarray:
    """Draw from a graph whose items have these numbers of events."""
    to = [item for item, w in enumerate(weights) for _ in range(w)]
    toy = Toy(
        [
            ToyTable("user", [None]),
            ToyTable("item", [None] * len(weights)),
            ToyTable("event", [None] * len(to)),
        ],
        [ToyLink(2, 0, [0] * len(to)), ToyLink(2, 1, to)],
    )
    return sample((toy, written(toy, folder)), strategy, np.zeros(num_seeds, int), num)


def successive(weights, num) -> dict[tuple[int, ...], float]:
    """The chance of each ordered outcome of successive draws without replacement."""
    found = {}
    for rows in itertools.permutations([i for i, w in enumerate(weights) if w], num):
        chance, left = 1.0, float(sum(weights))
        for row in rows:
            chance *= weights[row] / left
            left -= weights[row]
        found[rows] = chance
    return found


@pytest.mark.parametrize(
    ("weights", "num"),
    [
        ([5, 1, 3, 1, 2], 2),  # by tries
        ([5, 1, 3, 1, 2], 3),
        ([4000, 1, 2, 3], 3),  # tries end before the rare ones are found
        ([4000, 1, 2, 3, 0, 0, 0, 0], 3),
        ([7, 1, 2], 3),  # listed at once
        ([7, 1, 2, 0], 2),
        ([3, 1, 1, 0, 0, 0], 6),  # listed at once, by events
    ],
)
def test_successive_draws_have_their_chances_however_they_are_made(tmp_path, weights, num):
    num_seeds = 40_000
    drawn = few(weights, num_seeds, num, tmp_path, POPULARITY)
    check_order(drawn, weights)


def check_order(drawn: np.ndarray, weights: list[int]) -> None:
    """Compare how often each ordered outcome was drawn with its chance."""
    counts = Counter(tuple(r for r in rows if r != NO_ROW) for rows in drawn.tolist())
    num = min(drawn.shape[1], sum(w > 0 for w in weights))
    expected = {rows: c * len(drawn) for rows, c in successive(weights, num).items()}
    assert set(counts) <= set(expected)
    often = {rows: e for rows, e in expected.items() if e > 8}
    statistic = sum((counts[rows] - e) ** 2 / e for rows, e in often.items())
    assert statistic < len(often) + 4.3 * np.sqrt(2 * len(often)) + 12


@pytest.mark.parametrize("num", [2, 9])
def test_positives_of_others_are_drawn_as_often_as_they_repeat(opened, num):
    num_seeds = 40_000
    lists = csr([[1, 0, 0], [0, 2], *[[]] * num_seeds])
    drawn = sample(opened, IN_BATCH, np.full(num_seeds + 2, 299), num, positives=lists)
    check_order(drawn[2:], [3, 1, 1])
    assert set(drawn[0].tolist()) == {2, NO_ROW}
    assert set(drawn[1].tolist()) == {1, NO_ROW}


def test_uniform_draws_have_equal_chances_also_where_nearly_all_are_excluded(opened):
    num_seeds = 30_000
    kept = [3, 77, 131, 209, 250, 298]
    rows = [i for i in range(300) if i not in kept]
    lists = np.arange(num_seeds + 1) * len(rows), np.tile(np.array(rows, np.uint32), num_seeds)
    drawn = sample(opened, UNIFORM, np.full(num_seeds, 299), 3, exclude=lists)
    counts = Counter(map(tuple, drawn.tolist()))
    expected = num_seeds / (6 * 5 * 4)
    assert len(counts) == 120
    statistic = sum((c - expected) ** 2 / expected for c in counts.values())
    assert statistic < 119 + 4.3 * np.sqrt(2 * 119) + 12


def test_long_lists_of_excluded_rows_need_no_order_and_may_repeat(opened):
    rng = np.random.default_rng(4)
    rows = [rng.integers(0, 300, 5000) % rng.integers(100, 299) for _ in range(50)]
    shuffled, ordered = csr([r.tolist() for r in rows]), csr([[*np.unique(r).tolist(), NO_ROW] for r in rows])
    for strategy in (UNIFORM, POPULARITY):
        found = [sample(opened, strategy, np.full(50, 299), 60, exclude=e) for e in (shuffled, ordered)]
        assert np.array_equal(*found)
        for mine, out in zip(found[0], rows, strict=True):
            assert not set(mine.tolist()) & set(out.tolist())


def test_nothing_to_draw_from_gives_no_rows(opened, tmp_path):
    everything = csr([list(range(300))] * 2)
    for strategy in (UNIFORM, POPULARITY):
        assert (sample(opened, strategy, [299, 299], 3, exclude=everything) == NO_ROW).all()
    assert (sample(opened, IN_BATCH, [299, 299], 3, positives=csr([[5, 5], [5]])) == NO_ROW).all()
    assert sample(opened, IN_BATCH, [299, 299], 1, positives=csr([[5, 5], [6]])).tolist() == [[6], [5]]
    assert sample(opened, UNIFORM, [], 3).shape == (0, 3)
    toy = Toy(
        [ToyTable("user", [None]), ToyTable("item", [9, 9]), ToyTable("event", [5, 9])],
        [ToyLink(2, 0, [0, 0]), ToyLink(2, 1, [0, 1])],
    )
    early = toy, written(toy, tmp_path)
    for strategy in (UNIFORM, POPULARITY):
        assert (sample(early, strategy, [8, -(2**62)], 1) == NO_ROW).all()
        assert (sample(early, strategy, [9, 2**62], 1) != NO_ROW).all()


def test_positives_that_do_not_exist_are_refused(opened):
    with pytest.raises(UserError, match=r"GRAPH040.*no row 300"):
        sample(opened, IN_BATCH, [1, 1], 1, positives=csr([[1], [300]]))
    assert (sample(opened, IN_BATCH, [299], 1, positives=csr([[NO_ROW]])) == NO_ROW).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strategy": "frequent"}, "'frequent' is no strategy"),
        ({"strategy": "popularity"}, "over no link"),
        ({"strategy": "popularity", "link": "link9"}, "'link9'"),
        ({"strategy": "popularity", "link": "link0"}, "'link0'.*\n.*link1"),
        ({"strategy": "uniform", "link": "link1"}, "takes no link"),
        ({"strategy": "uniform", "seed": -1}, "the seed is -1"),
    ],
)
def test_options_that_do_not_fit_are_refused(opened, options, said):
    with pytest.raises(UserError, match=f"(?s)GRAPH045.*{said}"):
        NegativeSampler(opened[1], "item", **options)
    with pytest.raises(UserError, match="GRAPH042"):
        NegativeSampler(opened[1], "basket", strategy="uniform")


@pytest.mark.parametrize(
    ("strategy", "options", "said"),
    [
        (UNIFORM, {"num": 0}, "negatives per seed is 0"),
        (UNIFORM, {"num": 1.5}, "negatives per seed is 1.5"),
        (UNIFORM, {"keys": [1]}, r"2 anchor times and keys of the shape \(1,\)"),
        (UNIFORM, {"keys": [1.5, 2]}, "float64"),
        (UNIFORM, {"exclude": ([0, 1], [1])}, "2 offsets of int64 for 2 seeds"),
        (UNIFORM, {"exclude": ([0, 1, 1],)}, "1 parts"),
        (UNIFORM, {"exclude": ([0, 2, 1], [1])}, "from 0 to 1 over 1 rows"),
        (UNIFORM, {"exclude": ([0, 1, 2], [1])}, "from 0 to 2 over 1 rows"),
        (UNIFORM, {"exclude": ([1, 1, 1], [1])}, "from 1 to 1"),
        (UNIFORM, {"positives": ([0, 0, 0], [])}, "'uniform' was given positives"),
        (IN_BATCH, {}, "'in_batch' was given no positives"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(opened, strategy, options, said):
    with pytest.raises(UserError, match=f"GRAPH046.*{said}"):
        sample(opened, strategy, [1, 1], options.pop("num", 2), **options)
