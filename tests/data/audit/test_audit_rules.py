"""Each rule finds what it is for, with its evidence, and leaves the honest alone."""

import numpy as np
import pyarrow as pa
import pytest
from audit_columns import days
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core import Severity
from weft.data.audit import audit_tables

N, M = 400, 6000


@pytest.fixture
def random():
    return np.random.default_rng(0)


def alarms(findings, rule=None):
    return {f.subject for f in findings if f.severity is Severity.ALARM and (rule is None or f.rule == rule)}


def notes(findings, rule):
    return {f.subject: f for f in findings if f.severity is Severity.NOTE and f.rule == rule}


def shop(random, **parent_columns):
    """Parents with children that come after them, more for some than for others."""
    begin = np.sort(random.random(N) * 300)
    owner = (N * 0.9 * random.random(M) ** 2).astype(int)
    at = begin[owner] + random.random(M) * 300
    kind = random.choice(["up", "down", "flag"], M, p=[0.7, 0.2, 0.1])
    amount = np.round(random.gamma(2, 10, M), 2)
    facts = {"owner": owner, "at": at, "kind": kind, "amount": amount, "begin": begin}
    made = {name: make(facts) for name, make in parent_columns.items()}
    return {
        "parents": ({"id": np.arange(N), "created": days(begin), **made}, "id", "created"),
        "children": (
            {
                "id": np.arange(M),
                "parent_id": owner,
                "at": days(at),
                "kind": kind,
                "amount": amount,
            },
            "id",
            "at",
        ),
    }, facts


LINKS = ("children.parent_id -> parents",)


def count(facts, **where):
    chosen = np.ones(M, bool)
    for name, value in where.items():
        chosen &= facts[name] == value
    return np.bincount(facts["owner"][chosen], minlength=N)


STORED = {
    "count": lambda f: count(f),
    "count_of_kind": lambda f: count(f, kind="up"),
    "difference": lambda f: count(f, kind="up") - count(f, kind="down"),
    "sum": lambda f: np.bincount(f["owner"], f["amount"], minlength=N),
    "rounded_sum": lambda f: np.round(np.bincount(f["owner"], f["amount"], minlength=N), 2),
    "nulls_for_none": lambda f: pa.array(count(f), mask=count(f) == 0),
    "with_a_few_errors": lambda f: count(f) + (np.arange(N) % 17 == 0),
    "follows_closely": lambda f: count(f) * 15 + np.random.default_rng(1).integers(0, 20, N) * (count(f) > 0),
}


@pytest.mark.parametrize("name", sorted(STORED))
def test_a_stored_counter_is_found(prepare, random, name):
    tables, _ = shop(random, stored=STORED[name])
    findings = audit_tables(prepare(tables, LINKS))
    assert alarms(findings, "equals_aggregate") == {"parents.stored"}
    (finding,) = [f for f in findings if f.rule == "equals_aggregate"]
    assert "over all time" in finding.evidence


HONEST = {
    "noise": lambda f: np.random.default_rng(2).integers(0, 50, N),
    "constant": lambda f: np.ones(N, int),
    "mostly_zero": lambda f: (np.arange(N) == 3).astype(int),
    "weakly_related": lambda f: count(f) + np.random.default_rng(3).integers(0, 60, N),
    "of_the_past": lambda f: np.random.default_rng(4).permutation(count(f)),
    "amount_paid_later": lambda f: np.where(
        count(f) > 0, np.bincount(f["owner"], f["amount"], minlength=N), 25.0
    ),
}


@pytest.mark.parametrize("name", sorted(HONEST))
def test_an_honest_number_is_not(prepare, random, name):
    tables, _ = shop(random, stored=HONEST[name])
    assert alarms(audit_tables(prepare(tables, LINKS))) == set()


def test_children_as_old_as_their_parent_hide_nothing(prepare, random):
    tables, facts = shop(random, goals=STORED["count"])
    tables["children"][0]["at"] = days(facts["begin"][facts["owner"]])
    assert alarms(audit_tables(prepare(tables, LINKS))) == set()


