"""Past labels of those who share a parent row or a category, by plain loops over entities."""

import random
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from feature_shop import DAY, SCHEMA, labels_of, random_rows, seeds_of

from weft.core import ROW, Feature, FeatureKind, from_json, to_json
from weft.data.features import FeatureOptions, compute_features, plan_features
from weft.data.features.recipe import Recipe, Source
from weft.pql import compile_query

TEXT = "PREDICT SUM(orders.amount, 0, 10, days) > 5 FOR EACH customers.id"
WHERE = " WHERE COUNT(orders.*, -20, 0, days) > 0"
REFERRER = "customers.referrer_id -> customers"
CITY, PARENT = Source("city", words=True), Source(ROW, (REFERRER,))
BASES = {
    "target": Recipe("target", "mean", lag=3),
    "label": Recipe("label", "mean", source=Source("label")),
}
CUTOFFS = [c * DAY for c in (20, 45, 70, 95)]
PAIRS = [(10 + e, c) for e in range(7) for c in CUTOFFS]
ANCHORS = [a * DAY for a in range(5, 95, 10)]
ALL = FeatureOptions(max_features=10_000, num_compared=10)


def _past(rows, customer, cutoff, kind):
    """Return the labels of windows that have ended: by the tables, or those of the label table."""
    anchors = [cutoff - k * 10 * DAY for k in (1, 2, 3)]
    if kind == "label":
        anchors = [a for a in ANCHORS if a + 10 * DAY <= cutoff]
    found = labels_of(rows, sorted(anchors)).to_pylist()
    return [float(r["label"]) for r in found if r["entity"] == customer["id"]]


def _group(rows, customer, source):
    if source == CITY:
        return customer["city"]
    found = [c for c in rows.rows["customers"] if c["id"] == customer["referrer_id"]]
    there = [c for c in found if c["since"] <= customer["since"]]
    return there[0]["id"] if there else None


def _expected(rows, entity, cutoff, source, kind, *, is_filtered):
    own = next((c for c in rows.rows["customers"] if c["id"] == entity), None)
    if own is None or own["since"] > cutoff or _group(rows, own, source) is None:
        return None
    means = []
    for other in rows.rows["customers"]:
        recent = [
            o
            for o in rows.rows["orders"]
            if o["customer_id"] == other["id"] and cutoff - 20 * DAY < o["at"] <= cutoff
        ]
        if other is own or other["since"] > cutoff or (is_filtered and not recent):
            continue
        past = _past(rows, other, cutoff, kind)
        if _group(rows, other, source) == _group(rows, own, source) and past:
            means.append(sum(past) / len(past))
    return sum(means) / len(means) if means else None


