"""Small databases in the style of well-known ones, with what inference must find in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from profile_columns import (
    amounts,
    choices,
    hashes,
    later,
    names,
    sentences,
    skewed,
    some,
    spelled,
    times,
    unique_names,
)


@dataclass
class Database:
    """Tables, and the keys, times, ends and links that are in them; nothing beyond must be found."""

    tables: dict[str, dict]
    keys: dict[str, tuple[str, ...]]
    times: dict[str, str]
    links: set[str]
    tolerated: set[str] = field(default_factory=set)
    ends: dict[str, str] = field(default_factory=dict)
    stypes: dict[str, str] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)


DATABASES: dict[str, Callable[[], Database]] = {}


def database(make):
    """Register a database under the name of its function."""
    DATABASES[make.__name__] = make
    return make


@database
def northwind():
    r = np.random.default_rng(1)
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    customer = sorted({"".join(r.choice(letters, 5)) for _ in range(120)})[:91]
    n, m = 830, 2155
    ordered = times(r, n, "1996-07-04", 670, by="day")
    pairs = r.permutation(n * 77)[:m]
    return Database(
        {
            "Categories": {
                "CategoryID": range(1, 9),
                "CategoryName": unique_names(r, 8),
                "Description": sentences(r, 8),
            },
            "Customers": {
                "CustomerID": customer,
                "CompanyName": unique_names(r, 91),
                "ContactName": names(r, 91),
                "City": choices(r, names(r, 30, 1), 91),
                "Country": choices(r, ["UK", "USA", "France", "Germany"], 91),
                "PostalCode": [f"{v:05d}" for v in r.integers(100, 99999, 91)],
            },
            "Employees": {
                "EmployeeID": range(1, 10),
                "LastName": names(r, 9, 1),
                "FirstName": names(r, 9, 1),
                "BirthDate": times(r, 9, "1950-01-01", 6000, is_sorted=False, by="day"),
                "HireDate": times(r, 9, "1992-01-01", 900, by="day"),
                "ReportsTo": pa.array([2, None, 2, 2, 2, 5, 5, 2, 5]),
            },
            "Shippers": {
                "ShipperID": [1, 2, 3],
                "CompanyName": ["Speedy", "United", "Federal"],
                "Phone": ["1", "2", "3"],
            },
            "Suppliers": {
                "SupplierID": range(1, 30),
                "CompanyName": unique_names(r, 29),
                "City": names(r, 29, 1),
            },
            "Products": {
                "ProductID": range(1, 78),
                "ProductName": unique_names(r, 77),
                "SupplierID": r.integers(1, 30, 77),
                "CategoryID": r.integers(1, 9, 77),
                "UnitPrice": amounts(r, 77, 28),
                "UnitsInStock": r.integers(0, 125, 77),
                "ReorderLevel": r.integers(0, 7, 77) * 5,
                "Discontinued": r.integers(0, 2, 77),
            },
            "Orders": {
                "OrderID": range(10248, 10248 + n),
                "CustomerID": skewed(r, customer, n),
                "EmployeeID": r.integers(1, 10, n),
                "OrderDate": ordered,
                "RequiredDate": later(r, ordered, 42, by="day"),
                "ShippedDate": later(r, ordered, 20, 0.03, by="day"),
                "ShipVia": r.integers(1, 4, n),
                "Freight": amounts(r, n, 78),
                "ShipCountry": choices(r, ["UK", "USA", "France", "Germany"], n),
            },
            "Order Details": {
                "OrderID": np.sort(10248 + pairs // 77),
                "ProductID": (pairs % 77 + 1)[np.argsort(pairs // 77, kind="stable")],
                "UnitPrice": amounts(r, m, 26),
                "Quantity": r.integers(1, 77, m),
                "Discount": r.choice([0, 0.05, 0.1], m),
            },
        },
        {
            "Categories": ("CategoryID",),
            "Customers": ("CustomerID",),
            "Employees": ("EmployeeID",),
            "Shippers": ("ShipperID",),
            "Suppliers": ("SupplierID",),
            "Products": ("ProductID",),
            "Orders": ("OrderID",),
            "Order Details": ("OrderID", "ProductID"),
        },
        {"Orders": "OrderDate", "Employees": "HireDate"},
        {
            "Employees.ReportsTo -> Employees",
            "Products.SupplierID -> Suppliers",
            "Products.CategoryID -> Categories",
            "Orders.CustomerID -> Customers",
            "Orders.EmployeeID -> Employees",
            "Order Details.OrderID -> Orders",
            "Order Details.ProductID -> Products",
        },
        tolerated={"Orders.ShipVia -> Shippers"},
        stypes={
            "Orders.Freight": "numerical",
            "Customers.Country": "categorical",
            "Categories.Description": "text",
        },
    )


@database
def chinook():
    r = np.random.default_rng(2)
    n, m = 412, 2240
    album, track = 347, 3503
    playlist = r.permutation(18 * track)[:8715]
    return Database(
        {
            "artist": {"artist_id": range(1, 276), "name": unique_names(r, 275)},
            "album": {
                "album_id": range(1, album + 1),
                "title": unique_names(r, album),
                "artist_id": r.integers(1, 276, album),
            },
            "employee": {
                "employee_id": range(1, 9),
                "last_name": names(r, 8, 1),
                "title": choices(r, ["Manager", "Clerk"], 8),
                "reports_to": pa.array([None, 1, 2, 2, 2, 1, 6, 6]),
                "birth_date": times(r, 8, "1950-01-01", 8000, False, "day"),
                "hire_date": times(r, 8, "2002-04-01", 700, by="day"),
                "email": [f"p{i}@x.org" for i in range(8)],
            },
            "customer": {
                "customer_id": range(1, 60),
                "first_name": names(r, 59, 1),
                "company": some(r, names(r, 59), 0.8),
                "country": choices(r, ["USA", "Canada", "Brazil"], 59),
                "support_rep_id": r.integers(3, 6, 59),
            },
            "genre": {"genre_id": range(1, 26), "name": unique_names(r, 25)},
            "media_type": {"media_type_id": range(1, 6), "name": unique_names(r, 5)},
            "track": {
                "track_id": range(1, track + 1),
                "name": names(r, track, 3),
                "album_id": np.sort(r.integers(1, album + 1, track)),
                "media_type_id": r.integers(1, 6, track),
                "genre_id": r.integers(1, 26, track),
                "milliseconds": r.integers(1000, 5_000_000, track),
                "bytes": r.integers(38_000, 10**9, track),
                "unit_price": r.choice([0.99, 1.99], track),
            },
            "invoice": {
                "invoice_id": range(1, n + 1),
                "customer_id": r.integers(1, 60, n),
                "invoice_date": times(r, n, "2021-01-01", 1800, by="day"),
                "total": amounts(r, n, 6),
            },
            "invoice_line": {
                "invoice_line_id": range(1, m + 1),
                "invoice_id": np.sort(r.integers(1, n + 1, m)),
                "track_id": r.permutation(track)[:m] + 1,
                "unit_price": r.choice([0.99, 1.99], m),
                "quantity": np.ones(m, int),
            },
            "playlist": {"playlist_id": range(1, 19), "name": unique_names(r, 18)},
            "playlist_track": {"playlist_id": playlist // track + 1, "track_id": playlist % track + 1},
        },
        {
            "artist": ("artist_id",),
            "album": ("album_id",),
            "employee": ("employee_id",),
            "customer": ("customer_id",),
            "genre": ("genre_id",),
            "media_type": ("media_type_id",),
            "track": ("track_id",),
            "invoice": ("invoice_id",),
            "invoice_line": ("invoice_line_id",),
            "playlist": ("playlist_id",),
            "playlist_track": ("playlist_id", "track_id"),
        },
        {"invoice": "invoice_date", "employee": "hire_date"},
        {
            "album.artist_id -> artist",
            "employee.reports_to -> employee",
            "track.album_id -> album",
            "track.media_type_id -> media_type",
            "track.genre_id -> genre",
            "invoice.customer_id -> customer",
            "invoice_line.invoice_id -> invoice",
            "invoice_line.track_id -> track",
            "playlist_track.playlist_id -> playlist",
            "playlist_track.track_id -> track",
        },
        tolerated={"customer.support_rep_id -> employee"},
    )


@database
def sakila():
    r = np.random.default_rng(3)
    n, film, inventory = 3000, 1000, 4581
    rented = times(r, n, "2005-05-24", 90)
    same = np.full(film, np.datetime64("2006-02-15T05:03:42", "us"))
    actors = r.permutation(200 * film)[:5462]
    return Database(
        {
            "actor": {
                "actor_id": range(1, 201),
                "first_name": names(r, 200, 1),
                "last_name": names(r, 200, 1),
                "last_update": same[:200],
            },
            "film": {
                "film_id": range(1, film + 1),
                "title": unique_names(r, film),
                "description": sentences(r, film),
                "release_year": np.full(film, 2006),
                "language_id": np.ones(film, int),
                "original_language_id": pa.nulls(film, pa.int64()),
                "rental_duration": r.integers(3, 8, film),
                "rental_rate": r.choice([0.99, 2.99, 4.99], film),
                "length": r.integers(46, 186, film),
                "rating": choices(r, ["PG", "G", "R", "NC-17"], film),
                "special_features": [
                    ",".join(
                        sorted(
                            r.choice(
                                ["Trailers", "Commentaries", "Deleted Scenes", "Bloopers"],
                                r.integers(1, 4),
                                replace=False,
                            )
                        )
                    )
                    for _ in range(film)
                ],
                "last_update": same,
            },
            "language": {"language_id": range(1, 7), "name": unique_names(r, 6), "last_update": same[:6]},
            "film_actor": {
                "actor_id": actors // film + 1,
                "film_id": actors % film + 1,
                "last_update": np.resize(same, 5462),
            },
            "inventory": {
                "inventory_id": range(1, inventory + 1),
                "film_id": np.sort(r.integers(1, film + 1, inventory)),
                "store_id": r.integers(1, 3, inventory),
                "last_update": np.resize(same, inventory),
            },
            "store": {
                "store_id": [1, 2],
                "manager_staff_id": [1, 2],
                "address_id": [1, 2],
                "last_update": same[:2],
            },
            "staff": {
                "staff_id": [1, 2],
                "first_name": ["Mike", "Jon"],
                "address_id": [3, 4],
                "store_id": [1, 2],
                "active": [True, True],
                "last_update": same[:2],
            },
            "address": {
                "address_id": range(1, 604),
                "address": unique_names(r, 603),
                "district": names(r, 603, 1),
                "city_id": r.integers(1, 601, 603),
                "postal_code": [f"{v:05d}" for v in r.integers(100, 99999, 603)],
                "last_update": same[:603],
            },
            "city": {
                "city_id": range(1, 601),
                "city": unique_names(r, 600),
                "country_id": r.integers(1, 110, 600),
                "last_update": same[:600],
            },
            "country": {
                "country_id": range(1, 110),
                "country": unique_names(r, 109),
                "last_update": same[:109],
            },
            "customer": {
                "customer_id": range(1, 600),
                "store_id": r.integers(1, 3, 599),
                "first_name": names(r, 599, 1),
                "email": [f"c{i}@x.org" for i in range(599)],
                "address_id": r.permutation(599) + 5,
                "active": r.choice([True, False], 599),
                "create_date": times(r, 599, "2005-01-01", 140),
                "last_update": same[:599],
            },
            "rental": {
                "rental_id": range(1, n + 1),
                "rental_date": rented,
                "inventory_id": r.integers(1, inventory + 1, n),
                "customer_id": r.integers(1, 600, n),
                "return_date": later(r, rented, 9, 0.01),
                "staff_id": r.integers(1, 3, n),
                "last_update": np.resize(same, n),
            },
            "payment": {
                "payment_id": range(1, n + 1),
                "customer_id": r.integers(1, 600, n),
                "staff_id": r.integers(1, 3, n),
                "rental_id": r.permutation(n) + 1,
                "amount": r.choice([0.99, 2.99, 4.99, 6.99], n),
                "payment_date": times(r, n, "2005-05-24", 90, False),
            },
        },
        {
            "actor": ("actor_id",),
            "film": ("film_id",),
            "language": ("language_id",),
            "film_actor": ("actor_id", "film_id"),
            "inventory": ("inventory_id",),
            "store": ("store_id",),
            "staff": ("staff_id",),
            "address": ("address_id",),
            "city": ("city_id",),
            "country": ("country_id",),
            "customer": ("customer_id",),
            "rental": ("rental_id",),
            "payment": ("payment_id",),
        },
        {"customer": "create_date", "rental": "rental_date", "payment": "payment_date"},
        {
            "film.language_id -> language",
            "film_actor.actor_id -> actor",
            "film_actor.film_id -> film",
            "inventory.film_id -> film",
            "inventory.store_id -> store",
            "address.city_id -> city",
            "city.country_id -> country",
            "customer.store_id -> store",
            "customer.address_id -> address",
            "rental.inventory_id -> inventory",
            "rental.customer_id -> customer",
            "rental.staff_id -> staff",
            "payment.customer_id -> customer",
            "payment.staff_id -> staff",
            "payment.rental_id -> rental",
            "staff.store_id -> store",
            "staff.address_id -> address",
            "store.address_id -> address",
            "store.manager_staff_id -> staff",
        },
        stypes={
            "film.special_features": "multicategorical",
            "film.description": "text",
            "film.rating": "categorical",
        },
    )


@database
def olist():
    r = np.random.default_rng(4)
    n, product, seller = 4000, 900, 120
    order, customer = hashes(r, n, 32), hashes(r, n, 32)
    products, sellers = hashes(r, product, 32), hashes(r, seller, 32)
    categories = [w.replace(" ", "_").lower() for w in unique_names(r, 60)]
    bought = times(r, n, "2016-09-04", 700)
    items = [(i, k) for i in range(n) for k in range(1, 1 + int(r.choice([1, 1, 1, 2, 3])))]
    payments = [(i, k) for i in range(n) for k in range(1, 1 + int(r.choice([1, 1, 1, 2])))]
    review = hashes(r, n, 32)
    review = [review[i - 1] if i % 100 == 7 else v for i, v in enumerate(review)]
    zips = [f"{v:05d}" for v in r.integers(1000, 99990, 800)]
    answered = later(r, bought, 20)
    return Database(
        {
            "olist_customers_dataset": {
                "customer_id": customer,
                "customer_unique_id": skewed(r, hashes(r, 3700, 32), n),
                "customer_zip_code_prefix": r.choice(zips, n),
                "customer_city": choices(r, names(r, 90), n),
                "customer_state": choices(r, ["SP", "RJ", "MG", "RS"], n),
            },
            "olist_geolocation_dataset": {
                "geolocation_zip_code_prefix": r.choice(zips, 5000),
                "geolocation_lat": r.normal(-21, 3, 5000),
                "geolocation_lng": r.normal(-46, 3, 5000),
            },
            "olist_orders_dataset": {
                "order_id": order,
                "customer_id": r.permutation(customer),
                "order_status": choices(r, ["delivered", "shipped", "canceled"], n),
                "order_purchase_timestamp": spelled(bought, "%Y-%m-%d %H:%M:%S"),
                "order_approved_at": later(r, bought, 2, 0.01),
                "order_delivered_customer_date": later(r, bought, 30, 0.03),
                "order_estimated_delivery_date": later(r, bought, 40, by="day"),
            },
            "olist_order_items_dataset": {
                "order_id": [order[i] for i, _ in items],
                "order_item_id": [k for _, k in items],
                "product_id": skewed(r, products, len(items)),
                "seller_id": skewed(r, sellers, len(items)),
                "shipping_limit_date": times(r, len(items), "2016-09-10", 700, False),
                "price": amounts(r, len(items), 120),
                "freight_value": amounts(r, len(items), 20),
            },
            "olist_order_payments_dataset": {
                "order_id": [order[i] for i, _ in payments],
                "payment_sequential": [k for _, k in payments],
                "payment_type": choices(r, ["credit_card", "boleto", "voucher"], len(payments)),
                "payment_installments": r.integers(1, 11, len(payments)),
                "payment_value": amounts(r, len(payments), 150),
            },
            "olist_order_reviews_dataset": {
                "review_id": review,
                "order_id": r.permutation(order),
                "review_score": r.integers(1, 6, n),
                "review_comment_message": some(r, sentences(r, n, 9), 0.6),
                "review_creation_date": np.asarray(later(r, bought, 25, by="day")),
                "review_answer_timestamp": answered,
            },
            "olist_products_dataset": {
                "product_id": products,
                "product_category_name": r.choice(categories, product),
                "product_name_lenght": r.integers(5, 76, product),
                "product_weight_g": r.integers(50, 30000, product),
            },
            "olist_sellers_dataset": {
                "seller_id": sellers,
                "seller_zip_code_prefix": r.choice(zips, seller),
                "seller_city": choices(r, names(r, 40), seller),
            },
            "product_category_name_translation": {
                "product_category_name": categories,
                "product_category_name_english": unique_names(r, 60),
            },
        },
        {
            "olist_customers_dataset": ("customer_id",),
            "olist_orders_dataset": ("order_id",),
            "olist_order_items_dataset": ("order_id", "order_item_id"),
            "olist_order_payments_dataset": ("order_id", "payment_sequential"),
            "olist_order_reviews_dataset": ("review_id", "order_id"),
            "olist_products_dataset": ("product_id",),
            "olist_sellers_dataset": ("seller_id",),
            "product_category_name_translation": ("product_category_name",),
        },
        {
            "olist_orders_dataset": "order_purchase_timestamp",
            "olist_order_reviews_dataset": "review_creation_date",
        },
        {
            "olist_orders_dataset.customer_id -> olist_customers_dataset",
            "olist_order_items_dataset.order_id -> olist_orders_dataset",
            "olist_order_items_dataset.product_id -> olist_products_dataset",
            "olist_order_items_dataset.seller_id -> olist_sellers_dataset",
            "olist_order_payments_dataset.order_id -> olist_orders_dataset",
            "olist_order_reviews_dataset.order_id -> olist_orders_dataset",
            "olist_products_dataset.product_category_name -> product_category_name_translation",
        },
        stypes={
            "olist_order_reviews_dataset.review_comment_message": "text",
            "olist_customers_dataset.customer_zip_code_prefix": "categorical",
        },
        formats={"olist_orders_dataset.order_purchase_timestamp": "iso"},
    )
