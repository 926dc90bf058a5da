"""The user's word is read, checked, and beats declarations and guesses."""

import pytest

from weft.core import Link, Stype, UserError
from weft.data.declared import Declared
from weft.data.profile import LinkOverride, parse_overrides

USERS = {"user_id": range(1, 41), "email": [f"u{i}@x.org" for i in range(40)], "born": ["2000-01-01"] * 40}
ORDERS = {
    "order_id": range(1, 201),
    "user_id": [i % 40 + 1 for i in range(200)],
    "buyer": [i % 7 + 1 for i in range(200)],
    "created": [f"2024-01-{i % 28 + 1:02d}" for i in range(200)],
    "shipped": [f"2024-02-{i % 28 + 1:02d}" for i in range(200)],
    "status": [i % 3 for i in range(200)],
}
TABLES = {"users": USERS, "orders": ORDERS}


def test_everything_that_can_be_said_is_read():
    said = parse_overrides(
        {
            "tables": {
                "users": {"primary_key": ["a", "b"], "time_column": None},
                "orders": {
                    "columns": {"status": "categorical", "at": {"time_format": "%d.%m.%Y"}},
                    "sql": "x",
                },
                "empty": None,
            },
            "links": {"add": ["orders.[a, b] -> users.[c, d]"], "remove": ["orders.x -> users"]},
        },
        other_fields=("sql",),
    )
    assert said.table("users").primary_key == ("a", "b")
    assert said.table("users").time_column == ""
    assert said.column("orders", "status").stype is Stype.CATEGORICAL
    assert said.column("orders", "at").time_format == "%d.%m.%Y"
    assert said.added_links == (LinkOverride("orders", ("a", "b"), "users", ("c", "d")),)
    assert said.removed_links == (LinkOverride("orders", ("x",), "users"),)


@pytest.mark.parametrize(
    ("mapping", "code", "place"),
    [
        ({"table": {}}, "SCH020", "table"),
        ({"tables": {"t": {"key": "a"}}}, "SCH020", "tables.t.key"),
        ({"tables": {"t": {"columns": {"c": {"type": "x"}}}}}, "SCH020", "tables.t.columns.c.type"),
        ({"tables": {"t": {"columns": {"c": "category"}}}}, "SCH021", "tables.t.columns.c.stype"),
        ({"tables": {"t": {"primary_key": 3}}}, "SCH021", "tables.t.primary_key"),
        ({"tables": {"t": {"time_column": ["a"]}}}, "SCH021", "tables.t.time_column"),
        ({"tables": ["t"]}, "SCH021", "tables"),
        ({"links": {"add": "a.b -> c"}}, "SCH021", "links.add"),
        ({"links": {"add": ["a.b"]}}, "SCH022", "links.add[0]"),
        ({"links": {"remove": [7]}}, "SCH022", "links.remove[0]"),
    ],
)
def test_what_is_wrong_is_named(mapping, code, place):
    with pytest.raises(UserError) as caught:
        parse_overrides(mapping)
    assert caught.value.code == code
    assert place in caught.value.message


def test_the_user_beats_declarations_and_they_beat_guesses(profile):
    declared = Declared(
        primary_keys={"users": ("email",), "orders": ("order_id",)},
        time_columns={"orders": "shipped"},
        links=(Link("orders", ("buyer",), "users", ("user_id",)),),
        source="manifest.yaml",
    )
    overrides = parse_overrides(
        {
            "tables": {
                "users": {"primary_key": "user_id"},
                "orders": {"end_time_column": "shipped", "columns": {"status": "categorical"}},
            },
            "links": {"remove": ["orders.user_id -> users"]},
        }
    )
    schema = profile(TABLES, declared=declared, overrides=overrides).schema
    assert schema.table("users").primary_key == ("user_id",)
    assert schema.table("orders").time_column == "shipped"
    assert schema.table("orders").end_time_column == "shipped"
    assert schema.table("orders").column("status").stype is Stype.CATEGORICAL
    assert [link.name for link in schema.links] == ["orders.buyer -> users"]


def test_evidence_says_who_decided(profile):
    overrides = parse_overrides({"tables": {"users": {"primary_key": "user_id", "time_column": None}}})
    found = profile(TABLES, declared=Declared(time_columns={"orders": "created"}), overrides=overrides)
    by = {(e.subject, e.decision): e.source for e in found.evidence}
    assert by["users", "primary key user_id"] == "user"
    assert by["users", "no time column"] == "user"
    assert by["orders", "time column created"] == "declared"
    assert by["orders", "primary key order_id"] == "inferred"
    assert by["orders.user_id", "link to users"] == "inferred"


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({"tables": {"nobody": {}}}, "SCH001"),
        ({"tables": {"users": {"primary_key": "nothing"}}}, "SCH002"),
        ({"tables": {"users": {"columns": {"nothing": "id"}}}}, "SCH002"),
        ({"links": {"add": ["orders.user_id -> nobody"]}}, "SCH001"),
        ({"links": {"add": ["orders.born -> users"]}}, "SCH002"),
        ({"links": {"add": ["orders.created -> users"]}}, "SCH023"),
        (
            {"tables": {"users": {"primary_key": None}}, "links": {"add": ["orders.user_id -> users"]}},
            "SCH024",
        ),
        ({"links": {"add": ["orders.[user_id, buyer] -> users"]}}, "SCH025"),
        ({"tables": {"users": {"time_column": "email"}}}, "SCH026"),
    ],
)
def test_what_cannot_be_is_refused_by_name(profile, mapping, code):
    with pytest.raises(UserError) as caught:
        profile(TABLES, overrides=parse_overrides(mapping))
    assert caught.value.code == code


def test_a_declaration_about_a_column_that_is_not_there_is_refused(profile):
    with pytest.raises(UserError, match="SCH002"):
        profile(TABLES, declared=Declared(time_columns={"users": "joined"}))


def test_a_parent_without_a_key_can_be_linked_by_naming_its_columns(profile):
    overrides = parse_overrides(
        {"tables": {"users": {"primary_key": None}}, "links": {"add": ["orders.buyer -> users.user_id"]}}
    )
    (link,) = profile(TABLES, overrides=overrides).schema.links
    assert link.parent_columns == ("user_id",)
