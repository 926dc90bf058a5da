"""A table that was written about others at one moment has that moment as its time."""

import datetime as dt

import pytest

from weft.data.profile.overrides import parse_overrides

DAY = dt.datetime(2024, 1, 1)
LATE = [dt.datetime(2024, 8, 30)] * 50


def tables(**columns):
    return {
        "users": {"user_id": range(50), "age": [20 + i % 40 for i in range(50)]},
        "orders": {
            "order_id": range(200),
            "user_id": [i % 50 for i in range(200)],
            "ordered_at": [DAY + dt.timedelta(days=i) for i in range(200)],
        },
        "predictions": {"user_id": range(50), "probability": [i / 50 for i in range(50)], **columns},
    }


def time_of(profile, made, table="predictions", **options):
    return profile(made, **options).schema.table(table).time_column


@pytest.mark.parametrize("name", ["anchor_time", "scored_at", "prediction_date"])
def test_predictions_are_seen_from_their_anchor_on(profile, name):
    found = profile(tables(**{name: LATE}))
    assert found.schema.table("predictions").time_column == name
    assert [k.name for k in found.schema.links_from("predictions")] == ["predictions.user_id -> users"]
    (why,) = [e for e in found.evidence if e.subject == "predictions" and "time column" in e.decision]
    assert "all rows have the same, so they were written then" in why.reasons


def test_a_time_that_differs_is_preferred(profile):
    made = tables(anchor_time=LATE, created_at=[DAY + dt.timedelta(days=i) for i in range(50)])
    assert time_of(profile, made) == "created_at"


def test_what_others_refer_to_keeps_no_constant_time(profile):
    """Users that were imported in one night were there before."""
    made = tables()
    made["users"]["created_at"] = LATE
    assert time_of(profile, made, "users") is None


@pytest.mark.parametrize(
    ("name", "values"),
    [("birthday", LATE), ("last_update", LATE), ("anchor_time", [*LATE[:-1], None])],
)
def test_other_constant_times_are_not_taken(profile, name, values):
    assert time_of(profile, tables(**{name: values})) is None


def test_the_user_may_say_that_there_is_no_time(profile):
    overrides = parse_overrides({"tables": {"predictions": {"time_column": None}}})
    assert time_of(profile, tables(anchor_time=LATE), overrides=overrides) is None
