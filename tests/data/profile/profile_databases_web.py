"""Databases of the web: classified ads, a social network, flights, and traps for false links."""

from __future__ import annotations

import numpy as np
from profile_columns import (
    amounts,
    choices,
    names,
    sentences,
    skewed,
    some,
    sparse,
    spelled,
    times,
    unique_names,
)
from profile_databases import Database, database


@database
def classifieds():
    r = np.random.default_rng(20)
    ads, users, n = 3000, 2000, 8000
    ad, user = np.sort(sparse(r, 40_000_000, ads)), np.sort(sparse(r, 4_000_000, users))
    search = np.sort(sparse(r, 100_000_000, 5000))
    return Database(
        {
            "AdsInfo": {
                "AdID": ad,
                "LocationID": r.choice(range(1, 300), ads),
                "CategoryID": r.integers(1, 60, ads),
                "Price": amounts(r, ads, 900),
                "Title": names(r, ads, 4),
                "IsContext": r.integers(0, 2, ads),
            },
            "UserInfo": {
                "UserID": user,
                "UserBrowserID": r.integers(1, 50, users),
                "UserDeviceID": r.integers(1, 900, users),
            },
            "SearchInfo": {
                "SearchID": search,
                "SearchDate": times(r, 5000, "2015-04-25", 25),
                "UserID": r.choice(user, 5000),
                "IsUserLoggedOn": r.integers(0, 2, 5000),
                "LocationID": r.integers(1, 300, 5000),
                "CategoryID": r.integers(1, 60, 5000),
                "SearchQuery": some(r, names(r, 5000), 0.6),
            },
            "SearchStream": {
                "SearchID": r.choice(search, n),
                "AdID": r.choice(ad, n),
                "SearchDate": times(r, n, "2015-04-25", 25),
                "Position": r.integers(1, 9, n),
                "HistCTR": r.random(n),
                "IsClick": r.integers(0, 2, n),
            },
            "VisitStream": {
                "UserID": r.choice(user, n),
                "AdID": r.choice(ad, n),
                "ViewDate": times(r, n, "2015-04-25", 25),
            },
            "Location": {
                "LocationID": range(1, 300),
                "Level": r.integers(1, 4, 299),
                "RegionID": r.integers(1, 90, 299),
            },
            "Category": {
                "CategoryID": range(1, 60),
                "Level": r.integers(1, 4, 59),
                "ParentCategoryID": r.integers(1, 12, 59),
            },
        },
        {
            "AdsInfo": ("AdID",),
            "UserInfo": ("UserID",),
            "SearchInfo": ("SearchID",),
            "Location": ("LocationID",),
            "Category": ("CategoryID",),
        },
        {"SearchInfo": "SearchDate", "SearchStream": "SearchDate", "VisitStream": "ViewDate"},
        {
            "AdsInfo.LocationID -> Location",
            "AdsInfo.CategoryID -> Category",
            "SearchInfo.UserID -> UserInfo",
            "SearchInfo.LocationID -> Location",
            "SearchInfo.CategoryID -> Category",
            "SearchStream.SearchID -> SearchInfo",
            "SearchStream.AdID -> AdsInfo",
            "VisitStream.UserID -> UserInfo",
            "VisitStream.AdID -> AdsInfo",
        },
        tolerated={"Category.ParentCategoryID -> Category"},
        stypes={"UserInfo.UserBrowserID": "categorical", "SearchStream.Position": "numerical"},
    )


