"""The three questions about the generated shop, asked of the data engine."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from weft.core import Resources, Severity
from weft.data import Tables, build_labels, connect, prepare_tables, profile_snapshot, take_snapshot
from weft.data.audit import audit_tables
from weft.data.shop import QUERIES, generate_shop
from weft.data.shop.truth import rank_auroc
from weft.pql import compile_query

LINKS = {
    "categories.parent_category_id -> categories",
    "deliveries.order_id -> orders",
    "order_items.order_id -> orders",
    "order_items.product_id -> products",
    "orders.user_id -> users",
    "products.category_id -> categories",
    "reviews.order_id -> orders",
    "reviews.product_id -> products",
    "reviews.user_id -> users",
    "users.interest_category_id -> categories",
    "visits.product_id -> products",
    "visits.user_id -> users",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    info = generate_shop(folder / "shop", num_users=300, months=12, seed=5)
    resources = Resources(10**9, 2)
    snapshot = take_snapshot(connect(folder / "shop"), folder / "snapshot", resources=resources)
    paths = snapshot.paths(folder / "snapshot")
    profile = profile_snapshot(paths, declared=snapshot.declared, resources=resources)
    schema = profile.schema
    prepare_tables(paths, schema, folder / "prepared", resources=resources)
    prepared = {t.name: folder / "prepared" / f"{t.name}.parquet" for t in schema.tables}
    with pa.OSFile(str(folder / "shop" / ".truth.arrow")) as file:
        truth = pa.ipc.open_file(file).read_all()
    with Tables(schema, prepared, resources, folder / "scratch") as tables:
        labels = {name: build_labels(tables, compile_query(q, schema)).table for name, q in QUERIES.items()}
        churn = compile_query(QUERIES["churn"], schema)
        findings = audit_tables(tables, profile.statistics, churn, labels["churn"])
    return info, schema, truth, labels, findings


def test_the_links_are_those_that_were_planted(shop):
    assert {link.name for link in shop[1].links} == LINKS


def test_the_audit_raises_alarms_for_planted_leaks_and_no_other(shop):
    info, _, _, _, findings = shop
    alarms = {finding.subject for finding in findings if finding.severity is Severity.ALARM}
    assert "users.lifetime_orders" in alarms
    assert alarms <= set(info.leaks)


def test_the_test_anchor_of_every_question_is_one_whose_truth_is_known(shop):
    info, _, _, labels, _ = shop
    for table in labels.values():
        test = table.filter(pc.equal(table["split"], "test"))
        assert {t.date().isoformat() for t in test["anchor_time"].to_pylist()} == {info.anchors[0]}


def test_the_labels_of_test_are_those_that_the_best_scores_are_of(shop):
    info, _, truth, labels, _ = shop
    keys = zip(truth["anchor_time"].to_pylist(), truth["user_id"].to_pylist(), strict=True)
    position = {key: row for row, key in enumerate(keys)}
    scores = {}
    for name in ("churn", "spend"):
        test = labels[name].filter(pc.equal(labels[name]["split"], "test"))
        pairs = zip(test["anchor_time"].to_pylist(), test["entity"].to_pylist(), strict=True)
        known = truth.take([position[pair] for pair in pairs])
        label = np.array(test["label"].to_pylist(), dtype=float)
        if name == "churn":
            scores[name] = rank_auroc(label.astype(int), known["churn_probability"].to_numpy())
        else:
            scores[name] = float(np.abs(label - known["spend_median"].to_numpy()).mean())
    assert scores["churn"] == pytest.approx(info.best_scores["churn"]["auroc"])
    assert scores["spend"] == pytest.approx(info.best_scores["spend"]["mae"])
