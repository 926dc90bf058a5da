"""Every strategy, scope and layout against plain Python, on random graphs with ties and null times."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_oracle import Oracle
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import NO_AGE, Scope, Toward
from weft.graph import ALL, Choice, Exclusion, SampleOptions, Sampler, Store, Strategy

TIME = st.integers(0, 12)


@st.composite
def toys(draw):
    """Random databases: few instants, so that ties and later parents are common."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    scale = draw(st.sampled_from([1, 1_000_000, 7 * 86_400_000_000]))
    tables, links = [], []
    for i, size in enumerate(sizes):
        is_timed = draw(st.booleans())
        time = st.one_of(st.none(), TIME, TIME) if draw(st.booleans()) else TIME
        times = draw(st.lists(time, min_size=size, max_size=size)) if is_timed else [None] * size
        tables.append(ToyTable(f"table{i}", [None if t is None else t * scale + 3 for t in times]))
        tables[-1].cuts = tuple(sorted(draw(st.sets(st.integers(1, 9), max_size=2))))
        tables[-1].unit_factor = draw(st.sampled_from([1, 1, 3]))
    for _ in range(draw(st.integers(1, 4))):
        child, parent = draw(st.integers(0, len(sizes) - 1)), draw(st.integers(0, len(sizes) - 1))
        to = st.one_of(st.none(), *[st.integers(0, sizes[parent] - 1)] * 4)
        links.append(ToyLink(child, parent, draw(st.lists(to, min_size=sizes[child], max_size=sizes[child]))))
    for k, link in enumerate(links):
        if link.parent < link.child and draw(st.booleans()):
            tables[link.child].order_by = k
    return Toy(tables, links), scale


@st.composite
def option_sets(draw, toy: Toy, scale: int):
    choice = draw(st.sampled_from([Choice.LAST, Choice.UNIFORM, Choice.WINDOW]))
    strategy = Strategy(choice, window_us=draw(st.integers(1, 8)) * scale)
    number = st.sampled_from([ALL, 0, 1, 2, 3])
    names = [toy.name(k) for k in range(len(toy.links))]
    key = st.sampled_from([*names, "*", *((n, t) for n in names for t in Toward)])
    hop = st.one_of(st.sampled_from([ALL, 1, 2, 4]), st.dictionaries(key, number, max_size=3))
    return SampleOptions(
        fanouts=tuple(draw(st.lists(hop, min_size=1, max_size=4))),
        strategy=strategy,
        strategies={draw(st.sampled_from(names)): Strategy(Choice.UNIFORM)} if draw(st.booleans()) else {},
        scope=draw(st.sampled_from(list(Scope))),
        crossed=tuple(draw(st.sets(st.sampled_from([t.name for t in toy.tables]), max_size=1))),
        seed=draw(st.integers(0, 2**64 - 1)),
    )


def written(toy: Toy, folder: str, name: str = "graph") -> Store:
    write_toy(toy, Path(folder) / name)
    return Store(Path(folder) / name)


def described(toy: Toy, batch) -> list[dict]:
    """Return what each scope of a batch holds, in prepared row numbers."""
    index = {t.name: i for i, t in enumerate(toy.tables)}
    scopes = [{"rows": {}, "edges": []} for _ in batch.scope_anchors_us]
    for name, rows in batch.tables.items():
        hops = np.repeat(np.arange(len(rows.per_hop)), rows.per_hop)
        assert len(hops) == len(rows)
        for row, scope, age, hop in zip(rows.rows, rows.scope, rows.age_us, hops, strict=True):
            node = (index[name], toy.source[index[name]][row])
            assert node not in scopes[scope]["rows"], "a row is in a scope once"
            scopes[scope]["rows"][node] = (int(hop), int(age))
    names = [toy.name(k) for k in range(len(toy.links))]
    for edges in batch.edges:
        k = names.index(edges.link)
        link = toy.links[k]
        start, end = (link.child, link.parent) if edges.toward is Toward.PARENT else (link.parent, link.child)
        hops = np.repeat(np.arange(len(edges.per_hop)) + 1, edges.per_hop)
        assert len(hops) == len(edges)
        for source, target, hop in zip(edges.source, edges.target, hops, strict=True):
            reached, expanded = batch.tables[toy.tables[end].name], batch.tables[toy.tables[start].name]
            assert reached.scope[source] == expanded.scope[target]
            scopes[expanded.scope[target]]["edges"].append(
                (
                    k,
                    edges.toward,
                    toy.source[end][reached.rows[source]],
                    toy.source[start][expanded.rows[target]],
                    int(hop),
                )
            )
    return scopes


