"""Planning and computing: comparisons, limits, selection, exclusions, words, errors."""

import math
from dataclasses import replace
from importlib import metadata

import numpy as np
import pyarrow as pa
import pytest
from feature_oracle import Oracle
from feature_shop import DAY, QUERY, SCHEMA, Rows, labels_of, number, random_rows, seeds_of

from weft.core import ROW, Feature, FeatureKind, InvariantError, Schema, UserError, to_datetime, to_json
from weft.data.features import FeatureOptions, compute_features, plan_features
from weft.data.features.recipe import Recipe, Source
from weft.data.features.target import RowScope
from weft.pql import aggregates_in, compile_query

ALL = FeatureOptions(max_features=10_000)
ANCHORS = [c * DAY for c in (30, 40, 50, 60)]


def test_features_come_in_the_order_of_the_seeds_with_the_types_of_their_kind(tmp_path):
    with random_rows(0).write(tmp_path) as tables:
        features = plan_features(tables, QUERY)
        table = compute_features(tables, seeds_of([(11, 50 * DAY), (10, 20 * DAY)]), features, query=QUERY)
    assert table.column_names == [f.name for f in features]
    assert len(set(table.column_names)) == len(features)
    types = {FeatureKind.NUMERICAL: pa.float64(), FeatureKind.CATEGORICAL: pa.string()}
    assert all(table[f.name].type == types[f.kind] for f in features)
    assert {f.kind for f in features} == set(types)


def test_every_column_that_a_feature_names_is_in_the_schema(tmp_path):
    rows = random_rows(0)
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, labels=labels_of(rows, ANCHORS), options=ALL)
    there = {f"{table.name}.{column.name}" for table in SCHEMA.tables for column in table.columns}
    named = {column for feature in features for column in feature.columns}
    assert named <= there
    assert len({name.partition(".")[0] for name in named}) > 1


def test_a_rank_compares_with_every_entity_there_is_and_not_with_the_seeds(tmp_path):
    rows = random_rows(2)
    base = Recipe("rows", "count", (), ("orders.customer_id -> customers",))
    features = [_feature("rank", base), _feature("ratio", base)]
    with rows.write(tmp_path) as tables:
        found = compute_features(tables, seeds_of([(12, 80 * DAY)]), features, query=QUERY)
    oracle = Oracle(rows)
    there = [c["id"] for c in rows.rows["customers"] if c["since"] <= 80 * DAY]
    counts = {c: oracle.compute(base, c, 80 * DAY, 80 * DAY) for c in there}
    below = sum(c < counts[12] for c in counts.values())
    equal = sum(c == counts[12] for c in counts.values())
    assert found["rank"][0].as_py() == pytest.approx((below + equal / 2) / len(there))
    assert found["ratio"][0].as_py() == pytest.approx(counts[12] / (sum(counts.values()) / len(there)))


def test_a_rank_compares_only_with_entities_that_meet_where(tmp_path):
    rows = random_rows(2)
    query = compile_query(
        "PREDICT SUM(orders.amount, 0, 10, days) > 5 FOR EACH customers.id "
        "WHERE COUNT(orders.*, -20, 0, days) > 0",
        SCHEMA,
    )
    base = Recipe("rows", "count", (), ("orders.customer_id -> customers",))
    with rows.write(tmp_path) as tables:
        found = compute_features(tables, seeds_of([(12, 80 * DAY)]), [_feature("ratio", base)], query=query)
    oracle, counts = Oracle(rows), []
    for customer in rows.rows["customers"]:
        recent = replace(base, window_us=20 * DAY)
        if oracle.compute(recent, customer["id"], 80 * DAY, 80 * DAY) > 0:
            counts.append(oracle.compute(base, customer["id"], 80 * DAY, 80 * DAY))
    own = oracle.compute(base, 12, 80 * DAY, 80 * DAY)
    assert 0 < len(counts) < 6
    assert found["ratio"][0].as_py() == pytest.approx(own / (sum(counts) / len(counts)))


