"""Statistics agree with plain Python, and stay bounded on wide and long tables."""

import math
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_columns import RESOURCES

from weft.core import Resources, from_json, to_json
from weft.data.profile import Profile, profile_snapshot
from weft.data.profile.raw import SAMPLE_ROWS


def column_of(found, table, name):
    return found.table(table).column(name)


def test_counts_and_moments_agree_with_numpy(profile):
    r = np.random.default_rng(0)
    values = np.round(r.normal(5, 2, 5000), 3)
    missing = r.random(5000) < 0.1
    stats = column_of(profile({"t": {"x": pa.array(values, mask=missing)}}), "t", "x")
    kept = values[~missing]
    assert (stats.count, stats.nulls) == (len(kept), int(missing.sum()))
    assert (stats.distinct, stats.is_distinct_exact) == (len(set(kept)), True)
    assert (stats.minimum, stats.maximum) == (kept.min(), kept.max())
    assert stats.mean == pytest.approx(kept.mean())
    assert stats.deviation == pytest.approx(kept.std())
    assert stats.quantiles[4] == np.quantile(kept, 0.5, method="inverted_cdf")
    assert sum(stats.histogram.counts) == len(kept)
    assert not stats.is_sampled


def test_text_has_lengths_and_top_values(profile):
    stats = column_of(profile({"t": {"s": ["a"] * 5 + ["bbb"] * 3 + [None]}}), "t", "s")
    assert [(v.value, v.count) for v in stats.top_values] == [("a", 5), ("bbb", 3)]
    assert (stats.length_mean, stats.length_max) == (14 / 8, 3)


def test_infinities_and_nan_do_not_spoil_the_rest(profile):
    stats = column_of(profile({"t": {"x": [1.0, 2.0, math.inf, -math.inf, math.nan, None]}}), "t", "x")
    assert (stats.count, stats.nulls) == (4, 2)
    assert (stats.minimum, stats.maximum, stats.mean) == (1.0, 2.0, 1.5)


def test_numbers_of_a_time_column_are_microseconds(profile):
    stats = column_of(profile({"t": {"created_at": ["1970-01-02", "1970-01-03"]}}), "t", "created_at")
    assert (stats.minimum, stats.maximum) == (86_400_000_000, 2 * 86_400_000_000)


def test_offsets_in_texts_count(profile):
    texts = ["2024-01-01T02:00:00+02:00"] * 3
    stats = column_of(profile({"t": {"created_at": texts}}), "t", "created_at")
    assert stats.minimum == stats.maximum == 1_704_067_200_000_000


def test_links_have_match_rate_and_degrees(profile):
    tables = {
        "users": {"user_id": range(1, 101)},
        "orders": {
            "order_id": range(1, 301),
            "user_id": pa.array([*(i % 50 + 1 for i in range(270)), *range(900, 920), *[None] * 10]),
        },
    }
    (link,) = profile(tables).table("orders").links
    assert (link.rows, link.null_rows, link.matched_rows, link.dangling_rows) == (300, 10, 270, 20)
    assert (link.distinct_keys, link.matched_keys, link.parents) == (70, 50, 100)
    assert link.match_rate == pytest.approx(270 / 290)
    assert (link.degree_mean, link.degree_max, link.childless_rate) == (5.4, 6, 0.5)
    assert link.dangling_examples == ("900", "901", "902")


def test_large_tables_are_sampled_and_say_so(profile):
    n = 3 * SAMPLE_ROWS
    found = profile({"t": {"x": np.arange(n), "y": np.arange(n) % 7}})
    stats = column_of(found, "t", "x")
    assert stats.is_sampled and abs(stats.sampled_rows - SAMPLE_ROWS) < 0.05 * SAMPLE_ROWS
    assert (stats.count, stats.maximum) == (n, n - 1)
    assert stats.quantiles[4] == pytest.approx(n / 2, rel=0.02)
    assert column_of(found, "t", "y").distinct == 7


def test_the_same_snapshot_gives_the_same_profile(write):
    r = np.random.default_rng(1)
    paths = write(
        {"t": {"id": np.arange(120_000), "s": r.choice(list("abc"), 120_000), "v": r.random(120_000)}}
    )
    first = profile_snapshot(paths, resources=RESOURCES, now_us=0)
    second = profile_snapshot(paths, resources=Resources(500_000_000, 1), now_us=0)
    assert first.schema == second.schema
    assert [c.top_values for c in first.statistics[0].columns] == [
        c.top_values for c in second.statistics[0].columns
    ]


def test_wide_tables_are_profiled_in_batches(tmp_path):
    row = np.arange(20)
    table = pa.table({f"feature_{i}": row * (i % 7 + 0.5) for i in range(600)} | {"id": row})
    pq.write_table(table, tmp_path / "wide.parquet")
    started = time.process_time()
    found = profile_snapshot({"wide": tmp_path / "wide.parquet"}, resources=RESOURCES)
    assert time.process_time() - started < 30
    assert len(found.schema.table("wide").columns) == 601
    assert found.schema.table("wide").primary_key == ("id",)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([], pa.int64()),
        pa.nulls(5, pa.string()),
        pa.nulls(5, pa.float64()),
        pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64())),
        pa.array([["a", "b"], ["c"]], pa.list_(pa.string())),
        pa.array([True, False, None]),
        pa.array([2**63 - 1, -(2**63)], pa.int64()),
        pa.array([1e308, -1e308]),
        pa.array(["", " ", "\x00", "ü" * 500]),
        pa.array([b"ab", b"\xff"], pa.binary()),
        pa.array([1, 2], pa.uint8()),
        pa.array(["x", "y"]).dictionary_encode(),
    ],
    ids=lambda v: f"{v.type}-{len(v)}",
)
def test_columns_of_every_kind_are_profiled(profile, values):
    found = profile({"t": pa.table({"Ünï códe 'q\" x": values})})
    assert from_json(Profile, to_json(found)) == found


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-(2**60), 2**60)),
            st.one_of(st.none(), st.text(max_size=12)),
            st.one_of(st.none(), st.floats()),
        ),
        max_size=30,
    )
)
def test_counts_agree_with_python_on_any_rows(tmp_path_factory, rows):
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    kinds = (pa.int64(), pa.string(), pa.float64())
    path = tmp_path_factory.mktemp("any") / "t.parquet"
    table = pa.table({n: pa.array(c, k) for n, c, k in zip("abc", columns, kinds, strict=True)})
    pq.write_table(table, path)
    found = profile_snapshot({"t": path}, resources=RESOURCES)
    assert from_json(Profile, to_json(found)) == found
    for name, values in zip("abc", columns, strict=True):
        known = [v for v in values if v is not None and v == v]
        stats = column_of(found, "t", name)
        assert (stats.count, stats.nulls, stats.distinct) == (
            len(known),
            len(values) - len(known),
            len(set(known)),
        )
