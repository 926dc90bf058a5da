"""Random tiny databases that hold every kind of path, written as prepared tables."""

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import ROW, TIME, Column, Dtype, Link, Resources, Schema, Stype, Table
from weft.data.tables import Tables
from weft.pql import compile_query

DAY = 86_400_000_000
ARROW = {
    Dtype.INT: pa.int64(),
    Dtype.FLOAT: pa.float64(),
    Dtype.BOOL: pa.bool_(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us"),
    Dtype.VECTOR: pa.list_(pa.float32()),
}


def number(name):
    return Column(name, Dtype.FLOAT, Stype.NUMERICAL)


def word(name):
    return Column(name, Dtype.STRING, Stype.CATEGORICAL)


def key(name):
    return Column(name, Dtype.INT, Stype.ID)


def instant(name):
    return Column(name, Dtype.TIMESTAMP, Stype.TIMESTAMP)


def lists(name, separator):
    return Column(name, Dtype.STRING, Stype.MULTICATEGORICAL, separator=separator)


def text(name):
    return Column(name, Dtype.STRING, Stype.TEXT)


SCHEMA = Schema(
    (
        Table("brands", (key("id"), word("country"), number("size")), ("id",)),
        Table(
            "products",
            (
                key("id"),
                key("brand_id"),
                number("price"),
                instant("listed"),
                lists("uses", "<>"),
                Column("looks", Dtype.VECTOR, Stype.EMBEDDING),
                instant("withdrawn"),
            ),
            ("id",),
            "listed",
        ),
        Table("shelves", (key("product_id"), key("shop"), number("level")), ("product_id", "shop")),
        Table(
            "customers",
            (
                key("id"),
                key("referrer_id"),
                word("city"),
                instant("born"),
                instant("since"),
                text("about"),
                lists("likes", "json"),
                instant("left"),
                instant("renewal"),
            ),
            ("id",),
            "since",
        ),
        Table(
            "orders",
            (
                key("id"),
                key("customer_id"),
                key("product_id"),
                key("shop"),
                number("amount"),
                word("kind"),
                Column("gift", Dtype.BOOL, Stype.CATEGORICAL),
                instant("at"),
                text("note"),
                lists("tags", ";"),
            ),
            ("id",),
            "at",
        ),
        Table("refunds", (key("id"), key("order_id"), number("cost"), instant("at")), ("id",), "at"),
    ),
    (
        Link("customers", ("referrer_id",), "customers", ("id",)),
        Link("products", ("brand_id",), "brands", ("id",)),
        Link("orders", ("customer_id",), "customers", ("id",)),
        Link("orders", ("product_id",), "products", ("id",)),
        Link("orders", ("product_id", "shop"), "shelves", ("product_id", "shop")),
        Link("refunds", ("order_id",), "orders", ("id",)),
    ),
)
QUERY = compile_query("PREDICT SUM(orders.amount, 0, 10, days) > 5 FOR EACH customers.id", SCHEMA)


@dataclass(frozen=True)
class Rows:
    """Tables as lists of dicts; times are microseconds. ``numbers`` are the values of ``__row``."""

    rows: dict
    schema: Schema = SCHEMA

    def time(self, table, row):
        column = self.schema.table(table).time_column
        return row[column] if column else None

    def without_later(self, cutoff):
        """Drop every row that is later than an instant."""
        kept = {
            table: [r for r in rows if self.time(table, r) is None or self.time(table, r) <= cutoff]
            for table, rows in self.rows.items()
        }
        return replace(self, rows=kept)

    def without_row(self, table, number):
        kept = [r for r in self.rows[table] if r[ROW] != number]
        return replace(self, rows=self.rows | {table: kept})

    def write(self, folder: Path, memory_bytes=1_000_000_000) -> Tables:
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for table in self.schema.tables:
            rows = self.rows[table.name]
            data = {c.name: pa.array([r[c.name] for r in rows], ARROW[c.dtype]) for c in table.columns}
            data[ROW] = pa.array([r[ROW] for r in rows], pa.int64())
            data[TIME] = pa.array([self.time(table.name, r) for r in rows], pa.timestamp("us"))
            paths[table.name] = folder / f"{table.name}.parquet"
            pq.write_table(pa.table(data), paths[table.name])
        return Tables(self.schema, paths, Resources(memory_bytes, 1), folder / "scratch")


def random_rows(seed: int, *, num_orders=40) -> Rows:
    """Make a database of some customers over about 100 days; keys dangle, values are missing."""
    rng = random.Random(seed)
    day = lambda low=0, high=100: rng.randint(low, high) * DAY  # noqa: E731
    maybe = lambda value: None if rng.random() < 0.15 else value  # noqa: E731
    brands = [
        {"id": i, "country": maybe(rng.choice("xyz")), "size": maybe(rng.uniform(-1, 9))} for i in range(3)
    ]
    products = [
        {
            "id": i,
            "brand_id": maybe(rng.randint(0, 3)),
            "price": maybe(rng.uniform(1, 5)),
            "listed": day(0, 60),
        }
        for i in range(5)
    ]
    shelves = [{"product_id": p, "shop": s, "level": rng.uniform(0, 9)} for p in range(5) for s in range(2)]
    customers = [
        {
            "id": 10 + i,
            "referrer_id": maybe(10 + rng.randint(0, 6)),
            "city": maybe(rng.choice("ab")),
            "born": maybe(-day(5000, 9000)),
            "since": day(0, 30),
        }
        for i in range(6)
    ]
    orders = [
        {
            "id": 100 + i,
            "customer_id": maybe(10 + rng.randint(0, 6)),
            "product_id": maybe(rng.randint(0, 5)),
            "shop": rng.randint(0, 1),
            "amount": maybe(float(rng.choice([rng.randint(0, 9), rng.uniform(0, 9)]))),
            "kind": maybe(rng.choice("pqr")),
            "gift": maybe(rng.random() < 0.5),
            "at": day(),
        }
        for i in range(num_orders)
    ]
    refunds = [
        {"id": i, "order_id": 100 + rng.randint(0, num_orders), "cost": maybe(rng.uniform(0, 4)), "at": day()}
        for i in range(15)
    ]
    tables = {
        "brands": brands,
        "products": products,
        "shelves": shelves,
        "customers": customers,
        "orders": orders,
        "refunds": refunds,
    }
    _describe(tables, random.Random(seed + 1))
    for rows in tables.values():
        for number_, row in enumerate(rows):
            row[ROW] = number_
    return Rows(tables)


def _describe(tables, rng):
    """Add texts, lists, vectors and dates that lie before, on and after the days of the rows."""
    maybe = lambda value: None if rng.random() < 0.2 else value  # noqa: E731
    some = lambda: [rng.choice(["x", "y", "z w", "ü", "x "]) for _ in range(rng.randint(0, 3))]  # noqa: E731
    words = lambda: rng.choice(["", " ", "one", "one two", " größe\t三 \n vier", "it's"])  # noqa: E731
    for product in tables["products"]:
        product["uses"] = maybe("".join(f"<{item}>" for item in some()))
        product["looks"] = maybe([rng.choice([-1.0, 0.25, 2.0]) for _ in range(3)])
        product["withdrawn"] = maybe(product["listed"] + rng.randint(0, 60) * DAY)
    for customer in tables["customers"]:
        customer["about"], customer["likes"] = maybe(words()), maybe(json.dumps(some()))
        customer["left"] = maybe(customer["since"] + rng.randint(0, 90) * DAY)
        customer["renewal"] = customer["since"] + rng.randint(60, 200) * DAY
    tables["customers"][0]["renewal"], tables["customers"][1]["renewal"] = 180 * DAY, 190 * DAY
    for order in tables["orders"]:
        order["note"], order["tags"] = maybe(words()), maybe("; ".join(some()))


def seeds_of(pairs) -> pa.Table:
    """Make seeds from (entity, cutoff[, anchor]) in microseconds."""
    entity, cutoff = [p[0] for p in pairs], [p[1] for p in pairs]
    anchor = [p[2] if len(p) > 2 else p[1] for p in pairs]
    return pa.table(
        {
            "entity": pa.array(entity, pa.int64()),
            "anchor_time": pa.array(anchor, pa.timestamp("us")),
            "cutoff": pa.array(cutoff, pa.timestamp("us")),
        }
    )


def labels_of(rows: Rows, anchors, *, split=lambda anchor: "train") -> pa.Table:
    """Make a label table: does the customer spend more than 5 in the 10 days after the anchor."""
    found = []
    for anchor in anchors:
        for customer in rows.rows["customers"]:
            if customer["since"] > anchor:
                continue
            spent = [
                o["amount"] or 0.0
                for o in rows.rows["orders"]
                if o["customer_id"] == customer["id"] and anchor < o["at"] <= anchor + 10 * DAY
            ]
            found.append((anchor, customer["id"], float(sum(spent) > 5), split(anchor)))
    found.sort()
    times = pa.array([f[0] for f in found], pa.timestamp("us"))
    return pa.table(
        {
            "entity": pa.array([f[1] for f in found], pa.int64()),
            "anchor_time": times,
            "cutoff": times,
            "label": [f[2] > 0 for f in found],
            "split": [f[3] for f in found],
        }
    )
