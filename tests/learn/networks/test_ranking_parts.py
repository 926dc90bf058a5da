"""What networks that rank items are made of, against plain loops."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from weft.learn.encoders import EncoderOptions
from weft.learn.models.id_gnn.network import PathLayer
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NO_ROW, fit_inputs
from weft.learn.networks.known_items import KnownItems
from weft.learn.networks.ranking_feed import LessonMaker, Lessons
from weft.learn.networks.ranking_loss import bayesian_ranking, sampled_softmax
from weft.learn.networks.slates import Own, Pool, RankingBatch, RankingOptions, Sampled, Surroundings

from ..synthetic import DAY
from .planted_lists import ANCHORS, ITEMS, make_orders


@dataclasses.dataclass
class Kind:
    """What a maker of lessons asks of a network."""

    has_towers: bool = True
    reads_places: bool = True


@pytest.fixture(scope="module")
def inputs(lists):
    source = lists.graph.source
    return fit_inputs(lists, source, options=EncoderOptions(), excluded=(), separators={}, features="all")


def make_maker(lists, inputs, slate=8, fanouts=(6, 1), **kind):
    known = KnownItems.of_truth("items", lists.train.truth, 10**6)
    config = NetworkConfig(fanouts=fanouts, options={"negatives": 12, "slate": slate, "item_fanouts": (4,)})
    around = Surroundings(inputs, known, config, lists.graph, 0)
    lessons = Lessons.find(lists.graph.source, "users", "items", lists.train)
    return LessonMaker(lessons, around, inputs.seed, RankingOptions.read(config), 0, Kind(**kind))


def test_a_batch_teaches_the_true_items_those_around_and_some_candidates(lists, inputs):
    maker = make_maker(lists, inputs)
    part = maker.lessons.orders(0, 0, 30)[0]
    batch = maker.make(part, 0, 0)
    own = batch.own
    rows, _, _ = make_orders()
    shared = len(batch.pool.log_chance)
    assert len(batch.pool.items.batch.seeds) >= shared > 12
    truth = lists.train.truth.to_pylist()
    around = 0
    for place, number in enumerate(part):
        user = lists.train.seeds["entity"][int(number)].as_py()
        anchor = lists.train.seeds["anchor_time"][int(number)].cast("timestamp[us]").cast("int64").as_py()
        mine = own.seed == place
        assert int((mine & own.is_true).sum()) == len(truth[number])
        bought = set(rows[(rows[:, 0] == user) & (rows[:, 2] * DAY < anchor), 1].tolist())
        found = int((mine & (own.place >= 0)).sum())
        assert found == min(len(bought), 6)
        around += found
    assert around
    assert torch.equal(own.terms[:, -1] > 0, own.terms[:, :-1].abs().sum(1) > 0)
    drawn = own.log_chance < 0
    assert drawn.any() and not (own.is_true & drawn).any() and not ((own.place >= 0) & drawn).any()
    assert ((own.column >= 0) == (own.place < 0)).all()
    assert (batch.pool.log_chance <= 0).all()
    for place, column in zip(own.seed.tolist(), own.column.tolist(), strict=True):
        assert column < 0 or column >= shared or batch.pool.is_left_out[place, column]


def test_negatives_are_not_later_than_the_earliest_anchor_of_their_batch(lists, inputs):
    maker = make_maker(lists, inputs)
    _, listed, _ = make_orders()
    keys = np.array(lists.graph.source.keys("items", np.arange(ITEMS, dtype=np.uint32)))
    for number in range(20):
        drawn = maker._draw(ANCHORS[0] * DAY, 0, number)
        assert len(drawn) == 12 and (listed[keys[drawn]] <= ANCHORS[0]).all()
    assert (listed > ANCHORS[0]).any()


def test_an_item_is_no_negative_of_a_seed_whose_anchor_it_is_newer_than(lists, inputs):
    maker = make_maker(lists, inputs)
    cutoffs = maker.lessons.cutoffs_us
    part = np.concatenate([np.flatnonzero(cutoffs == at)[:20] for at in (cutoffs.min(), cutoffs.max())])
    shared = np.arange(ITEMS, dtype=np.uint32)
    left_out = maker._left_out(shared, np.zeros(0, np.int64), cutoffs[part])
    _, listed, _ = make_orders()
    keys = np.array(lists.graph.source.keys("items", shared))
    expected = listed[keys][None, :] * DAY > cutoffs[part][:, None]
    assert np.array_equal(left_out, expected)
    assert left_out[:20].any() and not left_out[20:].any()


def test_batches_are_of_neighboring_anchors_and_of_seeds_that_teach(lists, inputs):
    maker = make_maker(lists, inputs)
    parts = maker.lessons.orders(3, 0, 50)
    taught = np.sort(np.concatenate(parts))
    num_true = lists.train.targets.num_true
    assert np.array_equal(taught, np.flatnonzero(num_true))
    spans = sorted((maker.lessons.cutoffs_us[p].min(), maker.lessons.cutoffs_us[p].max()) for p in parts)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    assert not all(np.array_equal(a, b) for a, b in zip(parts, maker.lessons.orders(4, 0, 50), strict=True))


def test_without_towers_only_items_of_which_something_is_known_are_taught(lists, inputs):
    batch = make_maker(lists, inputs, has_towers=False).make(np.arange(40), 0, 0)
    assert batch.pool is None
    assert ((batch.own.place >= 0) | (batch.own.terms[:, -1] > 0)).all()


def batch_of(own, pool, num):
    table = dataclasses.make_dataclass("Table", ["seeds"])(torch.zeros(num))
    return RankingBatch(Sampled(table, torch.zeros(0)), own, pool)


def pairs_of(seed, is_true, log_chance=None):
    num = len(seed)
    chance = torch.zeros(num) if log_chance is None else log_chance
    none = torch.full((num,), -1)
    return Own(torch.tensor(seed), none, none, torch.zeros(num, 1), torch.tensor(is_true), chance)


def test_the_softmax_over_all_items_is_the_softmax():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 7, generator=generator)
    is_true = torch.zeros(3, 7, dtype=torch.bool)
    is_true[0, 2] = is_true[0, 5] = is_true[2, 1] = True
    seed, item = torch.nonzero(is_true, as_tuple=True)
    own = pairs_of(seed.tolist(), [True] * 3)
    pool = Pool(None, is_true, torch.zeros(7))
    found = sampled_softmax(scores[seed, item], scores, batch_of(own, pool, 3))
    share = is_true / is_true.sum(1, keepdim=True).clamp(min=1)
    expected = -(share * torch.log_softmax(scores, 1)).sum(1)[[0, 2]].mean()
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_a_sample_stands_for_all_items():
    """The mean over draws of the sum that is normalized by is that over all items."""
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(40, generator=generator).double()
    chance = torch.linspace(0.1, 0.9, 40).double()
    sums = []
    for _ in range(600):
        drawn = torch.rand(40, generator=generator) < chance
        own = pairs_of([0], [True])
        pool = Pool(None, torch.zeros(1, int(drawn.sum()), dtype=torch.bool), chance[drawn].log())
        true = torch.zeros(1).double()
        sums.append(float(sampled_softmax(true, scores[drawn][None], batch_of(own, pool, 1)).exp()))
    assert np.mean(sums) == pytest.approx(float(1 + scores.exp().sum()), rel=0.03)


def test_candidates_that_a_drawn_one_stands_for_are_no_shared_negatives_of_their_seed(lists, inputs):
    maker, part = make_maker(lists, inputs, slate=2), np.arange(12)
    lessons, num = maker.lessons, len(maker.around.numbers)
    keys, _, _ = maker._own(part, maker._true_keys(part), np.zeros(0, np.int64), 0, 0)
    apart = maker._told_apart(part, keys)
    for seed in part:
        rows = lessons.candidate_rows[lessons.candidate_offsets[seed] : lessons.candidate_offsets[seed + 1]]
        known = {int(seed) * num + int(row) for row in rows if row != NO_ROW}
        assert known <= set(apart.tolist())
    assert len(apart) > len(keys)


def test_pairs_of_true_and_false_items_are_compared_one_by_one():
    generator = torch.Generator().manual_seed(2)
    seed, is_true = [0, 0, 0, 1, 1, 2], [True, False, False, True, True, False]
    own, shared = torch.randn(6, generator=generator), torch.randn(3, 4, generator=generator)
    is_left_out = torch.rand(3, 4, generator=generator) < 0.3
    batch = batch_of(pairs_of(seed, is_true), Pool(None, is_left_out, torch.zeros(4)), 3)
    losses = []
    for i in np.flatnonzero(is_true):
        losses += [own[j] - own[i] for j in range(6) if seed[j] == seed[i] and not is_true[j]]
        losses += [shared[seed[i], j] - own[i] for j in range(4) if not is_left_out[seed[i], j]]
    expected = np.mean([np.log1p(np.exp(float(x))) for x in losses])
    assert float(bayesian_ranking(own, shared, batch)) == pytest.approx(expected, rel=1e-5)


def test_a_step_outwards_takes_the_mean_of_what_reached_a_row(lists, inputs):
    maker = make_maker(lists, inputs, fanouts=(6, 2, 3))
    sampled, _ = maker.around.users(maker.lessons.rows[:12], maker.lessons.cutoffs_us[400:412])
    batch = sampled.batch
    torch.manual_seed(0)
    layer = PathLayer(inputs, 8)
    state = {t: torch.randn(len(r.place), 8) for t, r in batch.rows.items()}
    for hop in (1, 2, 3):
        found = layer(state, batch, hop)
        for table, rows in batch.rows.items():
            start, stop = rows.num_rows(hop - 1), rows.num_rows(hop)
            kept = torch.cat([found[table][:start], found[table][stop:]])
            assert torch.equal(kept, torch.cat([state[table][:start], state[table][stop:]]))
            for row in range(start, stop):
                hidden = layer.own[layer.names[table]](state[table][row])
                for edge in batch.edges:
                    if edge.source_table != table:
                        continue
                    before = batch.rows[edge.target_table]
                    first = before.num_rows(hop - 2) if hop > 1 else 0
                    reached = [
                        state[edge.target_table][t]
                        for t in range(first, before.num_rows(hop - 1))
                        if row in edge.source[edge.offsets[t] : edge.offsets[t + 1]]
                    ]
                    if reached:
                        count = torch.log1p(torch.tensor([float(len(reached))]))
                        told = torch.cat([torch.stack(reached).mean(0), count])
                        hidden = hidden + layer.message[edge.kind](told)
                expected = torch.relu(layer.norm[layer.names[table]](hidden))
                assert torch.allclose(found[table][row], expected, atol=1e-5)
        state = found


def test_known_items_are_found_by_key_in_any_graph(lists, tmp_path):
    known = KnownItems.of_truth("items", lists.train.truth, 10)
    counts = np.bincount(np.concatenate([np.array(t, int) for t in lists.train.truth.to_pylist()]))
    assert len(known) == 10 and counts[known.keys.to_numpy()].min() >= np.sort(counts)[-10]
    numbers = known.bind(lists.graph.source)
    rows = lists.graph.source.rows("items", known.keys)
    assert numbers[rows].tolist() == list(range(1, 11)) and (numbers > 0).sum() == 10
    known.save(tmp_path)
    assert KnownItems.load(tmp_path).keys.equals(known.keys)
