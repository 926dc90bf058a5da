"""Features with rows left out equal features of a database that lacks them."""

import math

import pyarrow as pa
from feature_shop import DAY, QUERY, random_rows, seeds_of

from weft.core import ROW, from_json
from weft.data.features import FeatureOptions, compute_features, plan_features
from weft.data.features.recipe import Recipe


def test_leaving_a_row_out_equals_deleting_it(tmp_path):
    rows = random_rows(1, num_orders=60)
    left_out = [("orders", 3), ("refunds", 5), ("products", 1), ("brands", 2), ("shelves", 4)]
    people = [10, 12, 13]
    pairs = [(p, 80 * DAY) for _ in left_out for p in people]
    without = pa.table(
        {
            "seed": pa.array(range(len(pairs)), pa.int64()),
            "table": [t for t, _ in left_out for _ in people],
            "row": pa.array([n for _, n in left_out for _ in people], pa.int64()),
        }
    )
    with rows.write(tmp_path / "all") as tables:
        features = [f for f in plan_features(tables, QUERY, options=_options()) if _is_own(f)]
        seeds = seeds_of([*pairs, *[(p, 80 * DAY) for p in people]])
        found = compute_features(tables, seeds, features, query=QUERY, without=without)
        plain = compute_features(tables, seeds_of(pairs), features, query=QUERY)
    for i, (table, number) in enumerate(left_out):
        with rows.without_row(table, number).write(tmp_path / str(i)) as lacking:
            wanted = compute_features(
                lacking, seeds_of([(p, 80 * DAY) for p in people]), features, query=QUERY
            )
        at = slice(i * len(people), (i + 1) * len(people))
        for feature in features:
            have, want = found[feature.name].to_pylist()[at], wanted[feature.name].to_pylist()
            assert all(map(_same, have, want)), (table, number, feature.name, have, want)
    assert found.slice(0, len(pairs)) != plain
    tail = found.slice(len(pairs))
    assert tail.equals(plain.slice(0, len(people))), "seeds that leave nothing out are as without the option"


def test_several_rows_are_left_out_of_one_seed(tmp_path):
    rows = random_rows(1, num_orders=60)
    own = [o for o in rows.rows["orders"] if o["customer_id"] == 11 and o["at"] <= 90 * DAY]
    without = pa.table({"seed": [0, 0], "table": ["orders"] * 2, "row": [own[0][ROW], own[1][ROW]]})
    with rows.write(tmp_path) as tables:
        count = [f for f in plan_features(tables, QUERY) if f.name == "orders_customer_id.count"]
        seeds = seeds_of([(11, 90 * DAY)] * 2)
        found = compute_features(tables, seeds, count, query=QUERY, without=without).column(0).to_pylist()
    assert found[0] == found[1] - 2


def _options():
    return FeatureOptions(max_features=10_000)


def _is_own(feature) -> bool:
    """Comparisons with everybody and with siblings still see the rows."""
    recipe = from_json(Recipe, feature.recipe)
    return recipe.family in ("rows", "target") and recipe.source.among is None


def _same(one, other) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other
