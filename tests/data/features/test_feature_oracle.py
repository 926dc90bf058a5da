"""Every aggregate on every kind of path against plain loops over rows."""

import math

import pytest
from feature_oracle import Oracle
from feature_shop import DAY, QUERY, random_rows, seeds_of

from weft.core import FeatureKind, from_json
from weft.data.features import FeatureOptions, compute_features, plan_features
from weft.data.features.aggregates import BUILT_IN
from weft.data.features.recipe import Recipe

PAIRS = [(10 + e, c * DAY, (c + 7) * DAY) for e in range(8) for c in (-1, 33, 60, 99)]


@pytest.mark.parametrize("seed", range(2))
def test_features_equal_plain_loops_over_rows(seed, tmp_path):
    rows = random_rows(seed)
    oracle = Oracle(rows)
    options = FeatureOptions(max_features=10_000)
    with rows.write(tmp_path) as tables:
        features = [f for f in plan_features(tables, QUERY, options=options) if _recipe(f).family == "rows"]
        table = compute_features(tables, seeds_of(PAIRS), features, query=QUERY)
    assert len(features) > 400
    for feature in features:
        found = table[feature.name].to_pylist()
        wanted = [oracle.compute(_recipe(feature), *pair) for pair in PAIRS]
        for pair, one, other in zip(PAIRS, found, wanted, strict=True):
            assert _same(one, other, feature.kind), (feature.name, pair, one, other)


def test_every_aggregate_and_every_kind_of_path_is_planned(tmp_path):
    rows = random_rows(0)
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, options=FeatureOptions(max_features=10_000))
    assert set(BUILT_IN) - {_recipe(f).aggregate for f in features} == set()
    walked = {(tuple((m.down, m.up) for m in r.moves), r.downs, r.source.ups) for r in map(_recipe, features)}
    readings = {(r.source.column, r.source.reading) for r in map(_recipe, features) if r.source.reading}
    in_texts = {("about", "characters"), ("about", "words"), ("note", "characters"), ("note", "words")}
    in_lists = {(c, r) for c in ("likes", "tags", "uses") for r in ("items", "has")}
    assert readings == in_texts | in_lists | {("looks", "component")}
    orders, referred = "orders.customer_id -> customers", "customers.referrer_id -> customers"
    product = "orders.product_id -> products"
    assert ((), (orders,), (product, "products.brand_id -> brands")) in walked, "attributes of the other side"
    assert ((), (orders,), ("orders.[product_id, shop] -> shelves",)) in walked, "a composite link"
    assert ((), (orders, "refunds.order_id -> orders"), ()) in walked, "grandchildren"
    assert ((), (referred,), ()) in walked, "a self-link, downwards"
    assert (((None, referred),), (orders,), ()) in walked, "children of a parent"
    assert (((orders, product),), (product,), ()) in walked, "children of the latest parent"


def _recipe(feature) -> Recipe:
    return from_json(Recipe, feature.recipe)


def _same(one, other, kind) -> bool:
    if kind is FeatureKind.CATEGORICAL or one is None or other is None:
        return one == other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