def test_a_running_total_up_to_the_row_itself_is_no_leak(prepare, random):
    """Standings: each row holds the total up to its own race, though totals of all time look alike."""
    races, drivers = 60, 30
    when = np.repeat(np.arange(races), drivers)
    who = np.tile(np.arange(drivers), races)
    points = random.integers(0, 10, races * drivers)
    total = np.zeros(races * drivers)
    for driver in range(drivers):
        total[who == driver] = np.cumsum(points[who == driver])
    at = days(when * 7)
    key = np.arange(races * drivers)
    tables = {
        "drivers": ({"id": np.arange(drivers), "height": random.integers(160, 200, drivers)}, "id", None),
        "results": ({"id": key, "driver_id": who, "points": points, "at": at}, "id", "at"),
        "standings": ({"id": key, "driver_id": who, "points": total, "at": at}, "id", "at"),
    }
    links = ("results.driver_id -> drivers", "standings.driver_id -> drivers")
    assert alarms(audit_tables(prepare(tables, links))) == set()


def test_a_counter_of_a_table_without_time_is_found(prepare, random):
    tables, _ = shop(random, stored=STORED["count"])
    columns = {c: v for c, v in tables["parents"][0].items() if c != "created"}
    tables["parents"] = (columns, "id", None)
    assert alarms(audit_tables(prepare(tables, LINKS))) == {"parents.stored"}


def test_the_newest_child_stored_as_a_date_is_found(prepare, random):
    def newest(facts):
        last = np.full(N, -1.0)
        np.maximum.at(last, facts["owner"], facts["at"])
        return pa.array(days(last), mask=last < 0)

    tables, _ = shop(random, last_order=newest)
    columns = {c: v for c, v in tables["parents"][0].items() if c != "created"}
    tables["parents"] = (columns, "id", None)
    assert alarms(audit_tables(prepare(tables, LINKS))) == {"parents.last_order"}


def test_an_average_rating_of_later_reviews_is_found(prepare, random):
    def mean(facts):
        number = np.maximum(count(facts), 1)
        return np.round(np.bincount(facts["owner"], facts["amount"], minlength=N) / number, 2)

    tables, _ = shop(random, average=mean)
    assert alarms(audit_tables(prepare(tables, LINKS))) == {"parents.average"}


def test_a_counter_through_a_link_to_itself_is_found(prepare, random):
    n = 3000
    parent = np.where(random.random(n) < 0.7, (np.arange(n) * random.random(n)).astype(int), -1)
    answers = np.bincount(parent[parent >= 0], minlength=n)
    columns = {
        "id": np.arange(n),
        "parent_id": pa.array(parent, mask=parent < 0),
        "created": days(np.arange(n) * 0.3),
        "answers": answers,
    }
    tables = {"posts": (columns, "id", "created")}
    assert alarms(audit_tables(prepare(tables, ("posts.parent_id -> posts",)))) == {"posts.answers"}


def dated(random, offset, missing=0.0, extra=None):
    begin = np.sort(random.random(N) * 600)
    column = pa.array(days(begin + offset), mask=random.random(N) < missing)
    columns = {"id": np.arange(N), "created": days(begin), "x": column, **(extra or {})}
    return {"rows": (columns, "id", "created"), "end": ({"id": [1], "at": days([2000])}, "id", "at")}


def test_a_date_later_than_the_row_is_found(prepare, random):
    offset = random.choice([0, 5, 90], N) * random.random(N)
    findings = audit_tables(prepare(dated(random, offset, missing=0.5)))
    assert alarms(findings, "later_than_row") == {"rows.x"}


@pytest.mark.parametrize("offset", [-30.0, 0.0, 1e-5], ids=["earlier", "equal", "a_second_later"])
def test_a_date_known_with_the_row_is_not(prepare, random, offset):
    assert alarms(audit_tables(prepare(dated(random, np.full(N, offset))))) == set()


def test_a_date_as_often_before_as_after_is_not(prepare, random):
    assert alarms(audit_tables(prepare(dated(random, random.normal(0, 50, N))))) == set()


def renamed(tables, new):
    columns, key, time = tables["rows"]
    tables["rows"] = ({(new if c == "x" else c): v for c, v in columns.items()}, key, time)
    return tables


def test_a_planned_date_is_a_note(prepare, random):
    tables = renamed(dated(random, 1 + 30 * random.random(N)), "due_date")
    findings = audit_tables(prepare(tables))
    assert alarms(findings) == set()
    assert "rows.due_date" in notes(findings, "later_than_row")


def test_a_date_beyond_the_end_of_the_data_is_a_note(prepare, random):
    tables = dated(random, 60 + 30 * random.random(N))
    del tables["end"]
    findings = audit_tables(prepare(tables))
    assert alarms(findings) == set()
    assert "beyond the newest row" in notes(findings, "later_than_row")["rows.x"].evidence