@database
def gatherings():
    """Foreign keys named after the thing alone, a friend, and numbered columns."""
    r = np.random.default_rng(21)
    users, events = np.sort(sparse(r, 2**40, 900)), np.sort(sparse(r, 2**31, 700))
    joined = times(r, 900, "2010-01-01", 900)
    starts = times(r, 700, "2012-06-01", 400)
    friends = r.permutation(900 * 900)[:4000]
    return Database(
        {
            "users": {
                "user_id": users,
                "locale": choices(r, ["en_US", "id_ID"], 900),
                "birthyear": r.integers(1940, 2001, 900),
                "gender": choices(r, ["male", "female"], 900),
                "joinedAt": some(r, joined, 0.01),
                "timezone": r.integers(-12, 13, 900) * 60,
            },
            "events": {
                "event_id": events,
                "user_id": r.choice(users, 700),
                "start_time": starts,
                "city": choices(r, names(r, 50, 1), 700, 0.4),
                "lat": r.normal(0, 30, 700),
                "c_1": r.integers(0, 9, 700),
                "c_2": r.integers(0, 9, 700),
            },
            "event_interest": {
                "user": r.choice(users, 3000),
                "event": r.choice(events, 3000),
                "invited": r.integers(0, 2, 3000),
                "timestamp": spelled(times(r, 3000, "2012-06-01", 300), "%Y-%m-%dT%H:%M:%S.000Z"),
                "interested": r.integers(0, 2, 3000),
            },
            "user_friends": {"user1_id": users[friends // 900], "user2_id": users[friends % 900]},
        },
        {"users": ("user_id",), "events": ("event_id",), "user_friends": ("user1_id", "user2_id")},
        {"users": "joinedAt", "events": "start_time", "event_interest": "timestamp"},
        {
            "events.user_id -> users",
            "event_interest.user -> users",
            "event_interest.event -> events",
            "user_friends.user1_id -> users",
            "user_friends.user2_id -> users",
        },
        formats={"event_interest.timestamp": "iso"},
        stypes={"users.birthyear": "numerical", "users.locale": "categorical"},
    )


@database
def flights():
    r = np.random.default_rng(22)
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    codes = sorted({"".join(r.choice(letters, 3)) for _ in range(400)})
    n = 6000
    planned = times(r, n, "2013-01-01", 364)
    tails = [f"N{v}" for v in sparse(r, 99_999, 500)]
    return Database(
        {
            "airports": {
                "faa": codes,
                "name": unique_names(r, len(codes)),
                "lat": r.normal(38, 5, len(codes)),
                "alt": r.integers(0, 9000, len(codes)),
                "tz": r.integers(-10, -4, len(codes)),
            },
            "airlines": {
                "carrier": ["AA", "UA", "DL", "B6", "EV", "MQ", "US", "WN", "VX", "FL", "AS", "9E"],
                "name": unique_names(r, 12),
            },
            "planes": {
                "tailnum": tails,
                "year": some(r, r.integers(1960, 2013, 500).astype(float), 0.02),
                "manufacturer": choices(r, ["BOEING", "AIRBUS"], 500),
                "seats": r.integers(2, 450, 500),
            },
            "flights": {
                "flight_id": range(1, n + 1),
                "scheduled_departure": planned,
                "origin": skewed(r, codes, n),
                "dest": r.choice(codes, n),
                "carrier": r.choice(
                    ["AA", "UA", "DL", "B6", "EV", "MQ", "US", "WN", "VX", "FL", "AS", "9E"], n
                ),
                "tailnum": r.choice([*tails, *[f"X{i}" for i in range(60)]], n),
                "flight": r.integers(1, 6000, n),
                "distance": r.integers(80, 4983, n),
                "delay": r.integers(-20, 400, n),
            },
        },
        {"airports": ("faa",), "airlines": ("carrier",), "planes": ("tailnum",), "flights": ("flight_id",)},
        {"flights": "scheduled_departure"},
        {
            "flights.origin -> airports",
            "flights.dest -> airports",
            "flights.carrier -> airlines",
            "flights.tailnum -> planes",
        },
    )


@database
def traps():
    """Small numbers in dense keys, shared words, look-alike codes: no link but the two that are."""
    r = np.random.default_rng(23)
    n = 4000
    at = times(r, n, "2022-01-01", 500)
    return Database(
        {
            "product": {
                "id": range(1, 1001),
                "weight": r.integers(1, 1000, 1000),
                "stock": r.integers(0, 900, 1000),
                "size": choices(r, list("SML"), 1000),
                "rank": r.permutation(1000) + 1,
            },
            "purchase": {
                "id": range(1, n + 1),
                "product_id": r.integers(1, 1001, n),
                "quantity": r.integers(1, 20, n),
                "points": r.integers(0, 900, n),
                "customer_number": r.integers(1, 800, n),
                "position": r.integers(1, 50, n),
                "grid": r.integers(1, 30, n),
                "paid": r.integers(0, 2, n),
                "week": r.integers(1, 53, n),
                "created": at,
                "status_id": r.integers(1, 9, n),
            },
            "review": {
                "id": range(1, 501),
                "purchase_id": r.permutation(n)[:500] + 1,
                "stars": r.integers(1, 6, 500),
                "words": r.integers(3, 300, 500),
                "body": sentences(r, 500),
                "date": times(r, 500, "2022-03-01", 500),
            },
            "color": {"id": range(1, 13), "name": unique_names(r, 12)},
            "person": {
                "nr": range(1, 301),
                "first": names(r, 300, 1),
                "age": r.integers(18, 90, 300),
                "score": r.integers(1, 300, 300),
                "level": r.integers(1, 6, 300),
            },
        },
        {"product": ("id",), "purchase": ("id",), "review": ("id",), "color": ("id",), "person": ("nr",)},
        {"purchase": "created", "review": "date"},
        {"purchase.product_id -> product", "review.purchase_id -> purchase"},
        stypes={
            "purchase.status_id": "categorical",
            "purchase.grid": "numerical",
            "purchase.points": "numerical",
        },
    )
