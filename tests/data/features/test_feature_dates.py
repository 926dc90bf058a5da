"""A date that could only be known after the cutoff changes no feature; one that was planned is kept."""

import random

import pytest
from feature_shop import DAY, QUERY, SCHEMA, Rows, labels_of, random_rows, seeds_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from weft.core import ROW, Column, Dtype, Schema, Stype, Table, from_json
from weft.data.features import FeatureOptions, compute_features, plan_features
from weft.data.features.dates import planned_dates
from weft.data.features.recipe import Recipe
from weft.pql import compile_query

OPTIONS = FeatureOptions(max_features=10_000, past_labels=True)
ANCHORS = [c * DAY for c in (30, 40, 50, 60)]
WRITTEN = {"customers": ("left",), "products": ("withdrawn",)}


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    rows = random_rows(5, num_orders=80)
    with rows.write(tmp_path_factory.mktemp("planned")) as tables:
        offered = plan_features(tables, QUERY, options=OPTIONS)
        chosen = plan_features(tables, QUERY, labels=labels_of(rows, ANCHORS), options=OPTIONS)
    names = {f.name for f in chosen}
    found = [*chosen, *(f for f in offered if f.name not in names)]
    dated = {(f.columns, f.aggregate) for f in found if f.aggregate in ("age", "planned_age")}
    assert (("customers.left",), "age") in dated and (("customers.renewal",), "planned_age") in dated
    ages = [f for f in found if f.aggregate in ("age", "planned_age")]
    return ages + [f for f in found if f not in ages][::7]


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@example(seed=1, cutoff=40)
@given(seed=st.integers(0, 10_000), cutoff=st.integers(10, 70))
def test_a_date_after_the_cutoff_changes_no_bit_of_a_feature(seed, cutoff, features, tmp_path_factory):
    """Whatever is written after the cutoff, or never, looks the same at the cutoff."""
    rows, until = random_rows(seed), cutoff * DAY
    other = _rewritten(rows, until, random.Random(seed))
    pairs = seeds_of([(10 + e, until, until + late * DAY) for e in range(7) for late in (0, 9, 60)])
    labels = labels_of(rows, [a for a in range(0, 90 * DAY, 10 * DAY)])
    found = [_compute(r, pairs, features, labels, tmp_path_factory) for r in (rows, other)]
    assert [n for n in found[0].column_names if not found[0][n].equals(found[1][n])] == []


def test_a_date_before_the_cutoff_is_read(features, tmp_path):
    rows = random_rows(3)
    for customer in rows.rows["customers"]:
        customer["left"] = 50 * DAY
    left = [f for f in features if f.columns == ("customers.left",) and not f.links]
    pairs = seeds_of([(10, c * DAY, 60 * DAY) for c in (49, 50, 60)])
    with rows.write(tmp_path) as tables:
        found = compute_features(tables, pairs, left, query=QUERY)
    assert found.column(0).to_pylist() == [None, 10.0, 10.0]


def test_a_plan_is_read_before_it_comes_true(features, tmp_path):
    rows = random_rows(3)
    renewal = [f for f in features if f.columns == ("customers.renewal",) and not f.links]
    with rows.write(tmp_path) as tables:
        found = compute_features(tables, seeds_of([(10, 60 * DAY)]), renewal, query=QUERY)
    assert found.column(0).to_pylist() == [60.0 - 180.0]
    assert "still to come" in renewal[0].words


def _day(number):
    return number * DAY


DATES = {
    "a plan": ("due", [_day(50 + i) for i in range(100)], True),
    "filled in when it happened": ("shipped", [_day(i) if i < 60 else None for i in range(100)], False),
    "never after the newest row": ("due", [_day(min(i + 5, 99)) for i in range(100)], False),
    "the row's own time": ("due", [_day(i) for i in range(99)] + [_day(300)], False),
    "one date that stands for none": ("due", [_day(i + 1) for i in range(50)] + [_day(9000)] * 50, False),
    "a record by name": ("last_seen", [_day(50 + i) for i in range(100)], False),
    "the end of the row's span": ("end_date", [_day(50 + i) for i in range(100)], False),
    "empty": ("due", [None] * 100, False),
}


@pytest.mark.parametrize("case", list(DATES))
def test_a_plan_is_told_from_what_was_written_later(case, tmp_path):
    column, values, is_plan = DATES[case]
    instants = [Column(c, Dtype.TIMESTAMP, Stype.TIMESTAMP) for c in ("start_date", column)]
    table = Table("t", (Column("id", Dtype.INT, Stype.ID), *instants), ("id",), "start_date")
    rows = [{"id": i, ROW: i, "start_date": _day(i), column: v} for i, v in enumerate(values)]
    with Rows({"t": rows}, Schema((table,), ())).write(tmp_path) as tables:
        assert planned_dates(tables) == (frozenset({("t", column)}) if is_plan else frozenset())


def test_a_declared_end_time_is_no_plan(tmp_path):
    columns = [Column(c, Dtype.TIMESTAMP, Stype.TIMESTAMP) for c in ("since", "due")]
    table = Table("t", (Column("id", Dtype.INT, Stype.ID), *columns), ("id",), "since", "due")
    rows = [{"id": i, ROW: i, "since": _day(i), "due": _day(50 + i)} for i in range(100)]
    with Rows({"t": rows}, Schema((table,), ())).write(tmp_path) as tables:
        assert planned_dates(tables) == frozenset()


def test_a_database_without_times_has_no_plans(tmp_path):
    table = Table("t", (Column("due", Dtype.TIMESTAMP, Stype.TIMESTAMP),))
    with Rows({"t": [{"due": DAY, ROW: 0}]}, Schema((table,), ())).write(tmp_path) as tables:
        assert planned_dates(tables) == frozenset()


@pytest.mark.parametrize(("column", "is_read"), [("withdrawn", False), ("listed", True)])
def test_a_target_with_a_date_that_is_written_later_is_no_feature(column, is_read, tmp_path):
    """What such a condition says of a row at a cutoff is not what it says today."""
    text = (
        f"PREDICT COUNT(orders.* WHERE products.{column} IS NOT NULL, 0, 10, days) > 0 FOR EACH customers.id"
    )
    with random_rows(0).write(tmp_path) as tables:
        features = plan_features(tables, compile_query(text, SCHEMA), options=OPTIONS)
    reading = [
        f
        for f in features
        if f.aggregate.startswith("past_target") or from_json(Recipe, f.recipe).source.target
    ]
    assert bool(reading) == is_read


def _rewritten(rows, until, rng):
    """Change dates after the cutoff, move nulls there, and forget what lies there."""

    def alter(table, row):
        known = {}
        for column in WRITTEN.get(table, ()):
            if row[column] is None or row[column] > until:
                known[column] = rng.choice([None, until + 1, until + rng.randint(1, 100 * DAY)])
        return row | known

    return type(rows)({t: [alter(t, r) for r in rs] for t, rs in rows.rows.items()})


def _compute(rows, seeds, features, labels, factory):
    with rows.write(factory.mktemp("rows")) as tables:
        return compute_features(tables, seeds, features, query=QUERY, labels=labels)
