"""What is read of texts, lists of categories and vectors; vocabularies are of the train period alone."""

import pyarrow as pa
from feature_shop import DAY, QUERY, SCHEMA, labels_of, random_rows, seeds_of

from weft.core import from_json
from weft.data.features import FeatureOptions, compute_features, plan_features
from weft.data.features.recipe import Recipe

OPTIONS = FeatureOptions(max_features=10_000)
ANCHORS = [c * DAY for c in (30, 40, 50, 60)]


def test_words_and_items_of_val_rows_are_not_in_the_vocabulary(tmp_path):
    rows = random_rows(2, num_orders=80)
    for order in rows.rows["orders"]:
        order["tags"] = "early" if order["at"] <= 50 * DAY else "late"
    for product in rows.rows["products"]:
        product["listed"], product["looks"] = 70 * DAY, [1.0, 2.0, 3.0]
    labels = labels_of(rows, ANCHORS, split=lambda anchor: "train" if anchor <= 50 * DAY else "val")
    with rows.write(tmp_path) as tables:
        whole = plan_features(tables, QUERY, options=OPTIONS)
        features = plan_features(tables, QUERY, labels=labels, options=OPTIONS)
    assert _parts(whole, "tags") == {"early", "late", None} and _parts(whole, "looks") == {"0", "1", "2"}
    assert _parts(features, "tags") <= {"early", None} and _parts(features, "looks") == set()


def test_a_telling_text_is_chosen_and_an_idle_one_is_not_kept_as_context(tmp_path):
    rows = random_rows(7, num_orders=100)
    for customer in rows.rows["customers"]:
        customer["about"], customer["city"] = "word " * (1 + customer["id"] % 2), None
        customer["likes"] = ["[]", '["x"]', '["x", "y"]'][(customer["id"] - 10) // 2]
    labels = labels_of(rows, ANCHORS)
    odd = [entity % 2 == 1 for entity in labels["entity"].to_pylist()]
    labels = labels.set_column(3, "label", [odd])
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, labels=labels, options=_few(25))
    assert features[0].columns == ("customers.about",)
    assert not [f for f in features if f.name.startswith("likes")]


def _few(number):
    return FeatureOptions(max_features=number, num_compared=0)


def test_the_number_of_items_and_components_is_bounded(tmp_path):
    rows = random_rows(2)
    for number, order in enumerate(rows.rows["orders"]):
        order["tags"] = ";".join(f"t{i}" for i in range(number % 20))
    for product in rows.rows["products"]:
        product["looks"] = [0.5] * 40
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, options=FeatureOptions(max_features=10_000, top_values=3))
    assert _parts(features, "tags") == {"t0", "t1", "t2", None}
    assert len(_parts(features, "looks")) == 8


def test_excluded_texts_lists_and_vectors_are_not_read(tmp_path):
    columns = {"about", "likes", "note", "tags", "uses", "looks"}
    excluded = frozenset((t.name, c) for t in SCHEMA.tables for c in columns if c in t)
    with random_rows(0).write(tmp_path) as tables:
        features = plan_features(tables, QUERY, excluded=excluded, options=OPTIONS)
    assert len(excluded) == 6 and not [
        f for f in features if columns & {c.partition(".")[2] for c in f.columns}
    ]


def test_readings_are_named_in_words(tmp_path):
    with random_rows(0).write(tmp_path) as tables:
        words = {f.name: f.words for f in plan_features(tables, QUERY, options=OPTIONS)}
    assert words["about_words.value"] == "the number of words of customers.about of the customer"
    assert words["orders_customer_id.note_characters.mean"] == (
        "mean of the number of characters of orders.note over the orders of the customer"
    )
    assert words["likes_has_x.value"] == "whether customers.likes holds 'x' of the customer"
    assert words["orders_customer_id.orders_product_id.looks_component_1.last"] == (
        "component 1 of products.looks of the last of the orders of the customer"
    )


def test_a_list_that_is_empty_differs_from_one_that_is_missing(tmp_path):
    rows = random_rows(0)
    for customer, likes in zip(rows.rows["customers"], ['["x"]', "[]", "", None, "[x", "7"], strict=True):
        customer["likes"] = likes
    with rows.write(tmp_path) as tables:
        features = [f for f in plan_features(tables, QUERY, options=OPTIONS) if f.name == "likes_items.value"]
        found = compute_features(
            tables, seeds_of([(10 + e, 90 * DAY) for e in range(6)]), features, query=QUERY
        )
    assert found.column(0).to_pylist() == [1.0, 0.0, 0.0, None, None, 0.0]
    assert found.column(0).type == pa.float64()


def _parts(features, column):
    recipes = [from_json(Recipe, f.recipe) for f in features]
    return {r.source.part for r in recipes if r.source.column == column}