def test_the_target_over_past_windows_equals_the_labels_of_those_windows(tmp_path):
    rows = random_rows(6, num_orders=150)
    cutoffs = [60 * DAY, 75 * DAY]
    labels = {(r["anchor_time"], r["entity"]): r["label"] for r in _past(rows, cutoffs).to_pylist()}
    recipes = [
        Recipe("target", "lag", lag=1),
        Recipe("target", "lag", lag=2),
        Recipe("target", "mean", lag=3),
    ]
    features = [_of(str(i), r) for i, r in enumerate(recipes)]
    pairs = [(10 + e, c) for e in range(6) for c in cutoffs]
    with rows.write(tmp_path) as tables:
        found = compute_features(tables, seeds_of(pairs), features, query=QUERY)
    for i, (entity, cutoff) in enumerate(pairs):
        lags = [_label(labels, entity, cutoff - k * 10 * DAY) for k in (1, 2, 3)]
        known = [v for v in lags if v is not None]
        assert [found[str(k)][i].as_py() for k in (0, 1)] == lags[:2]
        assert found["2"][i].as_py() == pytest.approx(sum(known) / len(known))


def test_a_past_window_counts_only_where_what_is_assumed_held(tmp_path):
    rows = random_rows(6, num_orders=60)
    text = (
        "PREDICT COUNT(orders.* WHERE orders.amount > 4, 0, 10, days) > 0 FOR EACH customers.id "
        "ASSUMING COUNT(orders.*, 0, 10, days) > 0"
    )
    query = compile_query(text, SCHEMA)
    pairs = [(10 + e, 70 * DAY) for e in range(6)]
    with rows.write(tmp_path) as tables:
        lag = _of("lag", Recipe("target", "lag", lag=1))
        found = compute_features(tables, seeds_of(pairs), [lag], query=query)["lag"].to_pylist()
    for (entity, cutoff), value in zip(pairs, found, strict=True):
        orders = [
            o
            for o in rows.rows["orders"]
            if o["customer_id"] == entity and cutoff - 10 * DAY < o["at"] <= cutoff
        ]
        wanted = float(any((o["amount"] or 0) > 4 for o in orders)) if orders else None
        assert value == wanted
    assert None in found and (0.0 in found or 1.0 in found)


def test_a_small_memory_limit_gives_the_same_features(tmp_path, monkeypatch):
    rows = random_rows(0, num_orders=300)
    seeds = seeds_of([(10 + e, c * DAY) for e in range(8) for c in (40, 90)])
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, options=ALL)[::5]
        whole = compute_features(tables, seeds, features, query=QUERY)
        monkeypatch.setattr("weft.data.features.rows._LEAST_ROWS", 7)
        monkeypatch.setattr("weft.data.features.rows._BATCH_ROWS", 5)
        monkeypatch.setattr(tables, "resources", replace(tables.resources, memory_bytes=1))
        assert compute_features(tables, seeds, features, query=QUERY).equals(whole)


def test_an_excluded_column_is_neither_read_nor_walked(tmp_path):
    excluded = frozenset({("orders", "kind"), ("refunds", "order_id")})
    with random_rows(0).write(tmp_path) as tables:
        features = plan_features(tables, QUERY, excluded=excluded, options=ALL)
        amount = plan_features(tables, QUERY, excluded=frozenset({("orders", "amount")}), options=ALL)
    assert not [f for f in features if "orders.kind" in f.columns]
    assert not [f for f in features if "refunds.order_id -> orders" in f.links]
    assert not [f for f in amount if "orders.amount" in f.columns or f.aggregate.startswith("past_target")]


def test_an_excluded_key_on_the_way_of_the_target_is_not_walked_by_past_targets(tmp_path):
    excluded = frozenset({("orders", "customer_id")})
    with random_rows(0).write(tmp_path) as tables:
        features = plan_features(tables, QUERY, excluded=excluded, options=ALL)
    assert features
    assert not [f for f in features if "orders.customer_id -> customers" in f.links]
    assert not [f for f in features if f.aggregate.startswith("past_target") or "orders" in f.table]


