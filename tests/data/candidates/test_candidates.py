"""Candidates agree with plain loops over the events and never see a later one."""

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import Column, Dtype, Link, Resources, Schema, Stype, Table, UserError
from weft.data.candidates import CandidateOptions, build_candidates
from weft.data.tables import Tables
from weft.pql import compile_query

DAY = dt.timedelta(days=1)
START = dt.datetime(2024, 1, 1)
USERS = Link("orders", ("user_id",), "users", ("id",))
ITEMS = Link("orders", ("item_id",), "items", ("code",))
SCHEMA = Schema(
    (
        Table(
            "users",
            (Column("id", Dtype.INT, Stype.ID), Column("country", Dtype.STRING, Stype.CATEGORICAL)),
            ("id",),
        ),
        Table(
            "items",
            (
                Column("code", Dtype.STRING, Stype.ID),
                Column("color", Dtype.STRING, Stype.CATEGORICAL),
                Column("price", Dtype.FLOAT, Stype.NUMERICAL),
            ),
            ("code",),
        ),
        Table(
            "orders",
            (
                Column("user_id", Dtype.INT, Stype.ID),
                Column("item_id", Dtype.STRING, Stype.ID),
                Column("paid", Dtype.BOOL, Stype.CATEGORICAL),
                Column("at", Dtype.TIMESTAMP, Stype.TIMESTAMP),
            ),
            (),
            "at",
        ),
    ),
    (USERS, ITEMS),
)
QUERY = "PREDICT LIST_DISTINCT(orders.item_id, 0, 10, days) RANK TOP 3 FOR EACH users.id"
PAID = (
    "PREDICT LIST_DISTINCT(orders.item_id WHERE orders.paid = TRUE, 0, 10, days) RANK TOP 3 FOR EACH users.id"
)


def random_orders(seed, num=300):
    rng = np.random.default_rng(seed)
    users = rng.integers(0, 12, num)
    items = [f"i{k}" for k in np.minimum(rng.geometric(0.2, num), 18)]
    days = rng.integers(0, 100, num)
    paid = rng.random(num) < 0.7
    return [
        (int(u), i, bool(p), START + int(d) * DAY)
        for u, i, p, d in zip(users, items, paid, days, strict=True)
    ]


def open_tables(folder, orders):
    users = {"id": list(range(12)), "country": [("de", "fr", "it")[k % 3] for k in range(12)]}
    items = {"code": [f"i{k}" for k in range(18)], "color": [("red", "blue")[k % 2] for k in range(18)]}
    items["price"] = [float(k) for k in range(18)]
    held = {
        "users": (pa.table(users), [None] * 12),
        "items": (pa.table(items), [None] * 18),
        "orders": (
            pa.table(
                {
                    "user_id": pa.array([o[0] for o in orders], pa.int64()),
                    "item_id": pa.array([o[1] for o in orders], pa.string()),
                    "paid": pa.array([o[2] for o in orders], pa.bool_()),
                    "at": pa.array([o[3] for o in orders], pa.timestamp("us")),
                }
            ),
            [o[3] for o in orders],
        ),
    }
    paths = {}
    for name, (table, times) in held.items():
        table = table.append_column("__row", pa.array(range(table.num_rows), pa.int64()))
        table = table.append_column("__time", pa.array(times, pa.timestamp("us")))
        paths[name] = folder / f"{name}.parquet"
        pq.write_table(table, paths[name])
    return Tables(SCHEMA, paths, Resources(10**9, 1), folder / "scratch")


def make_seeds(days=(40, 70)):
    pairs = [(u, START + d * DAY) for d in days for u in range(12)]
    times = pa.array([t for _, t in pairs], pa.timestamp("us"))
    return pa.table({"entity": pa.array([u for u, _ in pairs]), "anchor_time": times, "cutoff": times})


def build(folder, orders, query=QUERY, **options):
    folder.mkdir(exist_ok=True)
    with open_tables(folder, orders) as tables:
        return build_candidates(tables, compile_query(query, SCHEMA), make_seeds(), **options)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("query", [QUERY, PAID])
