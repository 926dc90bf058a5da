"""Rows whose parent was dropped for its null time reach no feature, no label and no batch."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from weft.core import Resources, to_micros
from weft.data import Tables, build_labels, connect, prepare_tables, profile_snapshot, take_snapshot
from weft.data.features import compute_features, plan_features
from weft.graph import SampleOptions, Sampler, Store, materialize
from weft.pql import compile_query

RESOURCES = Resources(1_000_000_000, 2)
DAY0 = dt.datetime(2020, 1, 1)
UNDATED = 30
TEXT = """PREDICT SUM(lines.qty, 0, 30, days) FOR EACH products.product_id
WHERE COUNT(lines.*, -INF, 0, days) > 0"""


def shop(*, is_clean):
    """Orders of which some have no time, their lines, and what was packed of these."""
    orders = range(UNDATED if is_clean else 0, 400)
    lines = [i for i in range(1200) if not is_clean or (i % 400 >= UNDATED and i % 60)]
    return {
        "products": pa.table({"product_id": pa.array(range(10)), "price": [float(i) for i in range(10)]}),
        "orders": pa.table(
            {
                "order_id": pa.array(orders),
                "at": pa.array(
                    [None if i < UNDATED else DAY0 + dt.timedelta(days=i) for i in orders],
                    pa.timestamp("us"),
                ),
            }
        ),
        "lines": pa.table(
            {
                "line_id": lines,
                "order_id": pa.array([None if i % 60 == 0 else i % 400 for i in lines], pa.int64()),
                "product_id": [i % 10 for i in lines],
                "qty": [float(1 + i % 7) for i in lines],
            }
        ),
        "parcels": pa.table({"parcel_id": lines, "line_id": lines, "grams": [float(i) for i in lines]}),
    }


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """The shop as it is, and without all that hangs on what has no time."""
    opened = []
    for is_clean in (False, True):
        folder = tmp_path_factory.mktemp("clean" if is_clean else "given")
        info = take_snapshot(connect(shop(is_clean=is_clean)), folder / "snapshot", resources=RESOURCES)
        paths = info.paths(folder / "snapshot")
        schema = profile_snapshot(paths, declared=info.declared, resources=RESOURCES).schema
        made = prepare_tables(paths, schema, folder / "prepared", resources=RESOURCES)
        tables = Tables(made.schema, made.paths(folder / "prepared"), RESOURCES, folder / "scratch")
        materialize(tables, folder / "graph", resources=RESOURCES)
        opened.append((tables, Store(folder / "graph")))
    yield opened
    for tables, _ in opened:
        tables.close()


def test_both_have_the_same_links_and_lines_take_their_time_from_orders(databases):
    names = [sorted(k.name for k in tables.schema.links) for tables, _ in databases]
    assert (
        names[0]
        == names[1]
        == [
            "lines.order_id -> orders",
            "lines.product_id -> products",
            "parcels.line_id -> lines",
        ]
    )
    assert [t.time_column for t in databases[0][0].schema.tables if t.time_column] == ["at"]


def test_features_and_labels_are_those_of_the_tables_without_them(databases):
    given, clean = (tables for tables, _ in databases)
    query = compile_query(TEXT, given.schema)
    labels = [build_labels(tables, query).table for tables in (given, clean)]
    assert labels[0].equals(labels[1]) and labels[0].num_rows > 50
    anchors = [DAY0 - dt.timedelta(days=3650), DAY0 + dt.timedelta(days=100), DAY0 + dt.timedelta(days=300)]
    moments = pa.array([a for a in anchors for _ in range(10)], pa.timestamp("us"))
    seeds = pa.table({"entity": list(range(10)) * 3, "anchor_time": moments, "cutoff": moments})
    features = plan_features(given, query)
    paths = {name for f in features for name in f.name.split() if "parcels" in name or "lines" in name}
    assert paths
    found = [compute_features(tables, seeds, features, query=query) for tables in (given, clean)]
    differing = [n for n in found[0].column_names if not found[0][n].equals(found[1][n])]
    assert differing == []


def test_no_batch_reaches_them(databases):
    _, store = databases[0]
    options = SampleOptions((2000, 2000))
    early = to_micros(DAY0 - dt.timedelta(days=3650))
    batch = Sampler(store, options).sample("products", list(range(10)), [early] * 10)
    assert sorted(batch.tables) == ["products"]
    late = to_micros(DAY0 + dt.timedelta(days=10_000))
    batch = Sampler(store, options).sample("products", list(range(10)), [late] * 10)
    expected = shop(is_clean=True)
    for name in ("lines", "parcels"):
        keys = store.keys(name, np.unique(batch.tables[name].rows))
        assert sorted(keys) == sorted(expected[name][f"{name[:-1]}_id"].to_pylist())
