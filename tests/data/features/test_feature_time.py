"""No row later than the cutoff is reachable: rows are added, altered and deleted, and nothing changes."""

import random
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from feature_shop import DAY, QUERY, labels_of, random_rows, seeds_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from weft.core import ROW
from weft.data.features import FeatureOptions, compute_features, plan_features

ANCHORS = [c * DAY for c in (30, 40, 50, 60)]
OPTIONS = FeatureOptions(max_features=10_000, past_labels=True)


@dataclass(frozen=True)
class Planned:
    features: list = field(repr=False)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Features of every family, planned on one database and computed on others."""
    rows = random_rows(5, num_orders=80)
    labels = labels_of(rows, ANCHORS)
    with rows.write(tmp_path_factory.mktemp("planned")) as tables:
        features = plan_features(tables, QUERY, labels=labels, options=OPTIONS)
        offered = plan_features(tables, QUERY, options=OPTIONS)
    families = {f.aggregate.partition(".")[0] for f in features}
    assert {"past_label", "past_target", "everyone", "rank", "ratio"} <= families
    names = {f.name for f in features}
    return Planned([*features, *(f for f in offered if f.name not in names)][::3])


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@example(seed=308, cutoff=20, change="drop")
@given(seed=st.integers(0, 10_000), cutoff=st.integers(20, 70), change=st.sampled_from(["drop", "mix"]))
def test_rows_after_the_cutoff_change_no_bit_of_a_feature(seed, cutoff, change, planned, tmp_path_factory):
    rows = random_rows(seed)
    until = cutoff * DAY
    other = rows.without_later(until)
    if change == "mix":
        other = _extended(_altered(rows, until, seed), until, seed)
    pairs = seeds_of([(10 + e, until, until + late * DAY) for e in range(7) for late in (0, 9)])
    labels = labels_of(rows, [a for a in range(0, 90 * DAY, 10 * DAY)])
    expected = _compute(rows, pairs, planned.features, labels, tmp_path_factory)
    found = _compute(other, pairs, planned.features, _garbled(labels, until, seed), tmp_path_factory)
    differing = [name for name in expected.column_names if not expected[name].equals(found[name])]
    assert differing == []


def test_the_order_of_rows_does_not_count(planned, tmp_path):
    rows = random_rows(3)
    shuffled = rows.rows | {t: random.Random(1).sample(r, len(r)) for t, r in rows.rows.items()}
    seeds = seeds_of([(10 + e, 70 * DAY) for e in range(7)])
    labels = labels_of(rows, ANCHORS)
    with rows.write(tmp_path / "a") as one, type(rows)(shuffled).write(tmp_path / "b") as other:
        first = compute_features(one, seeds, planned.features, query=QUERY, labels=labels)
        assert first.equals(compute_features(other, seeds, planned.features, query=QUERY, labels=labels))
        backwards = seeds.take(pa.array(range(len(seeds) - 1, -1, -1)))
        reverse = compute_features(one, backwards, planned.features, query=QUERY, labels=labels)
    assert reverse.take(pa.array(range(len(seeds) - 1, -1, -1))).equals(first)


def test_a_label_counts_once_its_window_has_ended(tmp_path):
    rows = random_rows(4)
    labels = labels_of(rows, [30 * DAY, 40 * DAY])
    options = FeatureOptions(past_labels=True)
    with rows.write(tmp_path) as tables:
        features = plan_features(tables, QUERY, labels=labels, options=options)
        count = [f for f in features if f.aggregate == "past_label.mean"][:1]
        seeds = seeds_of([(10, c) for c in (40 * DAY - 1, 40 * DAY, 50 * DAY)])
        found = compute_features(tables, seeds, count, query=QUERY, labels=labels).column(0).to_pylist()
    own = labels.filter(pc.equal(labels["entity"], 10))["label"].to_pylist()
    assert found == [None, float(own[0]), (own[0] + own[1]) / 2]


def _compute(rows, seeds, features, labels, factory):
    with rows.write(factory.mktemp("rows")) as tables:
        return compute_features(tables, seeds, features, query=QUERY, labels=labels)


def _altered(rows, until, seed):
    """Change values of later rows, and where they point; their times stay later."""
    rng = random.Random(seed)

    def alter(table, row):
        time = rows.time(table, row)
        if time is None or time <= until:
            return row
        changes = {"amount": 99.0, "kind": "q", "cost": 77.0, "price": -5.0, "city": "z", "gift": True}
        changes |= {
            "note": "three new words",
            "tags": "x;new",
            "likes": '["x"]',
            "about": "new",
            "left": until,
        }
        changes |= {"uses": "<x><new>", "looks": [9.0, 9.0, 9.0], "withdrawn": until, "renewal": until}
        moved = {"customer_id": 10 + rng.randint(0, 6), "product_id": rng.randint(0, 4)}
        known = {k: v for k, v in (changes | moved).items() if k in row}
        return row | known

    return type(rows)({t: [alter(t, r) for r in rs] for t, rs in rows.rows.items()})


def _extended(rows, until, seed):
    """Add later rows, also new customers and products."""
    rng = random.Random(seed)
    more = {}
    for table in ("orders", "refunds", "customers", "products"):
        time = rows.schema.table(table).time_column
        extra = []
        for i in range(8):
            copy = dict(rng.choice(rows.rows[table]))
            later = until + 1 + rng.randint(0, 30 * DAY)
            copy |= {"id": 10_000 + i, time: later, ROW: len(rows.rows[table]) + i}
            extra.append(copy)
        more[table] = rows.rows[table] + extra
    return type(rows)(rows.rows | more)


def _garbled(labels, until, seed):
    """Change labels whose window has not ended."""
    ends = labels["anchor_time"].cast(pa.int64()).to_numpy() + 10 * DAY
    noise = np.random.default_rng(seed).random(len(labels)) < 0.5
    values = np.where(ends > until, noise, labels["label"].to_numpy(zero_copy_only=False))
    return labels.set_column(3, "label", pa.array(values.astype(bool)))