def test_counts_and_ages_agree_with_loops_over_the_events(tmp_path, seed, query):
    orders = random_orders(seed)
    found = build(tmp_path, orders, query).table.to_pylist()
    seeds = make_seeds().to_pylist()
    events = [o for o in orders if o[1] != "i18" and (query == QUERY or o[2])]
    assert found
    for row in found:
        seed_row = seeds[row["seed"]]
        cutoff = seed_row["cutoff"]
        seen = [o for o in events if o[3] <= cutoff]
        of_item = [o for o in seen if o[1] == row["item"]]
        own = [o for o in of_item if o[0] == seed_row["entity"]]
        assert row["pop_all"] == len(of_item)
        assert row["pop_1"] == sum(o[3] > cutoff - 10 * DAY for o in of_item)
        assert row["buyers"] == len({o[0] for o in of_item})
        assert row["own_all"] == len(own)
        assert row["own_last_s"] == (min((cutoff - o[3]).total_seconds() for o in own) if own else None)
        assert row["activity_all"] == sum(o[0] == seed_row["entity"] for o in seen)


def test_cooccurrence_agrees_with_loops_over_pairs(tmp_path):
    orders = random_orders(7)
    found = build(tmp_path, orders).table.to_pylist()
    seeds = make_seeds().to_pylist()
    events = [o for o in orders if o[1] != "i18"]
    checked = 0
    for row in found:
        cutoff, entity = seeds[row["seed"]]["cutoff"], seeds[row["seed"]]["entity"]
        sets = {u: {o[1] for o in events if o[0] == u and o[3] <= cutoff} for u in range(12)}
        size = {f"i{k}": sum(f"i{k}" in s for s in sets.values()) for k in range(18)}
        expected = 0.0
        for item in sets[entity] - {row["item"]}:
            both = sum({item, row["item"]} <= s for s in sets.values())
            expected += both / math.sqrt(size[item] * size[row["item"]]) if both else 0.0
        assert row["cooccurrence"] == pytest.approx(expected)
        checked += expected > 0
    assert checked > 50


def test_no_later_event_changes_a_candidate(tmp_path):
    orders = [o for o in random_orders(3) if o[3] <= START + 70 * DAY]
    later = [(u, f"i{u}", True, START + 71 * DAY) for u in range(12)]
    before = build(tmp_path / "a", orders)
    after = build(tmp_path / "b", orders + later)
    assert before.table.equals(after.table)


def test_labels_mark_the_chosen_items(tmp_path):
    truth = pa.array([["i1", "i2"]] + [[]] * 22 + [["i3"]], pa.list_(pa.string()))
    found = build(tmp_path, random_orders(1), truth=truth).table.to_pylist()
    marked = {(r["seed"], r["item"]) for r in found if r["label"]}
    assert marked <= {(0, "i1"), (0, "i2"), (23, "i3")}
    assert marked


def test_every_feature_is_described_and_present(tmp_path):
    made = build(tmp_path, random_orders(1))
    names = [f.name for f in made.features]
    assert names[:3] == ["score.popularity", "score.repeat", "score.cooccurrence"]
    assert made.table.column_names == ["seed", "item", *names]
    assert all(f.words for f in made.features)
    assert len(set(names)) == len(names)


def test_affinity_is_the_weighted_share_of_the_past(tmp_path):
    made = build(tmp_path, random_orders(2))
    name = next(f.name for f in made.features if f.aggregate == "affinity")
    rows = made.table.to_pylist()
    assert all(0 <= r[name] <= 1 for r in rows)
    assert any(r[name] > 0 for r in rows)


def test_an_excluded_column_is_not_used(tmp_path):
    made = build(tmp_path, random_orders(1), excluded=frozenset({("items", "color")}))
    assert not [f for f in made.features if "color" in f.columns]


def test_without_any_event_before_an_anchor_it_is_said(tmp_path):
    late = [(1, "i1", True, START + 99 * DAY)]
    with pytest.raises(UserError, match="DATA122"):
        build(tmp_path, late)


def test_numbers_of_candidates_must_make_sense():
    with pytest.raises(UserError, match="DATA121"):
        CandidateOptions(num_popular=0, num_repeat=0, num_cooccurring=0)


def test_a_target_that_is_no_list_is_a_bug(tmp_path):
    with open_tables(tmp_path, random_orders(0)) as tables, pytest.raises(Exception, match="DATA120"):
        query = compile_query("PREDICT COUNT(orders.*, 0, 10, days) > 0 FOR EACH users.id", SCHEMA)
        build_candidates(tables, query, make_seeds())
