"""From days to tables: what a database of the shop holds, with the dirt that such databases have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from weft.data.shop.journal import SECONDS_PER_DAY, Journal
from weft.data.shop.population import (
    CHANNEL_CODES,
    LEAVES,
    ROOTS,
    START,
    TIERS,
    Catalog,
    Floats,
    Ints,
    Population,
    num_leaves,
)
from weft.data.shop.simulation import CARRIER_CODES, PROMISED_DAYS

FIRST_USER, FIRST_ORDER = 1001, 500_001
GOOD_TEXTS = ("Just right, thank you.", "Works well and looks good.", "Would buy again.", "Lovely quality.")
PLAIN_TEXTS = ("It is fine.", "Does what it should.", "A bit smaller than I thought.", "Okay for the price.")
BAD_TEXTS = ("Not what I expected.", "Broke after a week.", "Poor quality, sadly.", "The color is wrong.")
LATE_TEXTS = (
    "Arrived far too late.",
    "Waited and waited, the delivery was late again.",
    "The parcel came days after the promised date.",
    "Late delivery, nobody answered my mails.",
)


def to_times(seconds: Ints) -> pa.Array:
    """Turn seconds since `START` into Arrow timestamps."""
    origin = int(dt.datetime.combine(START, dt.time(), dt.UTC).timestamp())
    return pa.array((np.asarray(seconds) + origin) * 1_000_000, pa.timestamp("us"))


def make_tables(
    population: Population, catalog: Catalog, journal: Journal, rng: np.random.Generator
) -> dict[str, pa.Table]:
    """Write the journal down as the tables of an online shop."""
    price = catalog.price_on(journal.item_product, journal.item_day)
    total: Floats = np.zeros(len(journal.order_user))
    np.add.at(total, journal.item_order, price * journal.item_quantity)
    reviewed = _reviewed_products(journal)
    return {
        "categories": _categories(),
        "users": _users(population, journal, rng),
        "products": _products(catalog, reviewed, journal.review_rating, rng),
        "orders": _orders(journal, total, rng),
        "order_items": _order_items(journal, price, rng),
        "deliveries": _deliveries(journal, rng),
        "reviews": _reviews(journal, reviewed, rng),
        "visits": _visits(journal, len(catalog.price), rng),
    }


def product_keys(products: Ints) -> pa.Array:
    """Return the keys of products, such as ``P00042``."""
    return pa.array([f"P{product:05d}" for product in products.tolist()])


def _categories() -> pa.Table:
    roots, leaves = len(ROOTS), num_leaves()
    names = [*ROOTS, *(f"{root} {leaf}" for root in ROOTS for leaf in LEAVES)]
    parents = [None] * roots + [1 + leaf // len(LEAVES) for leaf in range(leaves)]
    codes = [f"{name[:2].upper()}-{number:02d}" for number, name in enumerate(names, 1)]
    return pa.table(
        {
            "category_id": pa.array(range(1, roots + leaves + 1), pa.int64()),
            "parent_category_id": pa.array(parents, pa.int64()),
            "name": names,
            "code": codes,
        }
    )


def _category_key(leaf: Ints) -> pa.Array:
    return pa.array(leaf + 1 + len(ROOTS))


def _users(population: Population, journal: Journal, rng: np.random.Generator) -> pa.Table:
    n = len(population.tier)
    second = population.signup_day * SECONDS_PER_DAY + rng.integers(0, SECONDS_PER_DAY, n)
    countries = rng.choice(["DE", "FR", "NL", "PL", "IT"], n, p=[0.42, 0.2, 0.16, 0.12, 0.1])
    return pa.table(
        {
            "user_id": pa.array(np.arange(n) + FIRST_USER),
            "signed_up_at": to_times(second),
            "tier": pa.array(np.array(TIERS)[population.tier]),
            "channel_code": pa.array(CHANNEL_CODES[population.channel]),
            "country": _with_nulls(pa.array(countries), 0.03, rng),
            "birth_year": _with_nulls(pa.array(rng.integers(1948, 2006, n)), 0.12, rng),
            "newsletter": pa.array(rng.random(n) < 0.4),
            "interest_category_id": _category_key(population.interest),
            "lifetime_orders": pa.array(np.bincount(journal.order_user, minlength=n)),
        }
    )


def _products(catalog: Catalog, reviewed: Ints, rating: Ints, rng: np.random.Generator) -> pa.Table:
    n = len(catalog.price)
    root, leaf = catalog.category // len(LEAVES), catalog.category % len(LEAVES)
    labels = zip(root.tolist(), leaf.tolist(), range(n), strict=True)
    names = [f"{ROOTS[a]} {LEAVES[b].lower()} no. {number}" for a, b, number in labels]
    made_of = rng.choice(["oak", "steel", "linen", "glass", "recycled plastic"], n)
    texts = [f"A piece for your {ROOTS[a].lower()}, made of {m}." for a, m in zip(root, made_of, strict=True)]
    count = np.bincount(reviewed, minlength=n)
    mean = np.bincount(reviewed, weights=rating, minlength=n) / np.maximum(count, 1)
    launched = catalog.launch_day - np.where(catalog.launch_day == 0, rng.integers(1, 500, n), 0)
    return pa.table(
        {
            "product_id": product_keys(np.arange(n)),
            "category_id": _category_key(catalog.category),
            "name": names,
            "description": _with_nulls(pa.array(texts), 0.05, rng),
            "brand": pa.array(rng.choice(["Alder", "Birke", "Corvo", "Dune", "Elm"], n)),
            "list_price": pa.array(catalog.price_on(np.arange(n), catalog.launch_day)),
            "weight_g": _with_nulls(pa.array(np.round(rng.gamma(2.0, 300, n))), 0.15, rng),
            "status_code": pa.array(rng.choice([10, 20, 30], n, p=[0.8, 0.15, 0.05])),
            "launched_at": to_times(launched * SECONDS_PER_DAY),
            "average_rating": pa.array(np.round(mean, 3), mask=count == 0),
        }
    )


def _orders(journal: Journal, total: Floats, rng: np.random.Generator) -> pa.Table:
    n = len(journal.order_user)
    payment = rng.choice(["card", "invoice", "wallet"], n, p=[0.55, 0.25, 0.2])
    coupon = np.char.add("SAVE", rng.choice(["05", "10", "15"], n))
    return pa.table(
        {
            "order_id": pa.array(np.arange(n) + FIRST_ORDER),
            "user_id": pa.array(journal.order_user + FIRST_USER),
            "ordered_at": to_times(journal.order_second),
            "carrier_code": pa.array(CARRIER_CODES[journal.order_carrier]),
            "payment": _with_nulls(pa.array(payment), 0.02, rng),
            "coupon": _with_nulls(pa.array(coupon), 0.85, rng),
            "total_amount": pa.array(np.round(total, 2)),
        }
    )


def _order_items(journal: Journal, price: Floats, rng: np.random.Generator) -> pa.Table:
    n = len(journal.item_order)
    first = np.searchsorted(journal.item_order, journal.item_order)
    product = _with_dangling(product_keys(journal.item_product), 0.004, rng)
    return pa.table(
        {
            "order_id": pa.array(journal.item_order + FIRST_ORDER),
            "line_no": pa.array(np.arange(n) - first + 1),
            "product_id": product,
            "quantity": pa.array(journal.item_quantity),
            "unit_price": pa.array(price),
            "created_at": to_times(journal.order_second[journal.item_order]),
        }
    )


def _deliveries(journal: Journal, rng: np.random.Generator) -> pa.Table:
    n = len(journal.delivery_order)
    status = np.where(journal.delivery_late > 0, "late", "on time")
    return pa.table(
        {
            "delivery_id": pa.array(np.arange(n) + 1),
            "order_id": pa.array(journal.delivery_order + FIRST_ORDER),
            "delivered_at": to_times(journal.delivery_second),
            "days_late": pa.array(journal.delivery_late),
            "promised_days": pa.array(np.full(n, PROMISED_DAYS)),
            "status": pa.array(status),
            "signed_by": _with_nulls(pa.array(rng.choice(["resident", "neighbor", "locker"], n)), 0.3, rng),
        }
    )


def _reviews(journal: Journal, reviewed: Ints, rng: np.random.Generator) -> pa.Table:
    n = len(journal.review_order)
    kind = np.select(
        [journal.review_rating >= 4, journal.review_rating == 3, journal.review_late > 0], [0, 1, 3], 2
    )
    texts = np.array([GOOD_TEXTS, PLAIN_TEXTS, BAD_TEXTS, LATE_TEXTS])
    return pa.table(
        {
            "review_id": pa.array(np.arange(n) + 1),
            "user_id": pa.array(journal.order_user[journal.review_order] + FIRST_USER),
            "order_id": pa.array(journal.review_order + FIRST_ORDER),
            "product_id": _with_dangling(product_keys(reviewed), 0.006, rng),
            "rating": pa.array(journal.review_rating),
            "body": _with_nulls(pa.array(texts[kind, rng.integers(0, 4, n)]), 0.25, rng),
            "reviewed_at": to_times(journal.review_second),
        }
    )


def _visits(journal: Journal, num_products: int, rng: np.random.Generator) -> pa.Table:
    n = len(journal.visit_user)
    product = product_keys((num_products * rng.random(n) ** 2).astype(np.int64))
    return pa.table(
        {
            "visit_id": pa.array(np.arange(n) + 1),
            "user_id": _with_nulls(pa.array(journal.visit_user + FIRST_USER), 0.06, rng),
            "product_id": _with_nulls(product, 0.2, rng),
            "device": pa.array(rng.choice(["phone", "desktop", "tablet"], n, p=[0.6, 0.32, 0.08])),
            "duration_s": _with_nulls(pa.array(np.round(rng.gamma(1.3, 90, n), 1)), 0.08, rng),
            "visited_at": to_times(journal.visit_second),
        }
    )


def _reviewed_products(journal: Journal) -> Ints:
    first = np.searchsorted(journal.item_order, journal.review_order)
    products: Ints = journal.item_product[first]
    return products


def _with_nulls(values: pa.Array, share: float, rng: np.random.Generator) -> pa.Array:
    import pyarrow.compute as pc

    return pc.if_else(pa.array(rng.random(len(values)) < share), pa.scalar(None, values.type), values)


def _with_dangling(keys: pa.Array, share: float, rng: np.random.Generator) -> pa.Array:
    """Replace some keys by those of products long gone."""
    import pyarrow.compute as pc

    gone = pa.array([f"X{number:05d}" for number in rng.integers(0, 40, len(keys)).tolist()])
    return pc.if_else(pa.array(rng.random(len(keys)) < share), gone, keys)


def describe_leaks() -> Mapping[str, str]:
    """Name the columns that hold the future on purpose, each with what it holds."""
    return {
        "users.lifetime_orders": "the number of the user's orders over all time, those to come included",
        "products.average_rating": "the mean of the product's reviews over all time",
    }
