"""Links: key types are reconciled, chance containment is no link."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import Dtype
from weft.data.profile import profile_snapshot

INTS = [10 * i + 3 for i in range(1, 201)]


def link_of(profile, parent, child):
    tables = {
        "users": {"user_id": parent, "age": np.arange(len(parent)) % 50},
        "orders": {"order_id": np.arange(len(child)) + 1, "user_id": child},
    }
    found = profile(tables)
    return found.schema, [s for t in found.statistics for s in t.links]


@pytest.mark.parametrize(
    ("parent", "child", "dtype"),
    [
        (INTS, [float(v) for v in INTS] * 3, Dtype.INT),
        (INTS, [str(v) for v in INTS] * 3, Dtype.INT),
        ([str(v) for v in INTS], INTS * 3, Dtype.INT),
        ([float(v) for v in INTS], [str(v) for v in INTS] * 3, Dtype.INT),
        ([f"{v:08d}" for v in INTS], INTS * 3, Dtype.INT),
        ([f"{v:08d}" for v in INTS], [str(v) for v in INTS] * 3, Dtype.INT),
        ([f"{v:08d}" for v in INTS], [f"{v:08d}" for v in INTS] * 3, Dtype.STRING),
        ([f"k{v}" for v in INTS], [f"k{v}" for v in INTS] * 3, Dtype.STRING),
    ],
)
def test_key_types_are_reconciled(profile, parent, child, dtype):
    schema, (link,) = link_of(profile, parent, child)
    assert link.match_rate == 1.0
    assert schema.table("users").column("user_id").dtype is dtype
    assert schema.table("orders").column("user_id").dtype is dtype


def test_names_that_agree_do_not_make_a_link_of_values_that_do_not(profile):
    _, links = link_of(profile, [f"k{v}" for v in INTS], INTS * 3)
    assert links == []
    _, links = link_of(profile, INTS, [v + 100_000 for v in INTS] * 3)
    assert links == []


def test_a_link_through_whole_fractions_with_nulls(profile):
    child = pa.array([float(v) for v in INTS] * 2 + [0.0] * 50, mask=np.arange(450) >= 400)
    schema, (link,) = link_of(profile, INTS, child)
    assert (link.null_rows, link.match_rate) == (50, 1.0)
    assert schema.table("orders").column("user_id").dtype is Dtype.INT


def test_a_table_of_the_same_entity_links_to_the_one_it_is_named_after(profile):
    tables = {
        "customers": {"customer_id": INTS, "city": ["x"] * 200},
        "customer_addresses": {"customer_id": INTS[:150], "street": [f"s {i}" for i in range(150)]},
        "orders": {"order_id": range(600), "customer_id": INTS * 3},
    }
    links = {link.name for link in profile(tables).schema.links}
    assert links == {
        "customer_addresses.customer_id -> customers",
        "orders.customer_id -> customers",
    }


def test_sparse_numbers_link_without_a_name_and_dense_ones_do_not(profile):
    r = np.random.default_rng(0)
    sparse = np.sort(np.unique(r.integers(1, 10**9, 500)))
    dense = np.arange(1, 501)
    tables = {
        "stations": {"id": sparse, "height": r.integers(0, 500, len(sparse))},
        "kinds": {"id": dense, "weight": r.random(500)},
        "trips": {"id": range(3000), "begun_from": r.choice(sparse, 3000), "load": r.choice(dense, 3000)},
    }
    assert {link.name for link in profile(tables).schema.links} == {"trips.begun_from -> stations"}


NAMES = ["quantity", "amount", "rank", "points", "size", "minutes", "stars", "visits", "level", "grid"]


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_numbers_without_telling_names_never_link(tmp_path_factory, seed):
    import pyarrow.parquet as pq
    from profile_columns import RESOURCES

    r = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("chance")
    paths = {}
    for table in ("alpha", "beta", "gamma"):
        rows = int(r.integers(30, 800))
        columns = {"id": np.arange(1, rows + 1)}
        for name in r.choice(NAMES, 4, replace=False):
            columns[str(name)] = r.integers(0, int(r.integers(2, rows + 2)), rows)
        paths[table] = folder / f"{table}.parquet"
        pq.write_table(pa.table(columns), paths[table])
    schema = profile_snapshot(paths, resources=RESOURCES).schema
    assert schema.links == ()
    assert all(t.primary_key == ("id",) for t in schema.tables)
