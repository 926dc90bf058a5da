"""What networks compute, against plain loops."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from weft.core import SampleOptions, TaskType, Toward
from weft.learn.encoders import EncoderOptions, fit_table
from weft.learn.models.sage.network import build as build_sage
from weft.learn.networks.allowed import LOSSES
from weft.learn.networks.batch import BatchMaker
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.heads import Goal, loss_of, predict_of
from weft.learn.networks.inputs import LinkEnds, NetworkInputs, SeedTerms, fit_inputs
from weft.learn.networks.layers import Attention, Dropout, mean_of_neighbors, seed_dropout
from weft.learn.networks.registry import build_network, crossed_tables
from weft.learn.networks.scale import Scale

from .planted import DAY, make_data, open_graph


@given(st.data())
def test_the_mean_of_neighbors_is_the_mean(data):
    num = data.draw(st.integers(1, 6))
    counts = data.draw(st.lists(st.integers(0, 4), max_size=6))
    source = data.draw(st.lists(st.integers(0, num - 1), min_size=sum(counts), max_size=sum(counts)))
    values = torch.arange(num * 2, dtype=torch.float32).reshape(num, 2).requires_grad_()
    offsets = torch.tensor([0, *np.cumsum(counts)], dtype=torch.int64)
    found = mean_of_neighbors(values, torch.tensor(source, dtype=torch.int64), offsets)
    parts = np.split(np.array(source, int), np.cumsum(counts)[:-1]) if counts else []
    plain = values.detach().numpy()
    expected = [plain[p].mean(axis=0) if len(p) else np.zeros(2) for p in parts]
    assert found.detach().numpy() == pytest.approx(np.array(expected).reshape(len(counts), 2))
    found.sum().backward()
    share = np.zeros(num)
    for part in parts:
        np.add.at(share, part, 1 / max(1, len(part)))
    assert values.grad[:, 0].numpy() == pytest.approx(share, abs=1e-6)


@pytest.fixture(scope="module")
def inputs(shop):
    source, habit = shop
    data = make_data(source, habit)
    return fit_inputs(data, source, options=EncoderOptions(), excluded=(), separators={}, features="none")


def sampled(shop, inputs, fanouts=(4, 3)):
    source, _ = shop
    seeds = np.array([3, 7, 7, 20], np.uint32)
    anchors = np.array([120, 130, 250, 1]) * DAY
    batch = source.neighborhoods(SampleOptions(fanouts, columns=())).sample("users", seeds, anchors)
    return batch, BatchMaker(inputs, source).make(batch, np.zeros((4, 0), np.float32))


def test_tensors_say_what_the_batch_says(shop, inputs):
    batch, made = sampled(shop, inputs)
    assert made.num_hops == 2 and made.num_bytes > 0
    for name, rows in made.rows.items():
        distinct = np.unique(batch.tables[name].rows)
        assert len(rows.dense) == len(rows.codes) == len(distinct)
        assert np.array_equal(distinct[rows.place.numpy()], batch.tables[name].rows)
        assert rows.per_hop == batch.tables[name].per_hop
    for edges, made_edges in zip([e for e in batch.edges if len(e)], made.edges, strict=True):
        target = np.repeat(np.arange(len(made_edges.offsets) - 1), np.diff(made_edges.offsets.numpy()))
        assert np.array_equal(target, edges.target)
        assert np.array_equal(made_edges.source.numpy(), edges.source)
    moved = made.to(torch.device("cpu"))
    assert moved is made


def test_graph_sage_computes_what_plain_loops_over_all_rows_do(shop, inputs):
    torch.manual_seed(0)
    network = build_sage(inputs, NetworkConfig(channels=8, fanouts=(2, 2))).eval()
    _, made = sampled(shop, inputs)
    with torch.no_grad():
        state = {t: network.encode[network.names[t]](r) for t, r in made.rows.items()}
        for layer in network.layers:
            new = {}
            for table, values in state.items():
                name = layer.names[table]
                rows = []
                for i in range(len(values)):
                    total = layer.own[name](values[i])
                    for edge in made.edges:
                        if edge.target_table != table:
                            continue
                        of = edge.source[edge.offsets[i] : edge.offsets[i + 1]]
                        if len(edge.source):
                            mean = state[edge.source_table][of].mean(dim=0) if len(of) else torch.zeros(8)
                            told = torch.cat([mean, torch.log1p(torch.tensor([float(len(of))]))])
                            total = total + layer.message[edge.kind](told)
                    rows.append(torch.relu(layer.norm[name](total)))
                new[table] = torch.stack(rows)
            state = new
        expected = state["users"][made.seeds]
        assert torch.allclose(network(made), expected, atol=1e-5)


def test_a_network_reads_ages_links_and_columns(shop, inputs):
    """Whatever is changed in the neighborhood changes the state of the seeds."""
    torch.manual_seed(0)
    network = build_sage(inputs, NetworkConfig(channels=8, fanouts=(2, 2))).eval()
    _, made = sampled(shop, inputs)
    before = network(made)
    orders, items = made.rows["orders"], made.rows["items"]
    for changed in (
        {"orders": dataclasses.replace(orders, ages=orders.ages + 1)},
        {"orders": dataclasses.replace(orders, dense=orders.dense + 1)},
        {"items": dataclasses.replace(items, dense=items.dense + 1)},
    ):
        after = network(dataclasses.replace(made, rows={**made.rows, **changed}))
        assert not torch.allclose(before[:3], after[:3])
        assert torch.allclose(before[3], after[3])  # has no order yet
    assert {e.toward for e in made.edges} == set(Toward)


@given(st.data())
def test_attention_weighs_neighbors_by_how_well_they_fit(data):
    counts = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    source = data.draw(st.lists(st.integers(0, 4), min_size=sum(counts), max_size=sum(counts)))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    layer, targets, sources = Attention(4, 2), torch.randn(len(counts), 4), torch.randn(5, 4)
    offsets = torch.tensor([0, *np.cumsum(counts)], dtype=torch.int64)
    with torch.no_grad():
        found = layer(targets, sources, torch.tensor(source, dtype=torch.int64), offsets)
        for i, told in enumerate(found):
            of = source[offsets[i] : offsets[i + 1]]
            expected = torch.zeros(4)
            for head in (slice(0, 2), slice(2, 4)) if of else ():
                query, key = layer.query(targets[i])[head], layer.key(sources[of])[:, head]
                share = torch.softmax(key @ query / 2**0.5, dim=0)
                expected[head] = share @ layer.value(sources[of])[:, head]
            assert torch.allclose(told, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["sage", "relgnn", "graph_transformer"])
def test_the_state_of_a_seed_does_not_depend_on_the_seeds_beside_it(shop, inputs, name):
    source, _ = shop
    config = NetworkConfig(channels=8, fanouts=(4, 3))
    torch.manual_seed(0)
    network = build_network(name, inputs, config).eval()
    drawn = source.neighborhoods(
        config.sampling(0, [k.name for k in inputs.links], crossed_tables(name, inputs))
    )
    maker = BatchMaker(inputs, source)
    seeds, anchors = np.array([3, 7, 7, 20], np.uint32), np.array([120, 130, 250, 1]) * DAY

    def states(chosen):
        batch = drawn.sample("users", seeds[chosen], anchors[chosen])
        return network(maker.make(batch, np.zeros((len(chosen), 0), np.float32)))

    with torch.no_grad():
        together = states(np.arange(4))
        alone = torch.cat([states(np.array([i])) for i in range(4)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[1], together[2])  # one user at two anchors


def test_bridges_are_tables_that_point_to_two_or_more(inputs):
    assert crossed_tables("relgnn", inputs) == ("orders",)
    assert crossed_tables("sage", inputs) == ()


def test_dropout_draws_from_its_own_generator():
    layer = Dropout(0.5)
    seed_dropout(layer, 3, torch.device("cpu"))
    torch.manual_seed(0)
    first = layer(torch.ones(1000))
    seed_dropout(layer, 3, torch.device("cpu"))
    torch.manual_seed(1)
    assert torch.equal(first, layer(torch.ones(1000)))
    assert set(first.tolist()) == {0.0, 2.0} and 400 < (first == 0).sum() < 600
    assert torch.equal(layer.eval()(torch.ones(3)), torch.ones(3))


@pytest.mark.parametrize(("task", "loss"), [(t, each) for t, losses in LOSSES.items() for each in losses])
def test_a_loss_falls_when_predictions_get_better(task, loss):
    num_classes = 0 if task in (TaskType.BINARY, TaskType.REGRESSION, TaskType.FORECASTING) else 3
    goal = Goal(task, num_classes, loss, Scale(center=5.0, spread=2.0))
    rng = np.random.default_rng(0)
    if task is TaskType.MULTICLASS:
        values = rng.integers(-1, 3, 64)
    elif num_classes:
        values = rng.integers(0, 2, (64, 3)).astype(np.uint8)
    else:
        values = rng.integers(0, 2, 64).astype(float) if task is TaskType.BINARY else rng.normal(5, 2, 64)
    targets = torch.from_numpy(goal.encode(values))
    raw = torch.zeros(64, goal.width, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.1)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss_of(goal, raw, targets)
        losses.append(value.item())
        value.backward()
        optimizer.step()
    assert losses[-1] < 0.6 * losses[0]
    predicted = predict_of(goal, raw.detach().numpy())
    assert predicted.shape == ((64, num_classes) if num_classes else (64,))
    if task is TaskType.MULTICLASS:
        known = values >= 0
        assert (predicted.argmax(axis=1) == values)[known].all()
    elif loss in ("softmax", "bpr"):
        mixed = (values.min(axis=1) == 0) & (values.max(axis=1) == 1)
        least_true = np.where(values == 1, predicted, np.inf).min(axis=1)
        most_false = np.where(values == 0, predicted, -np.inf).max(axis=1)
        assert (least_true > most_false)[mixed].all()
    elif num_classes or task is TaskType.BINARY:
        assert ((predicted > 0.5) == (values > 0)).mean() > 0.95
    else:
        assert np.abs(predicted - values).mean() < 1.0


def test_a_weighted_loss_still_predicts_shares():
    goal = Goal(TaskType.BINARY, 0, "cross_entropy", positive_weight=9.0)
    targets = torch.from_numpy(goal.encode((np.arange(100) < 10).astype(float)))
    raw = torch.zeros(1, 1, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss_of(goal, raw.expand(100, 1), targets).backward()
        optimizer.step()
    assert predict_of(goal, raw.detach().numpy()) == pytest.approx([0.1], abs=0.01)


def test_nothing_of_a_seed_that_is_later_than_its_anchor_is_read(tmp_path):
    def shop(rating):
        created = pa.array(np.array([1, 50]) * DAY, pa.int64()).cast(pa.timestamp("us"))
        users = pa.table({"user_id": [0, 1], "rating": rating, "created_at": created})
        times = pa.array(np.arange(40) * DAY, pa.int64()).cast(pa.timestamp("us"))
        orders = pa.table({"order_id": np.arange(40), "user_id": np.arange(40) % 2, "at": times})
        return open_graph({"users": users, "orders": orders}, tmp_path / str(rating[1]))

    first, second = shop([3.5, 1.25]), shop([3.5, 99.75])
    usual = {"options": EncoderOptions(numbers="standard"), "until_us": 60 * DAY}
    tables = tuple(fit_table(first, table, **usual) for table in first.tables)
    links = tuple(LinkEnds(k.name, k.child, k.parent) for k in first.links)
    inputs = NetworkInputs("users", tables, links, SeedTerms(), 60 * DAY)
    config = NetworkConfig(channels=8, fanouts=(4,))
    torch.manual_seed(0)
    network = build_network("sage", inputs, config).eval()

    def state(source, anchor):
        drawn = source.neighborhoods(config.sampling(0, [k.name for k in links]))
        row = source.rows("users", pa.array([1]), threads=1)
        batch = drawn.sample("users", row, np.array([anchor * DAY]))
        with torch.no_grad():
            return network(BatchMaker(inputs, source).make(batch, np.zeros((1, 0), np.float32)))

    assert torch.equal(state(first, 49), state(second, 49))
    assert not torch.allclose(state(first, 50), state(second, 50))


class Short(nn.Module):
    """Answers in bfloat16, as a linear layer under autocast on a GPU, where sums and powers do not."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, values):
        return self.inner(values).to(torch.bfloat16)


def test_a_step_in_mixed_precision_ends_with_finite_gradients(shop, inputs):
    source, _ = shop
    config = NetworkConfig(channels=8, fanouts=(4, 3))
    torch.manual_seed(0)
    network = build_network("relgnn", inputs, config)
    for layer in network.layers:
        for attention in layer.of_children.values():
            attention.value = Short(attention.value)
        for link in list(layer.through):
            layer.through[link] = Short(layer.through[link])
    drawn = source.neighborhoods(
        config.sampling(0, [k.name for k in inputs.links], crossed_tables("relgnn", inputs))
    )
    batch = drawn.sample("users", np.array([3, 7], np.uint32), np.array([120, 250]) * DAY)
    network(BatchMaker(inputs, source).make(batch, np.zeros((2, 0), np.float32))).square().sum().backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert grads and all(torch.isfinite(g).all() for g in grads)
