"""The generated shop: the same bytes for a seed, and a truth that the tables agree with."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from weft.core import UserError
from weft.data.shop import QUERIES, generate_shop
from weft.data.shop.truth import mean_average_precision, rank_auroc

DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    info = generate_shop(folder, num_users=1200, months=14, seed=3)
    tables = {path.stem: pq.read_table(path) for path in folder.glob("*.parquet")}
    with pa.OSFile(str(folder / ".truth.arrow")) as file:
        truth = pa.ipc.open_file(file).read_all()
    return folder, info, tables, truth


def outcomes(tables, truth):
    """Labels of the truth's rows by plain loops over the orders."""
    orders = {}
    columns = ("user_id", "ordered_at", "total_amount")
    rows = zip(
        *(
            tables["orders"][c]
            .cast("int64" if c == "ordered_at" else tables["orders"].schema.field(c).type)
            .to_pylist()
            for c in columns
        ),
        strict=True,
    )
    for user, time, amount in rows:
        orders.setdefault(user, []).append((time, amount))
    counts, sums = [], []
    for user, anchor in zip(
        truth["user_id"].to_pylist(), truth["anchor_time"].cast("int64").to_pylist(), strict=True
    ):
        inside = [a for t, a in orders.get(user, []) if anchor < t <= anchor + 30 * DAY_US]
        counts.append(len(inside))
        sums.append(sum(inside))
    return np.array(counts), np.array(sums)


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path):
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate_shop(tmp_path / name, num_users=60, months=6, seed=seed)
        files = sorted((tmp_path / name).iterdir())
        digests.append([(f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files])
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_only_parquet_tables_are_in_sight(shop):
    folder, info, tables, _ = shop
    assert set(tables) == set(info.rows)
    assert {p.name for p in folder.iterdir() if p.suffix != ".parquet"} == {".truth.json", ".truth.arrow"}


def test_the_last_order_falls_on_the_last_midnight_so_anchors_do_too(shop):
    _, info, tables, _ = shop
    newest = pc.max(tables["orders"]["ordered_at"]).cast("int64").as_py()
    assert newest % DAY_US == 0
    anchors = np.array(info.anchors, dtype="datetime64[us]").astype(np.int64)
    assert (anchors == newest - 30 * DAY_US * np.arange(1, len(anchors) + 1)).all()
    assert pc.max(tables["order_items"]["created_at"]).cast("int64").as_py() == newest


def test_churn_probabilities_are_calibrated(shop):
    _, _, tables, truth = shop
    counts, _ = outcomes(tables, truth)
    probability = truth["churn_probability"].to_numpy()
    order = np.argsort(probability)
    for part in np.array_split(order, 6):
        expected, observed = probability[part].mean(), (counts[part] == 0).mean()
        assert abs(expected - observed) < 3.5 * np.sqrt(0.25 / len(part))


def test_spend_expectations_hold_on_average(shop):
    _, _, tables, truth = shop
    _, sums = outcomes(tables, truth)
    mean = truth["spend_mean"].to_numpy()
    assert abs(mean.mean() - sums.mean()) < 4 * sums.std() / np.sqrt(len(sums))
    assert np.abs(sums - truth["spend_median"].to_numpy()).mean() < np.abs(sums - mean).mean()


def test_best_scores_are_those_of_the_truth_at_the_newest_anchor(shop):
    folder, info, tables, truth = shop
    newest = truth.filter(pc.equal(truth["anchor_time"], pc.max(truth["anchor_time"])))
    counts, sums = outcomes(tables, newest)
    auroc = rank_auroc((counts == 0).astype(int), newest["churn_probability"].to_numpy())
    assert info.best_scores["churn"]["auroc"] == pytest.approx(auroc)
    assert 0.75 < auroc < 0.9
    mae = np.abs(sums - newest["spend_median"].to_numpy()).mean()
    assert info.best_scores["spend"]["mae"] == pytest.approx(mae)
    assert 0.2 < info.best_scores["products"]["map@10"] < 0.6
    assert json.loads((folder / ".truth.json").read_text())["best_scores"] == info.best_scores


def test_the_planted_cause_is_in_the_tables_and_raises_churn(shop):
    _, _, tables, truth = shop
    late = dict(zip(*(tables["deliveries"][c].to_pylist() for c in ("order_id", "days_late")), strict=True))
    complaints = {}
    for user, order, rating, time in zip(
        *(tables["reviews"][c].to_pylist() for c in ("user_id", "order_id", "rating")),
        tables["reviews"]["reviewed_at"].cast("int64").to_pylist(),
        strict=True,
    ):
        if rating <= 2 and late[order] > 0:
            complaints.setdefault(user, []).append(time)
    seen = np.array(
        [
            any(a - 120 * DAY_US < t <= a for t in complaints.get(u, []))
            for u, a in zip(
                truth["user_id"].to_pylist(), truth["anchor_time"].cast("int64").to_pylist(), strict=True
            )
        ]
    )
    assert (seen == truth["has_grudge"].to_numpy(zero_copy_only=False)).all()
    counts, _ = outcomes(tables, truth)
    assert (counts[seen] == 0).mean() > (counts[~seen] == 0).mean() + 0.15


def test_leaks_hold_the_future(shop):
    _, info, tables, _ = shop
    totals = tables["orders"].group_by("user_id").aggregate([("order_id", "count")])
    expected = dict(zip(totals["user_id"].to_pylist(), totals["order_id_count"].to_pylist(), strict=True))
    users = tables["users"]
    held = dict(zip(users["user_id"].to_pylist(), users["lifetime_orders"].to_pylist(), strict=True))
    assert all(expected.get(user, 0) == count for user, count in held.items())
    assert set(info.leaks) == {"users.lifetime_orders", "products.average_rating"}


def test_nothing_happens_before_what_it_follows(shop):
    _, _, tables, _ = shop
    ordered = dict(
        zip(
            tables["orders"]["order_id"].to_pylist(),
            tables["orders"]["ordered_at"].cast("int64").to_pylist(),
            strict=True,
        )
    )
    delivered = {}
    for order, time in zip(
        tables["deliveries"]["order_id"].to_pylist(),
        tables["deliveries"]["delivered_at"].cast("int64").to_pylist(),
        strict=True,
    ):
        assert time > ordered[order]
        delivered[order] = time
    for order, time in zip(
        tables["reviews"]["order_id"].to_pylist(),
        tables["reviews"]["reviewed_at"].cast("int64").to_pylist(),
        strict=True,
    ):
        assert time > delivered[order]
    launched = dict(
        zip(
            tables["products"]["product_id"].to_pylist(),
            tables["products"]["launched_at"].cast("int64").to_pylist(),
            strict=True,
        )
    )
    for product, time in zip(
        tables["order_items"]["product_id"].to_pylist(),
        tables["order_items"]["created_at"].cast("int64").to_pylist(),
        strict=True,
    ):
        assert launched.get(product, 0) <= time


def test_the_tables_have_the_dirt_of_real_ones(shop):
    _, _, tables, _ = shop
    items, keys = tables["order_items"], set(tables["products"]["product_id"].to_pylist())
    dangling = sum(product not in keys for product in items["product_id"].to_pylist())
    assert 0 < dangling < 0.01 * items.num_rows
    assert tables["visits"]["user_id"].null_count > 0
    assert tables["users"]["birth_year"].null_count > 0
    pairs = set(zip(items["order_id"].to_pylist(), items["line_no"].to_pylist(), strict=True))
    assert len(pairs) == items.num_rows


def test_the_three_questions_are_the_three_kinds_of_task():
    assert set(QUERIES) == {"churn", "spend", "products"}


@pytest.mark.parametrize(("users", "months"), [(19, 12), (100, 5)])
def test_too_small_a_shop_is_refused(tmp_path, users, months):
    with pytest.raises(UserError, match="DATA100"):
        generate_shop(tmp_path, num_users=users, months=months)


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="DATA101"):
        generate_shop(tmp_path / "file", num_users=50, months=6)
    with pytest.raises(UserError, match="DATA101"):
        generate_shop(tmp_path / "file" / "below", num_users=50, months=6)


def test_auroc_counts_ties_half_and_wants_two_classes():
    assert rank_auroc(np.array([0, 1, 0, 1]), np.array([0.1, 0.1, 0.1, 0.1])) == 0.5
    assert rank_auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
    assert np.isnan(rank_auroc(np.array([1, 1]), np.array([0.1, 0.2])))


def test_mean_average_precision_leaves_out_who_bought_nothing():
    best = np.arange(10)[None, :].repeat(2, axis=0)
    assert mean_average_precision(best, [{0, 2}, set()]) == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(mean_average_precision(best, [set(), set()]))
