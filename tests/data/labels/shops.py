"""A small shop: users, and one order a day for each."""

from weft.core import Column, Dtype, Link, Schema, Stype, Table
from weft.testing.tiny import day, open_rows, prepare_rows

USERS = Table(
    "users",
    (
        Column("user_id", Dtype.INT, Stype.ID),
        Column("joined", Dtype.TIMESTAMP, Stype.TIMESTAMP),
        Column("left", Dtype.TIMESTAMP, Stype.TIMESTAMP),
        Column("country", Dtype.STRING, Stype.CATEGORICAL),
        Column("age", Dtype.INT, Stype.NUMERICAL),
        Column("part", Dtype.STRING, Stype.CATEGORICAL),
    ),
    ("user_id",),
)
ORDERS = Table(
    "orders",
    (
        Column("order_id", Dtype.INT, Stype.ID),
        Column("user_id", Dtype.INT, Stype.ID),
        Column("product_id", Dtype.STRING, Stype.ID),
        Column("at", Dtype.TIMESTAMP, Stype.TIMESTAMP),
        Column("amount", Dtype.FLOAT, Stype.NUMERICAL),
        Column("kind", Dtype.STRING, Stype.CATEGORICAL),
    ),
    ("order_id",),
    "at",
)
PRODUCTS = Table("products", (Column("product_id", Dtype.STRING, Stype.ID),), ("product_id",))
LINKS = (
    Link("orders", ("user_id",), "users", ("user_id",)),
    Link("orders", ("product_id",), "products", ("product_id",)),
)


def schema_of(*, has_time=False, has_end=False):
    users = Table(
        "users", USERS.columns, USERS.primary_key, "joined" if has_time else None, "left" if has_end else None
    )
    return Schema((users, ORDERS, PRODUCTS), LINKS)


def user(user_id, **values):
    row = {"joined": None, "left": None, "country": "de", "age": user_id, "part": "train"}
    return {"user_id": user_id, **row, **values}


def order(order_id, user_id, at, amount=1.0, kind="a", product_id="p1"):
    return {
        "order_id": order_id,
        "user_id": user_id,
        "product_id": product_id,
        "at": day(at),
        "amount": amount,
        "kind": kind,
    }


def daily_orders(days, users=(1, 2)):
    """User 1 orders every day, user 2 every other day."""
    made = []
    for at in range(days):
        made += [order(10 * at + u, u, at, float(u)) for u in users if at % u == 0]
    return made


def open_shop(directory, *, users=None, orders=None, products=(), has_time=False, has_end=False):
    schema = schema_of(has_time=has_time, has_end=has_end)
    rows = {
        "users": users if users is not None else [user(1), user(2)],
        "orders": orders if orders is not None else daily_orders(100),
        "products": [{"product_id": p} for p in products or ("p1", "p2")],
    }
    return open_rows(schema, prepare_rows(schema, rows), directory)