def check(toy: Toy, batch, expected) -> None:
    found = described(toy, batch)
    assert len(found) == len(expected)
    for one, scope in zip(found, expected, strict=True):
        assert {n: h for n, (h, _) in one["rows"].items()} == scope.hop
        for (table, row), (_, age) in one["rows"].items():
            time = toy.tables[table].times[row]
            is_known = time is not None and (table, row) not in scope.hidden
            assert age == (scope.anchor - time if is_known else NO_AGE)
        by_step = lambda e: (e[4], e[0], e[1], e[3])  # noqa: E731 - the order within a target is compared
        assert sorted(one["edges"], key=by_step) == sorted(scope.edges, key=by_step)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_sample_is_that_of_the_oracle(data):
    toy, scale = data.draw(toys())
    options = data.draw(option_sets(toy, scale))
    table = data.draw(st.integers(0, len(toy.tables) - 1))
    seed = st.tuples(st.integers(0, len(toy.tables[table]) - 1), TIME.map(lambda t: t * scale + 3))
    seeds = data.draw(st.lists(seed, max_size=6))
    links = st.integers(0, len(toy.links) - 1)
    excluded = data.draw(
        st.lists(
            st.tuples(links, st.integers(0, 8), st.one_of(st.none(), st.integers(0, max(len(seeds) - 1, 0)))),
            max_size=4,
        )
        if seeds
        else st.just([])
    )
    excluded = [e for e in excluded if e[1] < len(toy.tables[toy.links[e[0]].child])]
    with tempfile.TemporaryDirectory() as folder:
        store = written(toy, folder)
        row_of = [{s: r for r, s in enumerate(rows)} for rows in toy.source]
        exclude = [
            Exclusion(toy.name(k), [row_of[toy.links[k].child][c]], None if s is None else [s])
            for k, c, s in excluded
        ]
        for threads in (1, 2):
            batch = Sampler(store, options, threads=threads).sample(
                toy.tables[table].name,
                [row_of[table][r] for r, _ in seeds],
                [a for _, a in seeds],
                epoch=5,
                exclude=exclude,
            )
            check(toy, batch, Oracle(toy, options, set(excluded)).sample(table, seeds, epoch=5))
            check_values(toy, batch, store)


def check_values(toy: Toy, batch, store: Store) -> None:
    """Rows carry their values; seeds later than their anchor carry none."""
    index = {t.name: i for i, t in enumerate(toy.tables)}
    for name, rows in batch.tables.items():
        source = np.array(toy.source[index[name]])[rows.rows]
        times = [toy.tables[index[name]].times[s] for s in source]
        anchors = batch.scope_anchors_us[rows.scope]
        hidden = np.array([t is not None and t > a for t, a in zip(times, anchors, strict=True)], bool)
        value, code = rows.blocks["float64"][:, 0], rows.blocks["int32"][:, 0]
        assert np.array_equal(value, np.where(hidden, np.nan, source + 0.5), equal_nan=True)
        assert np.array_equal(code, np.where(hidden, -1, source % 3))
        assert np.array_equal(rows.blocks["uint8"][:, 0], np.where(hidden, 255, source % 2))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_layout_of_a_graph_does_not_change_its_samples(data):
    toy, scale = data.draw(toys())
    recent = Strategy(Choice.RECENT_WEIGHTED, half_life_us=2 * scale)
    options = dataclasses.replace(data.draw(option_sets(toy, scale)), strategy=recent)
    plain = Toy(
        [dataclasses.replace(t, order_by=None, cuts=(), unit_factor=1) for t in toy.tables], toy.links
    )
    seeds = [(r, 8 * scale + 3) for r in range(len(toy.tables[0]))]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, one in (("given", toy), ("plain", plain)):
            store = written(one, folder, name)
            rows = [one.source[0].index(r) for r, _ in seeds]
            batch = Sampler(store, options).sample("table0", rows, [a for _, a in seeds])
            found.append(described(one, batch))
    assert found[0] == found[1]


