"""Rules that look at a question and its labels, and what is decided about findings."""

import numpy as np
import pyarrow as pa
import pytest
from audit_columns import days

from weft.core import Finding, Severity, UserError
from weft.data.audit import Decisions, audit_tables, decide
from weft.pql import compile_query

N = 600


@pytest.fixture
def setting(prepare):
    """Users with orders; the label is whether a user orders in the next 30 days."""
    r = np.random.default_rng(0)
    label = r.random(N) < 0.4
    users = {
        "id": np.arange(N),
        "joined": days(np.sort(r.random(N) * 10)),
        "age": r.integers(18, 90, N),
        "churned": pa.array(np.where(label, "no", "yes")),
        "left_on": pa.array(days(np.full(N, 150.0)), mask=label),
        "score": np.where(label, 2.0, 1.0) + r.random(N) * 0.9,
        "city": pa.array([f"c{v}" for v in r.integers(0, 500, N)]),
        "plan_id": r.integers(0, 3, N),
    }
    orders = {
        "id": np.arange(4 * N),
        "user_id": r.integers(0, N, 4 * N),
        "at": days(10 + r.random(4 * N) * 300),
        "price": r.random(4 * N),
    }
    tables = prepare(
        {
            "users": (users, "id", "joined"),
            "orders": (orders, "id", "at"),
            "plans": ({"id": [0, 1, 2], "fee": [1.0, 2.0, 3.0]}, "id", None),
        },
        ("orders.user_id -> users", "users.plan_id -> plans"),
    )
    query = compile_query("PREDICT COUNT(orders.*, 0, 30, days) > 0 FOR EACH users.id", tables.schema)
    anchor = pa.array(days(np.full(N, 100.0)))
    labels = pa.table(
        {
            "id": np.arange(N),
            "anchor_time": anchor,
            "cutoff": anchor,
            "label": label,
            "split": ["train"] * (N - 100) + ["test"] * 100,
        }
    )
    return tables, query, labels


def of_rule(findings, rule):
    return {f.subject: f for f in findings if f.rule == rule}


def test_columns_that_tell_the_label_alone_are_found(setting):
    tables, query, labels = setting
    audited = audit_tables(tables, (), query, labels)
    found = of_rule(audited, "predicts_label_alone")
    assert set(found) == {"users.churned", "users.score"}
    assert set(of_rule(audited, "later_than_row")) == {"users.left_on"}
    assert all(f.severity is Severity.ALARM for f in found.values())
    assert "on 500 train rows" in found["users.churned"].evidence


def test_of_many_columns_the_last_is_scored_as_well(setting, prepare):
    _, query, labels = setting
    r = np.random.default_rng(1)
    noise = {f"n{i:03d}": r.random(N) for i in range(230)}
    users = {"id": np.arange(N), **noise, "zz": labels["label"].to_numpy() + r.random(N) * 0.9}
    orders = {"id": [0], "user_id": [0], "at": days([10.0]), "price": [1.0]}
    wide = prepare(
        {"users": (users, "id", None), "orders": (orders, "id", "at")}, ("orders.user_id -> users",)
    )
    assert set(of_rule(audit_tables(wide, (), query, labels), "predicts_label_alone")) == {"users.zz"}


def test_only_train_rows_count(setting):
    tables, query, labels = setting
    only_test = labels.set_column(4, "split", pa.array(["test"] * N))
    assert of_rule(audit_tables(tables, (), query, only_test), "predicts_label_alone") == {}


def test_a_number_that_is_the_label_of_a_regression_is_found(setting):
    tables, _, labels = setting
    query = compile_query("PREDICT SUM(orders.price, 0, 30, days) FOR EACH users.id", tables.schema)
    ages = tables.fetch(tables.table("users").order_by("id").select("age")).column(0)
    labels = labels.set_column(3, "label", ages.cast(pa.float64()))
    found = of_rule(audit_tables(tables, (), query, labels), "predicts_label_alone")
    assert set(found) == {"users.age"}


def test_a_column_of_several_classes_is_found(setting):
    tables, _, labels = setting
    query = compile_query("PREDICT LAST(orders.price, 0, 30, days) FOR EACH users.id", tables.schema)
    cities = tables.fetch(tables.table("users").order_by("id").select("plan_id")).column(0)
    labels = labels.set_column(3, "label", cities.cast(pa.float64()))
    assert of_rule(audit_tables(tables, (), query, labels), "predicts_label_alone") == {}


