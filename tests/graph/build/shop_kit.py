"""A small shop with links of two kinds, a key that nobody has, and times that tie."""

from build_kit import Rows

from weft.core import TIME, Column, Dtype, Link, Schema, Stype, Table

SCHEMA = Schema(
    (
        Table(
            "users", (Column("id", Dtype.INT, Stype.ID), Column("age", Dtype.INT, Stype.NUMERICAL)), ("id",)
        ),
        Table("kinds", (Column("id", Dtype.STRING, Stype.ID),), ("id",)),
        Table(
            "events",
            (
                Column("id", Dtype.INT, Stype.ID),
                Column("user", Dtype.INT, Stype.ID),
                Column("kind", Dtype.STRING, Stype.ID),
                Column("note", Dtype.STRING, Stype.TEXT),
                Column("amount", Dtype.FLOAT, Stype.NUMERICAL),
            ),
            ("id",),
        ),
    ),
    (Link("events", ("user",), "users", ("id",)), Link("events", ("kind",), "kinds", ("id",))),
)


def shop(num_users: int = 50, num_events: int = 400) -> Rows:
    return {
        "users": [{"id": i, "age": i % 70, TIME: None} for i in range(num_users)],
        "kinds": [{"id": f"kind {i}", TIME: None} for i in range(3)],
        "events": [
            {
                "id": i,
                "user": i * 7 % 60,
                "kind": f"kind {i * i % 4}",
                "note": f"note {i % 30}",
                "amount": i / 4,
                TIME: (i * 37 % 100) * 1_000_000,
            }
            for i in range(num_events)
        ],
    }
