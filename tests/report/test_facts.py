"""Facts about tables come out of a profile of real files."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import Resources, Task, TaskType
from weft.data import connect, profile_snapshot, take_snapshot
from weft.report import link_facts, table_facts


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("facts")
    (folder / "source").mkdir()
    days = pa.array([k * 86_400_000_000 for k in range(40)], pa.timestamp("us"))
    users = pa.table({"user_id": range(40), "joined_at": days, "tier": ["a", "b"] * 20})
    owner = [k % 39 for k in range(199)] + [777]
    orders = pa.table(
        {
            "order_id": range(200),
            "user_id": owner,
            "amount": [k / 4 for k in range(200)],
            "ordered_at": pa.array([(k + 40) * 86_400_000_000 for k in range(200)], pa.timestamp("us")),
        }
    )
    pq.write_table(users, folder / "source" / "users.parquet")
    pq.write_table(orders, folder / "source" / "orders.parquet")
    resources = Resources(10**9, 1)
    snapshot = take_snapshot(connect(folder / "source"), folder / "snapshot", resources=resources)
    return profile_snapshot(
        snapshot.paths(folder / "snapshot"), declared=snapshot.declared, resources=resources, now_us=0
    )


def test_tables_have_rows_keys_roles_and_spans(profile):
    task = Task(TaskType.BINARY, "users", "user_id")
    facts = {t.name: t for t in table_facts(profile, task, targets=["orders"])}
    users, orders = facts["users"], facts["orders"]
    assert (users.rows, users.primary_key, users.time_column, users.role) == (
        40,
        ("user_id",),
        "joined_at",
        "entity",
    )
    assert (orders.rows, orders.role) == (200, "target")
    assert (users.first_us, users.last_us) == (0, 39 * 86_400_000_000)


def test_columns_have_their_range_or_their_top_values(profile):
    facts = {t.name: t for t in table_facts(profile, notes={"orders.amount": "left out by the audit"})}
    columns = {c.name: c for table in facts.values() for c in table.columns}
    assert (columns["amount"].low, columns["amount"].high) == ("0", "49.75")
    assert columns["amount"].note == "left out by the audit"
    assert sum(columns["amount"].histogram) == 200
    assert {top.value for top in columns["tier"].top} == {"a", "b"}
    assert columns["order_id"].top == ()
    assert columns["ordered_at"].low == "1970-02-10"


def test_links_have_their_match_rate(profile):
    (link,) = link_facts(profile)
    assert (link.table, link.columns, link.parent) == ("orders", ("user_id",), "users")
    assert link.match_rate == pytest.approx(199 / 200)
    assert link.max_children == 6
    assert link.source == "inferred"