def test_a_column_is_used_from_the_instant_on_that_the_user_states(tmp_path):
    rows = random_rows(0)
    with rows.write(tmp_path) as tables:
        features = plan_features(
            tables,
            QUERY,
            as_of={("orders", "amount"): 60 * DAY, ("orders", "product_id"): 60 * DAY},
            options=ALL,
        )
        seeds = seeds_of([(10 + e, c * DAY) for e in range(6) for c in (59, 60)])
        table = compute_features(tables, seeds, features, query=QUERY)
    dated = [
        f for f in features if "orders.amount" in f.columns or any("orders.product_id" in k for k in f.links)
    ]
    early = table.select([f.name for f in dated]).take(pa.array(range(0, 12, 2)))
    assert len(dated) > 100 and all(c.null_count == len(c) for c in early.columns)
    late = table.select([f.name for f in dated]).take(pa.array(range(1, 12, 2)))
    assert any(c.null_count < len(c) for c in late.columns)


def test_the_column_of_a_target_without_a_window_never_reaches_its_features(tmp_path):
    query = compile_query("PREDICT customers.city FOR EACH customers.id", SCHEMA)
    with random_rows(0).write(tmp_path) as tables:
        features = plan_features(tables, query, options=ALL)
    assert features and not [f for f in features if "customers.city" in f.columns]


def test_selection_reads_train_rows_only(tmp_path):
    rows = random_rows(7, num_orders=120)
    split = lambda anchor: "train" if anchor <= 50 * DAY else "val"  # noqa: E731
    labels = labels_of(rows, ANCHORS, split=split)
    values = np.array(labels["label"].to_pylist())
    is_val = np.array(labels["split"].to_pylist()) == "val"
    flipped = labels.set_column(3, "label", pa.array(np.where(is_val, ~values, values)))
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, labels=labels, options=FeatureOptions(max_features=30))
        assert features == plan_features(
            tables, QUERY, labels=flipped, options=FeatureOptions(max_features=30)
        )
    assert 10 < len(features) <= 33, "three of past labels are kept beside the selected"


def test_a_wide_table_is_screened_and_the_telling_column_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(150)]
    orders = SCHEMA.table("orders")
    wide = replace(orders, columns=orders.columns + tuple(map(number, names)))
    schema = Schema(tuple(wide if t.name == "orders" else t for t in SCHEMA.tables), SCHEMA.links)
    plain = random_rows(7, num_orders=100)
    extra = [o | dict(zip(names, rng.random(150).tolist(), strict=True)) for o in plain.rows["orders"]]
    for order in extra:
        order["c120"] = (order["customer_id"] or 0) % 2 + rng.random()
    labels = labels_of(plain, ANCHORS)
    odd = [entity % 2 == 1 for entity in labels["entity"].to_pylist()]
    rows, options = Rows(plain.rows | {"orders": extra}, schema), FeatureOptions(max_columns=10, max_hops=1)
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, labels=labels.set_column(3, "label", [odd]), options=options)
    read = {c.partition(".")[2] for f in features for c in f.columns} & set(names)
    assert "c120" in read and len(read) <= 20


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("PREDICT LAST(orders.kind, 0, 10, days) FOR EACH customers.id", ["p", "q"]),
        (
            "PREDICT LIST_DISTINCT(orders.kind, 0, 10, days) CLASSIFY FOR EACH customers.id",
            [["p", "q"], ["r"]],
        ),
        (
            "PREDICT LIST_DISTINCT(orders.product_id, 0, 9, days) RANK TOP 3 FOR EACH customers.id",
            [[1, 2], [3]],
        ),
    ],
)
def test_targets_of_other_kinds_have_features_too(text, label, tmp_path):
    rows = random_rows(7, num_orders=100)
    labels = labels_of(rows, ANCHORS)
    values = pa.array([label[i % 2] for i in range(len(labels))])
    labels, query = labels.set_column(3, "label", values), compile_query(text, SCHEMA)
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, query, labels=labels, options=FeatureOptions(max_hops=1))
        table = compute_features(tables, labels, features, query=query, labels=labels)
    assert len(table) == len(labels) and len(features) > 20
    assert any(f.aggregate.startswith("past_label") for f in features) == isinstance(label[0], str)