@pytest.mark.parametrize("kind", list(BASES))
@pytest.mark.parametrize("is_filtered", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_group_means_equal_plain_loops_over_entities(seed, is_filtered, kind, tmp_path):
    rows = random_rows(seed, num_orders=120)
    for customer in rows.rows["customers"]:
        customer["referrer_id"] = random.Random(seed + customer["id"]).choice([10, 11, None, 99])
    for order in rows.rows["orders"]:
        # Quarters, so that sums are exact in any order.
        order["amount"] = None if order["amount"] is None else round(order["amount"] * 4) / 4
    query = compile_query(TEXT + (WHERE if is_filtered else ""), SCHEMA)
    sources = {"city": CITY, "parent": PARENT}
    features = [_feature(n, Recipe("group", "mean", source=s, base=BASES[kind])) for n, s in sources.items()]
    with rows.write(tmp_path) as tables:
        found = compute_features(
            tables, seeds_of(PAIRS), features, query=query, labels=labels_of(rows, ANCHORS)
        )
    some = 0
    for name, source in sources.items():
        wanted = [_expected(rows, e, c, source, kind, is_filtered=is_filtered) for e, c in PAIRS]
        some += sum(w is not None for w in wanted)
        for pair, one, other in zip(PAIRS, found[name].to_pylist(), wanted, strict=True):
            assert one == (None if other is None else pytest.approx(other)), (name, pair)
    assert some


def test_groups_are_planned_and_the_most_telling_kept(tmp_path):
    rows = random_rows(4, num_orders=150)
    query, labels = compile_query(TEXT, SCHEMA), labels_of(rows, ANCHORS)
    with rows.write(tmp_path) as tables:
        found = {
            n: _groups(plan_features(tables, query, labels=labels, options=_bound(n))) for n in (0, 1, 9)
        }
        without = frozenset({("customers", "city"), ("customers", "referrer_id")})
        none = plan_features(tables, query, labels=labels, options=_bound(9), excluded=without)
    assert found[0] == {} and len(found[1]) <= 1 and set(found[9]) >= set(found[1])
    city = "mean over the other customers with the same customers.city of: "
    assert found[9]["group.city.past_target.mean.lag3"] == (
        city + "mean of the target over the 3 windows before the cutoff"
    )
    assert found[9]["group.customers_referrer_id.past_target.mean.lag3"].startswith(
        "mean over the other customers of the same customer (by customers.referrer_id) of: "
    )
    assert _groups(none) == {}


def test_past_labels_stand_in_where_the_target_is_not_computed_from_the_tables(tmp_path):
    rows = random_rows(4, num_orders=150)
    text = "PREDICT MEDIAN(orders.amount, 0, 10, days) FOR EACH customers.id"
    labels = labels_of(rows, ANCHORS)
    labels = labels.set_column(3, "label", labels["label"].cast(pa.float64()))
    with rows.write(tmp_path) as tables:
        query = compile_query(text, SCHEMA)
        found = _groups(plan_features(tables, query, labels=labels, options=_bound(9)))
        refused = replace(_bound(9), past_labels=False)
        none = _groups(plan_features(tables, query, labels=labels, options=refused))
    assert "group.city.past_label.mean" in found and none == {}


def test_a_group_by_a_column_is_not_there_before_the_instant_the_user_states(tmp_path):
    rows = random_rows(4, num_orders=150)
    query, labels = compile_query(TEXT, SCHEMA), labels_of(rows, ANCHORS)
    with rows.write(tmp_path) as tables:
        dated = {("customers", "city"): 60 * DAY}
        features = plan_features(tables, query, labels=labels, options=_bound(9), as_of=dated)
        city = [f for f in features if f.name.startswith("group.city")]
        assert [f.columns for f in city] == [("orders.amount", "customers.city")]
        found = compute_features(tables, seeds_of([(10, 50 * DAY), (10, 70 * DAY)]), city, query=query)
    assert found.column(0)[0].as_py() is None


def test_rows_after_the_cutoff_change_no_group(tmp_path):
    rows = random_rows(6, num_orders=150)
    query, until = compile_query(TEXT, SCHEMA), 60 * DAY
    features = [_feature(n, Recipe("group", "mean", source=s, base=b)) for n, s, b in _every()]
    labels = labels_of(rows, ANCHORS)
    ended = labels.filter(pc.less_equal(pc.cast(labels["anchor_time"], pa.int64()), until - 10 * DAY))
    pairs = seeds_of([(10 + e, until, until + 20 * DAY) for e in range(6)])
    with rows.write(tmp_path / "a") as one, rows.without_later(until).write(tmp_path / "b") as other:
        whole = compute_features(one, pairs, features, query=query, labels=labels)
        assert whole.equals(compute_features(other, pairs, features, query=query, labels=ended))
    assert any(c.null_count < len(c) for c in whole.columns)


def test_the_order_of_rows_changes_no_bit_of_a_group(tmp_path):
    rows = random_rows(3, num_orders=150)
    query = compile_query("PREDICT SUM(orders.amount, 0, 10, days) FOR EACH customers.id", SCHEMA)
    shuffled = rows.rows | {t: random.Random(1).sample(r, len(r)) for t, r in rows.rows.items()}
    feature = _feature("city", Recipe("group", "mean", source=CITY, base=BASES["target"]))
    seeds = seeds_of(PAIRS)
    with rows.write(tmp_path / "a") as one, type(rows)(shuffled).write(tmp_path / "b") as other:
        first = compute_features(one, seeds, [feature], query=query)
        assert first.equals(compute_features(other, seeds, [feature], query=query))


def _every():
    return [(f"{k}{i}", s, b) for k, b in BASES.items() for i, s in enumerate((CITY, PARENT))]


def _bound(number):
    return replace(ALL, num_compared=number)


def _groups(features):
    return {f.name: f.words for f in features if from_json(Recipe, f.recipe).family == "group"}


def _feature(name, recipe):
    return Feature(
        name, FeatureKind.NUMERICAL, "customers", (), (), recipe.aggregate, None, name, to_json(recipe)
    )
