"""The walk of docs/concepts/graph-layout.md, number by number: one order from its table to a batch."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from build_kit import MemoryReader

from weft.core import ROW, TIME, Column, Dtype, Link, Resources, Schema, Stype, Table
from weft.graph import SampleOptions, Sampler, Store, _native, materialize
from weft.graph.layout import KeyKind, Section, Storage, TimeCodes

DAY_US = 86_400_000_000
NEW_YEAR_US = 1_767_225_600_000_000  # 2026-01-01
PAGE = Path(__file__).parents[3] / "docs" / "concepts" / "graph-layout.md"
ID = (Dtype.INT, Stype.ID)
SCHEMA = Schema(
    (
        Table("users", (Column("id", *ID), Column("age", Dtype.INT, Stype.NUMERICAL)), ("id",)),
        Table("items", (Column("id", *ID), Column("price", Dtype.FLOAT, Stype.NUMERICAL)), ("id",)),
        Table(
            "orders",
            (
                Column("user_id", *ID),
                Column("item_id", *ID),
                Column("time", Dtype.TIMESTAMP, Stype.TIMESTAMP),
                Column("amount", Dtype.FLOAT, Stype.NUMERICAL),
                Column("channel", Dtype.STRING, Stype.CATEGORICAL),
            ),
            time_column="time",
        ),
    ),
    (
        Link("orders", ("user_id",), "users", ("id",)),
        Link("orders", ("item_id",), "items", ("id",)),
    ),
)
ORDERS = [
    (7, 5, 5, 20.0, "web"),
    (3, 5, 2, 5.0, "app"),
    (7, 4, 1, 12.5, "web"),
    (9, 5, 3, 8.0, "shop"),
    (7, 6, 9, 30.0, "app"),
]
TO_USER, TO_ITEM = (k.name for k in SCHEMA.links)


def day(number: int) -> int:
    return NEW_YEAR_US + (number - 1) * DAY_US


def make_reader():
    rows = {
        "users": [{"id": k, "age": a, TIME: None} for k, a in ((3, 31), (7, 48), (9, 22))],
        "items": [{"id": k, "price": float(k), TIME: None} for k in (4, 5, 6, 8)],
        "orders": [
            {
                "user_id": user,
                "item_id": item,
                "time": day(at),
                "amount": amount,
                "channel": channel,
                TIME: day(at),
            }
            for user, item, at, amount, channel in ORDERS
        ],
    }
    return MemoryReader(SCHEMA, rows)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    reader = make_reader()
    assert reader.data["orders"].column(ROW).to_pylist() == [0, 1, 2, 3, 4]
    folder = tmp_path_factory.mktemp("walk") / "graph"
    materialize(reader, folder, resources=Resources(10**8, 1))
    return Store(folder)


def numbers(store, file, dtype, count):
    return np.fromfile(store.directory / file.path, dtype, count, offset=4096).tolist()


def test_rows_are_ordered_and_packed_as_the_page_says(store):
    orders = store.table("orders")
    (segment,) = orders.segments
    assert orders.order_by == TO_USER
    assert numbers(store, segment.source, "<u4", 5) == [1, 2, 0, 4, 3]
    assert segment.codes == TimeCodes(NEW_YEAR_US, DAY_US)
    assert segment.low is None
    assert numbers(store, segment.time, "<u4", 5) == [2, 1, 5, 9, 3]
    assert orders.stride == 16
    assert orders.sections == (
        Section(Storage.INT64, 0, 1),
        Section(Storage.FLOAT32, 8, 1),
        Section(Storage.INT32, 12, 1),
    )
    raw = (store.directory / segment.rows.path).read_bytes()[4096 + 2 * 16 :][:16]
    assert np.frombuffer(raw, "<i8", 1)[0] == day(5)
    assert np.frombuffer(raw, "<f4", 1, offset=8)[0] == 20.0
    assert np.frombuffer(raw, "<i4", 1, offset=12)[0] == 0
    assert store.dictionary("orders", "channel").to_pylist() == ["web", "app", "shop"]


def test_edges_are_written_as_the_page_says(store):
    (to_user,), (to_item,) = (store.layout.link(name).segments for name in (TO_USER, TO_ITEM))
    assert numbers(store, to_user.parent, "<u4", 5) == [0, 1, 1, 1, 2]
    assert numbers(store, to_user.offsets, "<u4", 4) == [0, 1, 4, 5]
    assert to_user.children is None
    assert numbers(store, to_item.parent, "<u4", 5) == [1, 0, 1, 2, 1]
    assert numbers(store, to_item.offsets, "<u4", 5) == [0, 1, 4, 5, 5]
    assert numbers(store, to_item.children, "<u4", 10) == [1, 1, 0, 2, 4, 3, 2, 5, 3, 9]
    (keys,) = store.table("users").keys.segments
    assert (keys.kind, keys.first) == (KeyKind.DIRECT, 3)
    assert numbers(store, keys.direct, "<u4", 7) == [
        0,
        2**32 - 1,
        2**32 - 1,
        2**32 - 1,
        1,
        2**32 - 1,
        2,
    ]


def test_the_batch_is_the_one_on_the_page(store):
    batch = Sampler(store, SampleOptions((2, 2))).sample("users", [1], [day(6)])
    orders = batch.tables["orders"]
    assert orders.rows.tolist() == [2, 1]
    assert (orders.age_us // DAY_US).tolist() == [1, 5]
    assert orders.blocks["float32"][:, 0].tolist() == [20.0, 12.5]
    assert orders.per_hop == (0, 2, 0)
    assert batch.tables["items"].rows.tolist() == [1, 0]
    assert batch.tables["users"].rows.tolist() == [1]
    edges = {(e.link, e.toward.value): (e.source.tolist(), e.target.tolist(), e.per_hop) for e in batch.edges}
    assert edges[TO_USER, "children"] == ([0, 1], [0, 0], (2, 0))
    assert edges[TO_USER, "parent"] == ([0, 0], [0, 1], (0, 2))
    assert edges[TO_ITEM, "parent"] == ([0, 1], [0, 1], (0, 2))


def test_what_follows_the_payload_is_a_checksum_per_block(store):
    (segment,) = store.table("orders").segments
    raw = (store.directory / segment.time.path).read_bytes()
    assert raw[:8] == b"WEFTGRPH"
    assert len(raw) == 4096 + 24 + 4
    payload = np.frombuffer(raw, np.uint8, 20, offset=4096)
    assert np.frombuffer(raw, "<u4", 1, offset=4096 + 24)[0] == _native.crc32c(payload)


@pytest.mark.parametrize(
    "shown",
    [
        "source.bin     1  2  0  4  3",
        "time.bin       2  1  5  9  3",
        "parent.bin     0  1  1  1  2",
        "offsets.bin    0  1  4  5",
        "parent.bin     1  0  1  2  1",
        "offsets.bin    0  1  4  5  5",
        "children.bin   {1, 1}  {0, 2} {4, 3} {2, 5}  {3, 9}",
    ],
)
def test_the_page_shows_these_numbers(shown):
    assert shown in PAGE.read_text()


def test_a_graph_that_is_replaced_or_removed_stays_readable_for_who_has_it_open(tmp_path):
    folder = tmp_path / "graph"
    materialize(make_reader(), folder, resources=Resources(10**8, 1))
    replaced = Store(folder)
    materialize(make_reader(), folder, resources=Resources(10**8, 1))
    removed = Store(folder)
    shutil.rmtree(folder)
    for store in (replaced, removed):
        assert store.keys("users", store.rows("users", [9, 3])) == [9, 3]
        assert store.keys("items", [0]) == [4]
        assert "web" in store.dictionary("orders", "channel").to_pylist()
        assert Sampler(store, SampleOptions((5,))).sample("users", [1], [2**62]).num_edges > 0
