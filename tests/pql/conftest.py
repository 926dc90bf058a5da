"""A small schema with everything that the language has a rule about."""

import pytest

from weft.core import Column, Dtype, Link, Schema, Stype, Table

ID, NUMBER, CATEGORY, TEXT, TIME = (
    Stype.ID,
    Stype.NUMERICAL,
    Stype.CATEGORICAL,
    Stype.TEXT,
    Stype.TIMESTAMP,
)
DTYPES = {"int": Dtype.INT, "float": Dtype.FLOAT, "text": Dtype.STRING, "bool": Dtype.BOOL}
DTYPES |= {"time": Dtype.TIMESTAMP, "vector": Dtype.VECTOR}
MANY, VECTOR = Stype.MULTICATEGORICAL, Stype.EMBEDDING


def make_table(name, columns, key="", time=None):
    made = tuple(Column(c, DTYPES[dtype], stype) for c, dtype, stype in columns)
    return Table(name, made, tuple(key.split()), time)


def make_link(table, columns, parent, parent_columns):
    return Link(table, tuple(columns.split()), parent, tuple(parent_columns.split()))


USERS = [
    *(("user_id", "int", ID), ("name", "text", TEXT), ("city", "text", CATEGORY), ("age", "int", NUMBER)),
    *(("score", "float", NUMBER), ("is_member", "bool", CATEGORY), ("tags", "text", MANY)),
    *(("joined", "time", TIME), ("face", "vector", VECTOR), ("tier", "int", CATEGORY)),
]
ORDERS = [
    *(
        ("order_id", "int", ID),
        ("user_id", "int", ID),
        ("store_id", "text", ID),
        ("order_date", "time", TIME),
    ),
    *(("amount", "float", NUMBER), ("quantity", "int", NUMBER), ("status", "text", CATEGORY)),
    *(
        ("note", "text", TEXT),
        ("rank", "int", NUMBER),
        ("is_gift", "bool", CATEGORY),
        ("labels", "text", MANY),
    ),
]
MESSAGES = [
    *(("message_id", "int", ID), ("sender_id", "int", ID), ("receiver_id", "int", ID)),
    *(("reply_to", "int", ID), ("sent_at", "time", TIME), ("kind", "text", CATEGORY)),
]
MATCH_KEY = [("day", "time", ID), ("home", "text", ID), ("away", "text", ID)]
TABLES = (
    make_table("users", USERS, "user_id", "joined"),
    make_table("orders", ORDERS, "order_id", "order_date"),
    make_table(
        "items",
        [
            ("item_id", "int", ID),
            ("order_id", "int", ID),
            ("product_id", "int", ID),
            ("price", "float", NUMBER),
        ],
    ),
    make_table("products", [("product_id", "int", ID), ("category", "text", CATEGORY)], "product_id"),
    make_table("stores", [("store_id", "text", ID), ("region", "text", CATEGORY)], "store_id"),
    make_table(
        "shelves", [("shelf_id", "int", ID), ("store_id", "text", ID), ("width", "float", NUMBER)], "shelf_id"
    ),
    make_table("messages", MESSAGES, "message_id", "sent_at"),
    make_table("readings", [("message_id", "int", ID), ("at", "time", TIME)], "", "at"),
    make_table("venues", [("venue_id", "int", ID), ("seats", "int", NUMBER)], "venue_id"),
    make_table("matches", [*MATCH_KEY, ("venue_id", "int", ID)], "day home away", "day"),
    make_table("goals", [*MATCH_KEY, ("minute", "int", NUMBER)], "", "day"),
    make_table("holidays", [("name", "text", CATEGORY), ("on", "time", TIME)], "", "on"),
    make_table(
        "odd table", [("the `id`", "int", ID), ("größe", "float", NUMBER), ("用户", "text", CATEGORY)], ""
    ),
)
LINKS = (
    make_link("orders", "user_id", "users", "user_id"),
    make_link("orders", "store_id", "stores", "store_id"),
    make_link("items", "order_id", "orders", "order_id"),
    make_link("items", "product_id", "products", "product_id"),
    make_link("shelves", "store_id", "stores", "store_id"),
    make_link("messages", "sender_id", "users", "user_id"),
    make_link("messages", "receiver_id", "users", "user_id"),
    make_link("messages", "reply_to", "messages", "message_id"),
    make_link("readings", "message_id", "messages", "message_id"),
    make_link("matches", "venue_id", "venues", "venue_id"),
    make_link("goals", "day home away", "matches", "day home away"),
)


@pytest.fixture(scope="session")
def schema() -> Schema:
    odd = Table("odd table", TABLES[-1].columns, ("the `id`",))
    return Schema((*TABLES[:-1], odd), LINKS)