def test_a_forecast_knows_its_frame(tmp_path):
    query = compile_query(
        "PREDICT SUM(orders.amount, 0, 10, days) FORECAST 3 TIMEFRAMES FOR EACH customers.id", SCHEMA
    )
    seeds = seeds_of([(10, 50 * DAY)] * 3).append_column("frame", pa.array([0, 1, 2]))
    with random_rows(0).write(tmp_path) as tables:
        features = plan_features(tables, query)
        table = compute_features(tables, seeds, features, query=query)
    assert table["anchor.frame"].to_pylist() == [0, 1, 2]
    assert table["anchor.day_of_year"].to_pylist() == [51, 61, 71]


def test_the_words_of_a_feature_say_what_it_is(tmp_path):
    with random_rows(0).write(tmp_path) as tables:
        words = {f.name: f.words for f in plan_features(tables, QUERY, options=ALL)}
    assert words["orders_customer_id.amount.mean.last5"] == (
        "mean of orders.amount over the last 5 orders of the customer"
    )
    assert (
        words["orders_customer_id.count.30days"] == "number of the orders of the customer in the last 30 days"
    )
    assert words["latest_orders_product_id.orders_product_id.count"] == (
        "number of the orders of the latest product (by orders.product_id) of the customer"
    )
    assert words["orders_customer_id.orders_product_id.price.last"] == (
        "products.price of the last of the orders of the customer"
    )
    assert words["past_target.lag.lag1"] == "the target in the first window before the cutoff"


class Range:
    """Largest minus smallest value."""

    name = "range"
    words = "largest minus smallest {what} over {rows}"

    def compute(self, history):
        spans = []
        for start, stop in zip(history.starts, history.stops, strict=True):
            values = [v for v in history.values[start:stop] if not math.isnan(v)]
            spans.append(max(values) - min(values) if values else math.nan)
        return np.array(spans)


class Shapeless(Range):
    name = "shapeless"

    def compute(self, history):
        return np.zeros(len(history.starts) + 1)


class Known(Range):
    name = "mean"


@pytest.fixture
def register(monkeypatch):
    """Register an aggregate as an installed package would."""

    class Point(metadata.EntryPoint):
        def load(self):
            return self._for_test

    def add(aggregate):
        point = Point("own", "package:attribute", "weft.aggregates")
        object.__setattr__(point, "_for_test", aggregate)
        points = metadata.EntryPoints([point])
        monkeypatch.setattr(metadata, "entry_points", lambda **kw: points.select(**kw))

    return add


def test_an_aggregate_of_the_users_own_is_planned_and_computed(tmp_path, register):
    register(Range)
    rows = random_rows(0)
    with rows.write(tmp_path) as tables:
        own = [f for f in plan_features(tables, QUERY, options=ALL) if f.aggregate == "range"]
        amount = [f for f in own if f.name == "orders_customer_id.amount.range"]
        found = compute_features(tables, seeds_of([(12, 90 * DAY)]), amount, query=QUERY)
    assert amount[0].words == "largest minus smallest orders.amount over the orders of the customer"
    spent = [o["amount"] for o in rows.rows["orders"] if o["customer_id"] == 12 and o["at"] <= 90 * DAY]
    known = [a for a in spent if a is not None]
    assert found.column(0)[0].as_py() == pytest.approx(max(known) - min(known))


def test_an_aggregate_that_is_no_longer_registered_is_named(tmp_path):
    gone = _of("gone", Recipe("rows", "range", (), ("orders.customer_id -> customers",)))
    with random_rows(0).write(tmp_path) as tables, pytest.raises(UserError, match="'range'") as error:
        compute_features(tables, seeds_of([(12, 90 * DAY)]), [gone], query=QUERY)
    assert error.value.code == "DATA091"


def test_an_aggregate_that_returns_another_shape_is_refused(tmp_path, register):
    register(Shapeless())
    own = _of("own", Recipe("rows", "shapeless", (), ("orders.customer_id -> customers",)))
    with random_rows(0).write(tmp_path) as tables, pytest.raises(UserError) as error:
        compute_features(tables, seeds_of([(12, 90 * DAY)]), [own], query=QUERY)
    assert error.value.code == "DATA092"


