"""A table with one row for each row of another is compared with that one's other children, too."""

import numpy as np
import pyarrow as pa
import pytest
from audit_columns import days

from weft.core import Severity
from weft.data.audit import audit_tables
from weft.data.audit.decisions import decide

N, M = 1500, 15_000
LINKS = ("orders.user_id -> users", "totals.user_id -> users")


def shop(beside, *, is_timed=True, only_active=False, rows_per_user=1):
    """Users with orders, and beside them a table without a time."""
    random = np.random.default_rng(0)
    begin = np.sort(random.random(N) * 300)
    owner = (N * 0.9 * random.random(M) ** 2).astype(int)
    at = begin[owner] + 1 + random.random(M) * 300
    kind = random.choice(["web", "shop"], M, p=[0.7, 0.3])
    value = np.round(random.gamma(2, 10, M), 2)
    facts = {"owner": owner, "at": at, "kind": kind, "value": value, "begin": begin, "random": random}
    users = {"id": np.arange(N), **({"created": days(begin)} if is_timed else {})}
    orders = {"id": np.arange(M), "user_id": owner, "at": days(at), "kind": kind, "value": value}
    totals = {"user_id": np.arange(N), "x": beside(facts)}
    chosen = np.unique(owner) if only_active else np.arange(N)
    rows = np.repeat(chosen, rows_per_user)
    return {
        "users": (users, "id", "created" if is_timed else None),
        "orders": (orders, "id", "at"),
        "totals": (pa.table(totals).take(rows), (), None),
    }


def count(facts, kind=None):
    return np.bincount(facts["owner"][(facts["kind"] == kind) | (kind is None)], minlength=N)


def total(facts):
    return np.bincount(facts["owner"], facts["value"], minlength=N)


def newest(facts):
    last = np.full(N, -1.0)
    np.maximum.at(last, facts["owner"], facts["at"])
    return pa.array(days(last), mask=last < 0)


def alarms(prepare, made, links=LINKS):
    return {(f.subject, f.rule) for f in audit_tables(prepare(made, links)) if f.severity is Severity.ALARM}


AGGREGATES = {
    "count": count,
    "count_as_float": lambda f: count(f).astype(float),
    "count_of_a_kind": lambda f: count(f, "shop"),
    "difference": lambda f: count(f, "web") - count(f, "shop"),
    "sum": total,
    "mean": lambda f: total(f) / np.maximum(count(f), 1),
    "newest_time": newest,
    "follows_closely": lambda f: count(f) * 15 + f["random"].integers(0, 10, N) * (count(f) > 0),
}


@pytest.mark.parametrize("is_timed", [False, True], ids=["timeless_users", "users_with_a_time"])
@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_an_aggregate_in_a_table_beside_is_found(prepare, name, is_timed):
    made = shop(AGGREGATES[name], is_timed=is_timed, only_active=not is_timed)
    found = alarms(prepare, made)
    assert ("totals.x", "equals_aggregate") in found
    # Rows that are there only for users with orders tell as much as the count.
    assert found - {("totals.x", "equals_aggregate")} == (
        set() if is_timed else {("totals.user_id", "equals_aggregate")}
    )


def test_it_is_told_and_left_out_as_if_it_were_the_parents_own(prepare):
    tables = prepare(shop(count), LINKS)
    findings = audit_tables(tables)
    (finding,) = [f for f in findings if f.rule == "equals_aggregate"]
    assert "it equals COUNT(orders) over all time in 100.0% of 1,3" in finding.evidence
    assert "100% of them have children later than themselves" in finding.evidence
    assert decide(findings).excluded == {("totals", "x")}
    assert not decide(findings, {"totals.x": "keep"}, schema=tables.schema).excluded


def test_a_tally_beside_is_found_by_what_came_later(prepare):
    made = shop(lambda f: (count(f) * f["random"].lognormal(0, 0.8, N)).astype(int) + 1)
    assert alarms(prepare, made) == {("totals.x", "follows_activity")}


def test_a_counter_as_of_the_first_order_is_found_though_its_table_has_a_time(prepare):
    """A view with the first time of each group has a time, and counts what came after it."""
    made = shop(count, only_active=True)
    columns = made["totals"][0]
    first = np.full(N, np.inf)
    orders = made["orders"][0]
    at = (orders["at"] - np.datetime64("2020-01-01")) / np.timedelta64(1, "D")
    np.minimum.at(first, orders["user_id"], at)
    told = columns.append_column("first", pa.array(days(first[columns["user_id"].to_numpy()])))
    made["totals"] = (told, (), "first")
    assert alarms(prepare, made) == {("totals.x", "equals_aggregate")}


def test_a_count_known_when_its_row_came_is_left_alone(prepare):
    made = shop(count, only_active=True)
    columns = made["totals"][0]
    told = columns.append_column("at", pa.array(days(np.full(columns.num_rows, 900.0))))
    made["totals"] = (told, (), "at")
    assert alarms(prepare, made) == set()


HONEST = {
    "age": lambda f: f["random"].integers(18, 90, N),
    "income": lambda f: np.round(f["random"].lognormal(10, 1, N), 2),
    "size_of_household": lambda f: f["random"].integers(1, 6, N),
    "weakly_related": lambda f: count(f) + f["random"].integers(0, 200, N),
    "of_others": lambda f: f["random"].permutation(total(f)),
    "birth": lambda f: days(f["random"].random(N) * -20_000),
    "code_of_a_region": lambda f: f["random"].integers(1000, 9999, N).astype(float),
}


@pytest.mark.parametrize("name", sorted(HONEST))
def test_static_attributes_beside_are_left_alone(prepare, name):
    assert alarms(prepare, shop(HONEST[name], is_timed=False)) == set()


def test_lines_of_which_a_parent_has_many_are_not_taken_for_totals(prepare):
    assert alarms(prepare, shop(count, rows_per_user=3)) == set()


def test_a_table_is_not_compared_with_itself(prepare):
    """Of a table with one row for each parent, what it holds is its own sum."""
    made = shop(count)
    made["orders"] = ({**made["orders"][0], "user_id": np.arange(M)}, "id", "at")
    made["users"] = ({"id": np.arange(M)}, "id", None)
    del made["totals"]
    assert alarms(prepare, made, LINKS[:1]) == set()