def star(num_children: int, times, **options) -> Toy:
    return Toy(
        [ToyTable("hub", [None]), ToyTable("event", list(times), **options)],
        [ToyLink(1, 0, [0] * num_children)],
    )


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("scope", list(Scope))
def test_any_number_of_threads_gives_the_same_bytes(tmp_path, threads, scope):
    rng = np.random.default_rng(0)
    times = rng.integers(0, 1000, 3000).tolist()
    toy = Toy(
        [ToyTable("user", [None] * 200), ToyTable("item", [None] * 50), ToyTable("event", times, order_by=0)],
        [
            ToyLink(2, 0, rng.integers(0, 200, 3000).tolist()),
            ToyLink(2, 1, rng.integers(0, 50, 3000).tolist()),
        ],
    )
    store = written(toy, str(tmp_path))
    options = SampleOptions((4, 3, 2), Strategy(Choice.UNIFORM), scope=scope, seed=7)
    rows, anchors = rng.integers(0, 200, 500), rng.integers(0, 40, 500) * 25
    one = Sampler(store, options, threads=1).sample("user", rows, anchors)
    other = Sampler(store, options, threads=threads).sample("user", rows, anchors)
    assert list(one.tables) == list(other.tables)
    for name, left in one.tables.items():
        right = other.tables[name]
        assert left.per_hop == right.per_hop
        pairs = [(left.rows, right.rows), (left.scope, right.scope), (left.age_us, right.age_us)]
        pairs += [(left.blocks[b], right.blocks[b]) for b in left.blocks]
        assert all(a.tobytes() == b.tobytes() for a, b in pairs)
    for left, right in zip(one.edges, other.edges, strict=True):
        assert (left.link, left.toward, left.per_hop) == (right.link, right.toward, right.per_hop)
        assert left.source.tobytes() == right.source.tobytes()
        assert left.target.tobytes() == right.target.tobytes()


def test_a_seed_does_not_depend_on_the_seeds_beside_it(tmp_path):
    toy = star(300, range(300))
    store = written(toy, str(tmp_path))
    sampler = Sampler(store, SampleOptions((5,), Strategy(Choice.UNIFORM)))
    alone = sampler.sample("hub", [0], [200]).tables["event"].rows
    among = sampler.sample("hub", [0, 0, 0], [150, 200, 250]).tables["event"]
    assert np.array_equal(among.rows[among.scope == 1], alone)
    later = sampler.sample("hub", [0], [200], epoch=1).tables["event"].rows
    assert not np.array_equal(later, alone)


def chi_square(counts, expected) -> float:
    return float((((counts - expected) ** 2) / expected).sum())


def test_uniform_is_uniform_over_seeds(tmp_path):
    num_hubs, degree, fanout = 4000, 12, 5
    toy = Toy(
        [ToyTable("hub", [None] * num_hubs), ToyTable("event", list(range(degree)) * num_hubs)],
        [ToyLink(1, 0, [h for h in range(num_hubs) for _ in range(degree)])],
    )
    store = written(toy, str(tmp_path))
    batch = Sampler(store, SampleOptions((fanout,), Strategy(Choice.UNIFORM))).sample(
        "hub", np.arange(num_hubs), np.full(num_hubs, 9)
    )
    rows = batch.tables["event"]
    positions = rows.rows % degree
    counts = np.bincount(positions, minlength=degree)
    assert counts[10:].sum() == 0
    expected = num_hubs * fanout / 10
    # Each count is binomial with variance n p (1 - p), and they sum to a constant: chi-square with 9 degrees.
    assert chi_square(counts[:10], expected) / (1 - fanout / 10) * 0.9 < 33.7  # p = 0.0001
    together = np.zeros((10, 10))
    per_seed = positions.reshape(num_hubs, fanout)
    for a in range(fanout):
        for b in range(fanout):
            if a != b:
                np.add.at(together, (per_seed[:, a], per_seed[:, b]), 1)
    pairs = together[~np.eye(10, dtype=bool)]
    assert abs(pairs / (num_hubs * fanout * (fanout - 1) / 90) - 1).max() < 0.15