@pytest.mark.parametrize("aggregate", [Known(), object()])
def test_an_entry_point_that_is_no_aggregate_of_its_own_is_refused(tmp_path, register, aggregate):
    register(aggregate)
    with random_rows(0).write(tmp_path) as tables, pytest.raises(UserError) as error:
        plan_features(tables, QUERY)
    assert error.value.code == "DATA093"


def test_seeds_without_a_column_are_refused(tmp_path):
    seeds = seeds_of([(12, 90 * DAY)]).drop_columns(["cutoff"])
    with random_rows(0).write(tmp_path) as tables, pytest.raises(UserError, match="cutoff") as error:
        compute_features(tables, seeds, [], query=QUERY)
    assert error.value.code == "DATA094"


def test_a_feature_that_was_not_planned_is_refused(tmp_path):
    bare = Feature("x", FeatureKind.NUMERICAL, "orders", (), (), "count", None, "x")
    with random_rows(0).write(tmp_path) as tables, pytest.raises(UserError, match="'x'") as error:
        compute_features(tables, seeds_of([(12, 90 * DAY)]), [bare], query=QUERY)
    assert error.value.code == "DATA095"


@pytest.mark.parametrize("wrong", [{"max_hops": 3}, {"max_features": 0}, {"max_columns": -1}])
def test_options_that_leave_nothing_are_refused(wrong):
    with pytest.raises(UserError) as error:
        FeatureOptions(**wrong)
    assert error.value.code == "DATA096"


def test_an_aggregate_inside_a_condition_on_a_row_is_a_bug():
    with pytest.raises(InvariantError) as error:
        RowScope(SCHEMA, lambda column: column).aggregate(aggregates_in(QUERY.target)[0])
    assert error.value.code == "DATA090"


def test_empty_tables_give_empty_histories(tmp_path):
    rows = Rows({t.name: [] for t in SCHEMA.tables})
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, options=ALL)
        table = compute_features(tables, seeds_of([(1, DAY)]), features, query=QUERY)
    counts = [f.name for f in features if f.aggregate == "count"]
    assert counts and all(table[c][0].as_py() == 0 for c in counts)


def _feature(family, base):
    return _of(family, Recipe(family, base.aggregate, base=base))


def _of(name, recipe):
    return Feature(
        name, FeatureKind.NUMERICAL, "orders", (), (), recipe.aggregate, None, name, to_json(recipe)
    )


def _past(rows, cutoffs):
    return labels_of(rows, sorted({c - k * 10 * DAY for c in cutoffs for k in (1, 2, 3)}))


def _label(labels, entity, anchor):
    value = labels.get((to_datetime(anchor).replace(tzinfo=None), entity))
    return None if value is None else float(value)


def test_everyone_in_a_large_table_is_a_sample_of_its_rows(tmp_path):
    rows = random_rows(3, num_orders=60)
    base = Recipe("everyone", "mean", (), ("orders.customer_id -> customers",), Source("amount"))
    features = [_of("all", base), _of("some", replace(base, step=4))]
    with rows.write(tmp_path) as tables:
        found = compute_features(tables, seeds_of([(12, 80 * DAY)]), features, query=QUERY)
    seen = [o for o in rows.rows["orders"] if o["at"] <= 80 * DAY and o["amount"] is not None]
    fourth = [o for o in seen if o[ROW] % 4 == 0]
    for name, orders in (("all", seen), ("some", fourth)):
        mean = sum(o["amount"] for o in orders) / len(orders)
        assert found[name][0].as_py() == pytest.approx(mean)


def test_few_and_many_seeds_give_the_same_features(tmp_path, monkeypatch):
    rows = random_rows(0, num_orders=200)
    seeds = seeds_of([(12, 60 * DAY), (14, 80 * DAY)])
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, options=ALL)[::5]
        few = compute_features(tables, seeds, features, query=QUERY)
        monkeypatch.setattr("weft.data.features.rows._FEW_KEYS", 0)
        assert compute_features(tables, seeds, features, query=QUERY).equals(few)
