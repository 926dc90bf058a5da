"""Explanations of networks: they add up, name what was planted, survive deletion, and see nothing later."""

import copy
import dataclasses

import numpy as np
import pytest

from weft.core import NO_AGE, Silent, TaskType
from weft.learn import Predictor, fit_candidate, get_rung
from weft.learn.division import Usual
from weft.learn.importance import measure_importance
from weft.learn.networks.attribution import TOLERANCE
from weft.learn.networks.deletion import deletion_test, without_rows
from weft.learn.output import explain_row
from weft.learn.rung import Header
from weft.learn.rungs.blend import BlendModel
from weft.learn.view import asked

from .planted import DAY, RESOURCES, make_data, make_tables, open_graph

CONFIG = {"channels": 16, "fanouts": [12, 2], "epochs": 5, "batch_size": 128, "learning_rate": 0.02}
NAMES = ["sage", "relgnn", "graph_transformer"]
PRICE = "items.price"


def fit(data, name="sage", **config):
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}
    return get_rung(name).fit(data, {**CONFIG, **config}, 0, **limits)


@pytest.fixture(scope="module")
def data(shop):
    return make_data(*shop)


@pytest.fixture(scope="module", params=NAMES)
def model(data, request):
    return fit(data, name=request.param)


@pytest.fixture(scope="module")
def predictor(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sage")
    fit_candidate(data, "sage", CONFIG, 0, folder, resources=RESOURCES)
    return Predictor.open(folder)


def sums(told):
    """All amounts of each seed."""
    total = told.features.sum(axis=1)
    for table in told.tables:
        np.add.at(total, table.scope, table.amounts)
    return total + sum(told.absent.values())


def test_amounts_add_up_to_the_output_that_is_predicted_from(data, model):
    rows = asked(data, data.test).first(6)
    plain = copy.copy(model)
    plain.usual = Usual()
    raw, told = plain.attribute(rows), model.attribute(rows)
    size = np.abs(raw.features).sum(axis=1)
    for table in raw.tables:
        np.add.at(size, table.scope, np.abs(table.values).sum(axis=1) + np.abs(table.presence))
    assert (np.abs(raw.gap) <= TOLERANCE * size + 1e-6).all()
    chance = model.score_rows(rows)
    for found in (raw, told):
        assert sums(found) == pytest.approx(found.output - found.base, abs=1e-6)
        assert found.output == pytest.approx(np.log(chance / (1 - chance)), abs=1e-4)


def test_the_base_is_the_same_for_all_seeds(data, model):
    base = model.attribute(asked(data, data.test).take(np.arange(0, 300, 60))).base
    assert base == pytest.approx(np.full(len(base), base[0]), abs=1e-5)


def test_what_was_planted_moves_most(data, model):
    divided = model.divide_rows(asked(data, data.val).first(40))
    size = np.abs(divided.amounts).mean(axis=0)
    assert divided.parts[int(size.argmax())].columns == (PRICE,)
    # Who buys dear things is likelier a yes.
    most = int(size.argmax())
    assert np.corrcoef(divided.amounts[:, most], divided.amounts.sum(axis=1))[0, 1] > 0.7


def test_rows_that_moved_most_matter_more_than_random_ones(data, model):
    found = deletion_test(model, asked(data, data.test).first(60), seed=0)
    assert found.removed[:2] == (1, 3)
    assert found.is_faithful
    assert found.important[1] > 1.5 * found.random[1], found


def test_without_all_rows_a_network_says_what_it_says_of_a_lone_seed(data, model):
    """The base of the first leg is no construction: it is what is said of an entity without neighbors."""
    feeder, seeds, _ = model._fed(asked(data, data.test).first(5))
    sampled = feeder.neighborhoods.sample(feeder.table, seeds.rows, seeds.cutoffs_us, epoch=0)
    batch = feeder.maker.make(sampled, seeds.terms)
    gone = np.concatenate([np.full(len(r.rows), name != "users") for name, r in sampled.tables.items()])
    cut = without_rows(batch, model.inputs, gone)
    assert cut.edges == ()
    none = {t: dataclasses.replace(r.told, presence=r.told.presence * 0) for t, r in cut.rows.items()}
    none["users"] = cut.rows["users"].told
    rows = {t: dataclasses.replace(r, told=none[t]) for t, r in batch.rows.items()}
    model.network.eval()
    by_presence = model.network(dataclasses.replace(batch, rows=rows)).detach().numpy()
    assert model.network(cut).detach().numpy() == pytest.approx(by_presence, abs=1e-5)


@pytest.mark.parametrize("kind", [TaskType.REGRESSION, TaskType.MULTICLASS, TaskType.MULTILABEL])
def test_every_kind_of_task_is_divided_in_its_own_unit(shop, kind):
    data = make_data(*shop, kind=kind)
    model = fit(data, epochs=1)
    rows = asked(data, data.test).first(3)
    told = model.attribute(rows, None if kind is TaskType.REGRESSION else 1)
    predicted = model.score_rows(rows)
    if kind is TaskType.REGRESSION:
        assert told.output == pytest.approx(predicted, rel=1e-4)
    else:
        chance = predicted[:, 1]
        assert told.output == pytest.approx(np.log(chance / (1 - chance)), abs=1e-4)


def test_nothing_after_the_anchor_shows_up(data, shop, predictor, tmp_path):
    anchor = 220
    changed = open_graph(make_tables(after=anchor, delivered_after=anchor + 1)[0], tmp_path)
    usual = asked(data, data.test)
    first = np.flatnonzero(data.test.seeds["anchor_time"].cast("int64").to_numpy() == anchor * DAY)[:4]
    other = dataclasses.replace(usual, graph=dataclasses.replace(usual.graph, source=changed))
    for place in first:
        told, again = (explain_row(predictor, rows.take(np.array([place]))) for rows in (usual, other))
        assert told == again
        assert all(r.age_us is None or r.age_us >= 0 for r in told.neighborhood.rows)
    late = explain_row(predictor, usual.take(np.array([len(usual) - 1])))
    assert late != explain_row(predictor, other.take(np.array([len(usual) - 1])))


def test_a_row_is_explained_by_the_rows_around_it(data, predictor):
    told = explain_row(predictor, asked(data, data.test).first(1))
    entity, *rest = told.neighborhood.rows
    assert (entity.table, entity.parent, entity.hop, entity.key) == ("users", -1, 0, "0")
    assert {r.table for r in rest} <= {"orders", "items", "users"}
    for place, row in enumerate(rest, 1):
        before = told.neighborhood.rows[row.parent]
        assert 0 <= row.parent < place and row.links[:-1] == before.links
    order = next(r for r in rest if r.table == "orders")
    assert order.key.isdigit() and order.age.endswith(("days", "day", "hours", "hour"))
    item = next(r for r in rest if r.table == "items")
    assert item.age_us is None
    price = next(c for c in item.cells if c.column == "price")
    assert 0 < float(price.value) < 110
    assert told.neighborhood.num_rows["users"] >= 1


def test_amounts_of_an_explanation_add_up_to_the_probability(data, predictor):
    for place in (0, 99):
        told = explain_row(predictor, asked(data, data.test).take(np.array([place])))
        whole = told.base + sum(a.amount for a in told.amounts)
        if told.unit == "log-odds":
            assert 1 / (1 + np.exp(-whole)) == pytest.approx(told.prediction, abs=1e-4)
        # The rows shown hold the amounts of the graph, whatever they are grouped by.
        assert abs(sum(r.amount for r in told.neighborhood.rows)) > 0
    assert told.unit.startswith("log-odds")


def test_importance_tells_tables_columns_links_and_hops(data, predictor):
    found = measure_importance(predictor, data, seed=0)
    assert found.method == "contributions"
    assert found.columns[0].name == PRICE
    assert found.tables[0].name == "items"
    assert found.hops[0].name == "2 links away"
    assert {s.name for s in found.hops} >= {"1 link away", "2 links away"}
    assert sum(s.value for s in found.tables) == pytest.approx(1.0)
    assert all(s.mean is not None for s in found.features)
    assert found.deletion.is_faithful


def test_a_blend_adds_up_what_its_members_tell(data, predictor, tmp_path):
    for name, config in (("relgnn", {**CONFIG, "epochs": 1}), ("linear", {})):
        fit_candidate(data, name, config, 0, tmp_path / name, resources=RESOURCES)
    models = [predictor.model, *(Predictor.open(tmp_path / n).model for n in ("relgnn", "linear"))]
    header = Header(data.task, data.classes, data.encoder)
    weights = (0.5, 0.3, 0.2)
    blend = BlendModel(header, [("m", m, w) for m, w in zip(models, weights, strict=True)])
    rows = asked(data, data.test).first(1)
    divided = blend.divide_rows(rows)
    chance = blend.score_rows(rows)
    assert divided.base + divided.amounts.sum(axis=1) == pytest.approx(
        np.log(chance / (1 - chance)), abs=1e-3
    )
    assert [w for w, _ in divided.networks] == [0.5, 0.3]
    alone = [m.divide_rows(rows) for m in models]
    price = sum(
        w * d.amounts[0, i]
        for w, d in zip(weights, alone, strict=True)
        for i, part in enumerate(d.parts)
        if part.columns == (PRICE,)
    )
    told = sum(
        a for a, part in zip(divided.amounts[0], divided.parts, strict=True) if part.columns == (PRICE,)
    )
    assert told == pytest.approx(price)


def test_rows_without_a_time_have_no_age_to_tell(data, predictor):
    told = predictor.model.attribute(asked(data, data.test).first(3))
    items = next(t for t in told.tables if t.table == "items")
    assert (items.age_us == NO_AGE).all()
    assert items.columns[-1] == "age" and np.abs(items.values[:, -1]).max() == 0