def successive(weights: np.ndarray, fanout: int, trials: int) -> np.ndarray:
    """Chances to be drawn by successive sampling without replacement, by simulation."""
    rng = np.random.default_rng(1)
    counts = np.zeros(len(weights))
    for _ in range(trials):
        counts[rng.choice(len(weights), fanout, replace=False, p=weights / weights.sum())] += 1
    return counts / trials


@pytest.mark.parametrize("degree", [20, 200])
def test_recent_weighted_draws_by_halving_chances(tmp_path, degree):
    num_hubs, fanout, half_life = 1000, 4, degree // 4
    toy = Toy(
        [ToyTable("hub", [None] * num_hubs), ToyTable("event", list(range(degree)) * num_hubs)],
        [ToyLink(1, 0, [h for h in range(num_hubs) for _ in range(degree)])],
    )
    store = written(toy, str(tmp_path))
    strategy = Strategy(Choice.RECENT_WEIGHTED, half_life_us=half_life)
    batch = Sampler(store, SampleOptions((fanout,), strategy)).sample(
        "hub", np.arange(num_hubs), np.full(num_hubs, degree)
    )
    rows = batch.tables["event"]
    assert len(rows) == num_hubs * fanout
    found = np.bincount(rows.rows % degree, minlength=degree) / num_hubs
    weights = 0.5 ** ((degree - np.arange(degree)) / half_life)
    expected = successive(weights, fanout, 5000)
    blocks = 10
    spread = np.sqrt(fanout / blocks / num_hubs)
    grouped = lambda chances: chances.reshape(blocks, -1).sum(1)  # noqa: E731
    assert np.abs(grouped(found) - grouped(expected)).max() < 5 * spread


def test_recent_weighted_ends_when_one_row_holds_all_the_weight(tmp_path):
    year = 365 * 86_400_000_000
    toy = star(500, [i % 7 for i in range(499)] + [30 * year])
    store = written(toy, str(tmp_path))
    strategy = Strategy(Choice.RECENT_WEIGHTED, half_life_us=86_400_000_000)
    batch = Sampler(store, SampleOptions((50,), strategy)).sample("hub", [0], [31 * year])
    rows = batch.tables["event"].rows
    assert len(set(rows.tolist())) == 50
    assert 499 in rows


def test_a_seed_later_than_its_anchor_tells_neither_what_it_holds_nor_where_it_points(tmp_path):
    toy = Toy([ToyTable("user", [None, None]), ToyTable("order", [10, 30, 40])], [ToyLink(1, 0, [0, 0, 1])])
    write_toy(toy, tmp_path / "graph")
    store = Store(tmp_path / "graph")
    rows = [int(np.flatnonzero(store.source_rows("order", np.arange(3)) == r)[0]) for r in (0, 1, 2)]
    sampler = Sampler(store, SampleOptions((9, 9)), threads=1)
    late = sampler.sample("order", rows, [20, 20, 20])
    assert late.num_edges == 2  # of the first order alone: to its user, and from there back to itself
    assert set(late.tables) == {"order", "user"}
    assert late.tables["user"].scope.tolist() == [0]
    assert late.tables["order"].age_us[late.seeds].tolist() == [10, NO_AGE, NO_AGE]


def test_ages_at_the_ends_of_time_do_not_overflow(tmp_path):
    ends = [-(2**63) + 2, 0, 2**63 - 2]
    toy = Toy([ToyTable("user", [None]), ToyTable("order", ends)], [ToyLink(1, 0, [0, 0, 0])])
    write_toy(toy, tmp_path / "graph")
    for strategy in (Strategy(), Strategy(Choice.RECENT_WEIGHTED, half_life_us=1)):
        sampler = Sampler(Store(tmp_path / "graph"), SampleOptions((9,), strategy), threads=1)
        ages = sampler.sample("user", [0], [2**63 - 1]).tables["order"].age_us
        assert sorted(ages.tolist()) == [1, 2**63 - 1, 2**63 - 1]