@pytest.mark.parametrize("name", ["shipped", "last_update"])
def test_a_record_beyond_the_end_of_the_data_is_found(prepare, random, name):
    missing = 0.1 if name == "shipped" else 0.0
    tables = renamed(dated(random, 60 + 30 * random.random(N), missing), name)
    del tables["end"]
    assert alarms(audit_tables(prepare(tables))) == {f"rows.{name}"}


def test_the_end_of_a_span_is_a_note(prepare, random):
    tables = dated(random, 10 + 30 * random.random(N))
    columns, key, _ = tables["rows"]
    columns = {{"created": "start_date", "x": "end_date"}.get(c, c): v for c, v in columns.items()}
    tables["rows"] = (columns, key, "start_date")
    findings = audit_tables(prepare(tables))
    assert alarms(findings) == set()
    assert "rows.end_date" in notes(findings, "later_than_row")


def pointing(random, later, missing):
    n = 2000
    target = np.arange(n) + (random.integers(1, 40, n) if later else -random.integers(1, 40, n))
    target = np.clip(target, 0, n - 1)
    column = pa.array(target, mask=random.random(n) < missing)
    columns = {"id": np.arange(n), "created": days(np.arange(n) * 0.1), "chosen_id": column}
    return {"posts": (columns, "id", "created")}


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_key_that_points_to_later_rows_is_found(prepare, random, is_linked):
    links = ("posts.chosen_id -> posts",) if is_linked else ()
    tables = prepare(pointing(random, True, 0.6), links, ids=[("posts", "chosen_id")])
    findings = audit_tables(tables)
    assert alarms(findings) == {"posts.chosen_id"}
    assert "points to a row of posts that came later" in findings[0].evidence


def test_a_key_that_points_back_is_not(prepare, random):
    tables = prepare(pointing(random, False, 0.6), ("posts.chosen_id -> posts",))
    assert alarms(audit_tables(tables)) == set()


def test_a_key_that_every_row_has_points_to_what_is_scheduled(prepare, random):
    tables = prepare(pointing(random, True, 0.0), ("posts.chosen_id -> posts",))
    findings = audit_tables(tables)
    assert alarms(findings) == set()
    assert "posts.chosen_id" in notes(findings, "points_to_later_rows")


def test_days_are_compared_where_a_table_knows_only_days(prepare, random):
    n = 1000
    at = np.sort(random.random(n) * 100)
    tables = {
        "posts": ({"id": np.arange(n), "created": days(at)}, "id", "created"),
        "votes": ({"id": np.arange(n), "post_id": np.arange(n), "at": days(np.floor(at))}, "id", "at"),
    }
    findings = audit_tables(prepare(tables, ("votes.post_id -> posts",)))
    assert not [f for f in findings if f.rule == "points_to_later_rows"]


def test_tables_without_a_time_say_where_they_take_it_from(prepare, random):
    tables = {
        "campaigns": ({"id": np.arange(5), "start": days(np.arange(5))}, "id", "start"),
        "coupons": ({"id": np.arange(9), "campaign_id": np.arange(9) % 5}, "id", None),
        "products": ({"id": np.arange(3), "size": np.arange(3)}, "id", None),
        "shelves": ({"id": np.arange(6), "product_id": np.arange(6) % 3}, "id", None),
    }
    links = ("coupons.campaign_id -> campaigns", "shelves.product_id -> products")
    found = notes(audit_tables(prepare(tables, links)), "no_time")
    assert set(found) == {"coupons", "products", "shelves"}
    assert "takes campaigns.start by campaign_id; 9 of 9 rows get one" in found["coupons"].evidence
    assert "none of the tables it points to (products) has one" in found["shelves"].evidence
    assert "points to no table" in found["products"].evidence


def test_keys_that_grow_with_time_are_a_note(prepare, random):
    at = np.sort(random.random(200) * 100)
    tables = {
        "grows": ({"id": np.arange(200), "at": days(at)}, "id", "at"),
        "mixed": ({"id": random.permutation(200), "at": days(at)}, "id", "at"),
    }
    assert set(notes(audit_tables(prepare(tables)), "key_encodes_time")) == {"grows.id"}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_random_numbers_raise_no_alarm(prepare, seed):
    r = np.random.default_rng(seed)
    tables, _ = shop(
        r,
        a=lambda f: r.integers(0, int(r.integers(1, 30)) + 1, N),
        b=lambda f: r.random(N) * 100,
        c=lambda f: pa.array(r.poisson(1, N), mask=r.random(N) < 0.4),
    )
    assert alarms(audit_tables(prepare(tables, LINKS))) == set()