def test_the_target_of_a_static_query_is_never_a_feature(setting):
    tables, _, _ = setting
    query = compile_query("PREDICT users.age > 30 FOR EACH users.id", tables.schema)
    findings = audit_tables(tables, (), query)
    assert set(of_rule(findings, "target_in_features")) == {"users.age"}
    assert ("users", "age") in decide(findings).excluded
    assert ("users", "age") in decide(findings, {"users.age": "keep"}).excluded


def test_a_question_about_the_future_has_no_such_target(setting):
    tables, query, _ = setting
    assert of_rule(audit_tables(tables, (), query), "target_in_features") == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("PREDICT COUNT(orders.*, 0, 30, days) > 0 FOR EACH users.id WHERE users.left_on IS NULL", "WHERE"),
        (
            "PREDICT COUNT(orders.* WHERE users.left_on IS NULL, 0, 30, days) > 0 FOR EACH users.id",
            "the target",
        ),
    ],
)
def test_a_flagged_column_that_the_query_reads_is_said(setting, text, place):
    tables, _, labels = setting
    found = of_rule(
        audit_tables(tables, (), compile_query(text, tables.schema), labels), "query_reads_latest"
    )
    assert set(found) == {"users.left_on"}
    assert found["users.left_on"].evidence.startswith(f"{place} of the query reads it")
    plain = compile_query("PREDICT COUNT(orders.*, 0, 30, days) > 0 FOR EACH users.id", tables.schema)
    assert of_rule(audit_tables(tables, (), plain, labels), "query_reads_latest") == {}


def test_entities_that_appear_after_the_anchor_are_counted(prepare):
    r = np.random.default_rng(1)
    drivers = {"id": np.arange(100), "height": r.integers(150, 200, 100)}
    results = {"id": np.arange(500), "driver_id": np.arange(500) // 5, "at": days(np.arange(500))}
    tables = prepare(
        {"drivers": (drivers, "id", None), "results": (results, "id", "at")},
        ("results.driver_id -> drivers",),
    )
    query = compile_query("PREDICT COUNT(results.*, 0, 30, days) FOR EACH drivers.id", tables.schema)
    labels = pa.table(
        {
            "id": np.arange(100),
            "anchor_time": pa.array(days(np.full(100, 250.0))),
            "label": np.zeros(100),
            "split": ["train"] * 100,
        }
    )
    found = of_rule(audit_tables(tables, (), query, labels), "appears_after_anchor")
    assert "49 of 100 label rows" in found["drivers"].evidence
    early = labels.set_column(1, "anchor_time", pa.array(days(np.full(100, 600.0))))
    assert of_rule(audit_tables(tables, (), query, early), "appears_after_anchor") == {}


ALARM = Finding("later_than_row", Severity.ALARM, "posts", ("closed",), "e", "a")
NOTE = Finding("no_time", Severity.NOTE, "tags", (), "e", "a")


def test_alarms_are_left_out_unless_kept():
    assert decide([ALARM, NOTE]) == Decisions(frozenset({("posts", "closed")}))
    kept = decide([ALARM], {"posts.closed": "keep", "posts.score": "drop"})
    assert kept.excluded == {("posts", "score")}
    assert kept.kept == {("posts", "closed")}
    later = decide([ALARM], {"posts.closed": {"as_of": "2024-01-31"}})
    assert (later.excluded, later.as_of) == (frozenset(), {("posts", "closed"): 1_706_659_200_000_000})


@pytest.mark.parametrize(
    ("decisions", "code"),
    [
        ({"posts.closed": "ignore"}, "DATA062"),
        ({"posts.closed": {"from": "2024-01-31"}}, "DATA062"),
        ({"posts.closed": {"as_of": "soon"}}, "DATA001"),
        ({"closed": "drop"}, "DATA063"),
    ],
)
def test_what_is_no_decision_is_refused(decisions, code):
    with pytest.raises(UserError) as caught:
        decide([ALARM], decisions)
    assert caught.value.code == code


def test_decisions_about_columns_that_are_not_there_are_refused(setting):
    tables, _, _ = setting
    with pytest.raises(UserError, match="SCH002"):
        decide([], {"users.nothing": "drop"}, schema=tables.schema)
    with pytest.raises(UserError, match="DATA063"):
        decide([], {"users": "drop"}, schema=tables.schema)
