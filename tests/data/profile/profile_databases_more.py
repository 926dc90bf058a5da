"""More small databases: shops, banks, hospitals, logs, and tables without keys."""

from __future__ import annotations

import numpy as np
from profile_columns import (
    amounts,
    choices,
    epoch,
    hashes,
    later,
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
def fashion():
    r = np.random.default_rng(5)
    n = 20_000
    customer = hashes(r, 2500)
    article = [f"0{v}" for v in r.permutation(900_000)[:1500] * 1000 + 108_775_015]
    return Database(
        {
            "customers": {
                "customer_id": customer,
                "FN": some(r, np.ones(2500), 0.6),
                "Active": some(r, np.ones(2500), 0.6),
                "club_member_status": choices(r, ["ACTIVE", "PRE-CREATE"], 2500),
                "age": some(r, r.integers(16, 90, 2500).astype(float), 0.01),
                "postal_code": r.choice(hashes(r, 900), 2500),
            },
            "articles": {
                "article_id": article,
                "product_code": [a[:7] for a in article],
                "prod_name": names(r, 1500),
                "product_type_no": r.integers(49, 300, 1500),
                "garment_group_no": r.integers(1001, 1026, 1500),
                "detail_desc": some(r, sentences(r, 1500), 0.01),
            },
            "transactions_train": {
                "t_dat": spelled(times(r, n, "2018-09-20", 700, by="day"), "%Y-%m-%d"),
                "customer_id": skewed(r, customer, n),
                "article_id": skewed(r, article, n),
                "price": r.random(n) / 10,
                "sales_channel_id": r.integers(1, 3, n),
            },
        },
        {"customers": ("customer_id",), "articles": ("article_id",)},
        {"transactions_train": "t_dat"},
        {"transactions_train.customer_id -> customers", "transactions_train.article_id -> articles"},
        stypes={
            "articles.detail_desc": "text",
            "articles.article_id": "id",
            "transactions_train.price": "numerical",
            "transactions_train.sales_channel_id": "categorical",
        },
        formats={"transactions_train.t_dat": "iso"},
    )


@database
def bank():
    r = np.random.default_rng(6)
    accounts, clients, n = 4500, 5369, 20_000
    opened = times(r, accounts, "1993-01-01", 1800, by="day")
    codes = r.permutation(9000)[:accounts] + 1
    client = np.sort(r.permutation(13_900)[:clients] + 1)
    disp_client = r.permutation(client)
    moves = times(r, n, "1995-01-01", 1400, by="day")
    disp = np.sort(r.permutation(13_600)[:clients] + 1)
    return Database(
        {
            "district": {
                "A1": range(1, 78),
                "A2": unique_names(r, 77),
                "A3": choices(r, ["Prague", "south Bohemia"], 77),
                "A4": r.integers(42_000, 1_200_000, 77),
                "A11": r.integers(8000, 12_000, 77),
            },
            "account": {
                "account_id": codes,
                "district_id": r.integers(1, 78, accounts),
                "frequency": choices(r, ["POPLATEK MESICNE", "POPLATEK TYDNE"], accounts),
                "date": [int(t) for t in spelled(opened, "%y%m%d")],
            },
            "client": {
                "client_id": client,
                "birth_number": r.integers(110_000, 870_000, clients),
                "district_id": r.integers(1, 78, clients),
            },
            "disp": {
                "disp_id": disp,
                "client_id": disp_client,
                "account_id": np.concatenate([codes, r.choice(codes, clients - accounts)]),
                "type": choices(r, ["OWNER", "DISPONENT"], clients),
            },
            "card": {
                "card_id": range(1, 893),
                "disp_id": r.permutation(disp)[:892],
                "type": choices(r, ["classic", "gold"], 892),
                "issued": spelled(times(r, 892, "1996-01-01", 900, by="day"), "%y%m%d %H:%M:%S"),
            },
            "loan": {
                "loan_id": np.sort(r.permutation(7300)[:682]),
                "account_id": r.permutation(codes)[:682],
                "date": [int(t) for t in spelled(times(r, 682, "1994-01-01", 1500, by="day"), "%y%m%d")],
                "amount": r.integers(5000, 500_000, 682),
                "duration": r.choice([12, 24, 36, 48, 60], 682),
                "payments": amounts(r, 682, 4000),
                "status": choices(r, list("ABCD"), 682),
            },
            "order": {
                "order_id": range(29401, 29401 + 6471),
                "account_id": r.choice(codes, 6471),
                "bank_to": choices(r, ["QR", "ST", "YZ"], 6471),
                "account_to": r.integers(399, 99_994_199, 6471),
                "amount": amounts(r, 6471, 3000),
            },
            "trans": {
                "trans_id": sparse(r, 3_600_000, n),
                "account_id": r.choice(codes, n),
                "date": [int(t) for t in spelled(moves, "%y%m%d")],
                "type": choices(r, ["PRIJEM", "VYDAJ"], n),
                "amount": amounts(r, n, 6000),
                "balance": amounts(r, n, 38_000),
                "k_symbol": choices(r, ["UROK", "SIPO"], n, 0.4),
                "account": some(r, r.integers(0, 99_994_199, n).astype(float), 0.7),
            },
        },
        {
            "district": ("A1",),
            "account": ("account_id",),
            "client": ("client_id",),
            "disp": ("disp_id",),
            "card": ("card_id",),
            "loan": ("loan_id",),
            "order": ("order_id",),
            "trans": ("trans_id",),
        },
        {"account": "date", "loan": "date", "trans": "date", "card": "issued"},
        {
            "account.district_id -> district",
            "client.district_id -> district",
            "disp.client_id -> client",
            "disp.account_id -> account",
            "card.disp_id -> disp",
            "loan.account_id -> account",
            "order.account_id -> account",
            "trans.account_id -> account",
        },
        formats={"trans.date": "%y%m%d", "card.issued": "%y%m%d %H:%M:%S"},
    )


@database
def hospital():
    r = np.random.default_rng(7)
    patients, admissions, n = 800, 1100, 9000
    subject = np.sort(r.permutation(40_000)[:patients] + 10_000)
    hadm = r.permutation(80_000)[:admissions] + 100_000
    stay = r.permutation(80_000)[:1300] + 200_000
    admitted = times(r, admissions, "2101-01-01", 30_000, False)
    died = later(r, admitted, 15, 0.9)
    item, lab = np.sort(r.permutation(10_000)[:400] + 220_000), np.sort(r.permutation(1700)[:300] + 50_800)
    hidden = r.integers(0, admissions, 1300)
    entered = admitted[hidden] + np.timedelta64(3600, "s")
    return Database(
        {
            "PATIENTS": {
                "ROW_ID": range(1, patients + 1),
                "SUBJECT_ID": subject,
                "GENDER": choices(r, ["M", "F"], patients),
                "DOB": times(r, patients, "2030-01-01", 20_000, False, "day"),
                "DOD": later(r, times(r, patients, "2110-01-01", 9000, False), 900, 0.6, "day"),
                "EXPIRE_FLAG": r.integers(0, 2, patients),
            },
            "ADMISSIONS": {
                "ROW_ID": range(1, admissions + 1),
                "SUBJECT_ID": r.choice(subject, admissions),
                "HADM_ID": hadm,
                "ADMITTIME": admitted,
                "DISCHTIME": later(r, admitted, 20),
                "DEATHTIME": died,
                "ADMISSION_TYPE": choices(r, ["EMERGENCY", "ELECTIVE"], admissions),
                "DIAGNOSIS": names(r, admissions, 3),
            },
            "ICUSTAYS": {
                "ROW_ID": range(1, 1301),
                "SUBJECT_ID": r.choice(subject, 1300),
                "HADM_ID": hadm[hidden],
                "ICUSTAY_ID": stay,
                "FIRST_CAREUNIT": choices(r, ["MICU", "SICU"], 1300),
                "INTIME": entered,
                "OUTTIME": later(r, entered, 9),
                "LOS": r.gamma(2, 2, 1300),
            },
            "D_ITEMS": {
                "ROW_ID": range(1, 401),
                "ITEMID": item,
                "LABEL": unique_names(r, 400),
                "CATEGORY": choices(r, ["Labs", "Drugs"], 400),
            },
            "D_LABITEMS": {
                "ROW_ID": range(1, 301),
                "ITEMID": lab,
                "LABEL": unique_names(r, 300),
                "FLUID": choices(r, ["Blood", "Urine"], 300),
            },
            "LABEVENTS": {
                "ROW_ID": range(1, n + 1),
                "SUBJECT_ID": r.choice(subject, n),
                "HADM_ID": some(r, r.choice(hadm, n).astype(float), 0.2),
                "ITEMID": skewed(r, lab, n),
                "CHARTTIME": times(r, n, "2101-01-01", 30_000, False),
                "VALUENUM": amounts(r, n, 30),
                "VALUEUOM": choices(r, ["mg/dL", "%"], n),
            },
            "CHARTEVENTS": {
                "ROW_ID": range(1, n + 1),
                "SUBJECT_ID": r.choice(subject, n),
                "HADM_ID": r.choice(hadm, n),
                "ICUSTAY_ID": some(r, r.choice(stay, n).astype(float), 0.1),
                "ITEMID": skewed(r, item, n),
                "CHARTTIME": times(r, n, "2101-01-01", 30_000, False),
                "STORETIME": times(r, n, "2101-01-02", 30_000, False),
                "VALUENUM": amounts(r, n, 30),
            },
        },
        {
            "PATIENTS": ("SUBJECT_ID",),
            "ADMISSIONS": ("HADM_ID",),
            "ICUSTAYS": ("ICUSTAY_ID",),
            "D_ITEMS": ("ITEMID",),
            "D_LABITEMS": ("ITEMID",),
            "LABEVENTS": ("ROW_ID",),
            "CHARTEVENTS": ("ROW_ID",),
        },
        {
            "ADMISSIONS": "ADMITTIME",
            "ICUSTAYS": "INTIME",
            "LABEVENTS": "CHARTTIME",
            "CHARTEVENTS": "CHARTTIME",
        },
        {
            "ADMISSIONS.SUBJECT_ID -> PATIENTS",
            "ICUSTAYS.SUBJECT_ID -> PATIENTS",
            "ICUSTAYS.HADM_ID -> ADMISSIONS",
            "LABEVENTS.SUBJECT_ID -> PATIENTS",
            "LABEVENTS.HADM_ID -> ADMISSIONS",
            "LABEVENTS.ITEMID -> D_LABITEMS",
            "CHARTEVENTS.SUBJECT_ID -> PATIENTS",
            "CHARTEVENTS.HADM_ID -> ADMISSIONS",
            "CHARTEVENTS.ICUSTAY_ID -> ICUSTAYS",
            "CHARTEVENTS.ITEMID -> D_ITEMS",
        },
        ends={"ADMISSIONS": "DISCHTIME", "ICUSTAYS": "OUTTIME"},
        stypes={"LABEVENTS.HADM_ID": "id"},
    )


@database
def rooms():
    r = np.random.default_rng(8)
    n, reviews = 600, 6000
    listing = np.sort(sparse(r, 50_000_000, n))
    areas = unique_names(r, 40)
    return Database(
        {
            "listings": {
                "id": listing,
                "name": names(r, n, 5),
                "host_id": sparse(r, 90_000_000, n),
                "host_since": times(r, n, "2009-01-01", 3000, False, "day"),
                "neighbourhood": r.choice(areas, n),
                "latitude": r.normal(52.5, 0.1, n),
                "longitude": r.normal(13.4, 0.1, n),
                "room_type": choices(r, ["Private room", "Entire home"], n),
                "price": [f"${v:,.2f}" for v in amounts(r, n, 80)],
                "minimum_nights": r.integers(1, 30, n),
                "last_review": later(r, times(r, n, "2018-01-01", 600, False), 300, 0.2, "day"),
                "amenities": [
                    '["'
                    + '", "'.join(
                        r.choice(
                            ["Wifi", "Kitchen", "TV", "Heating", "Iron"], r.integers(1, 5), replace=False
                        )
                    )
                    + '"]'
                    for _ in range(n)
                ],
            },
            "reviews": {
                "listing_id": r.choice(listing, reviews),
                "id": np.sort(sparse(r, 400_000_000, reviews)),
                "date": times(r, reviews, "2012-01-01", 2500, by="day"),
                "reviewer_id": r.integers(1, 200_000_000, reviews),
                "reviewer_name": names(r, reviews, 1),
                "comments": sentences(r, reviews, 20),
            },
            "neighbourhoods": {
                "neighbourhood_group": choices(r, ["Mitte", "Pankow"], 40),
                "neighbourhood": areas,
            },
        },
        {"listings": ("id",), "reviews": ("id",), "neighbourhoods": ("neighbourhood",)},
        {"listings": "host_since", "reviews": "date"},
        {"reviews.listing_id -> listings", "listings.neighbourhood -> neighbourhoods"},
        stypes={
            "listings.amenities": "multicategorical",
            "reviews.comments": "text",
            "listings.latitude": "numerical",
            "reviews.reviewer_id": "id",
        },
    )


@database
def clicks():
    r = np.random.default_rng(9)
    n = 15_000
    users = [f"u_{v:08x}" for v in sparse(r, 2**31, 800)]
    at = times(r, n, "2024-01-01", 60)
    return Database(
        {
            "events": {
                "ts": epoch(at, "ms"),
                "user_id": skewed(r, users, n),
                "event_type": choices(r, ["view", "cart", "buy"], n),
                "page": choices(r, [f"/p/{i}" for i in range(50)], n),
                "duration": r.integers(0, 600, n),
                "position": r.integers(1, 40, n),
            },
            "sessions": {
                "started": epoch(at[::10], "s"),
                "session": [f"{v}" for v in r.integers(10**12, 10**13, n // 10)],
                "user_id": skewed(r, users, n // 10),
                "ended": epoch(np.asarray(later(r, at[::10], 0.05)), "s"),
            },
            "users": {
                "user_id": users,
                "plan": choices(r, ["free", "pro"], 800),
                "signup_ns": epoch(times(r, 800, "2022-01-01", 700, False), "ns"),
                "age": r.integers(18, 80, 800),
            },
        },
        {"users": ("user_id",), "sessions": ("session",)},
        {"events": "ts", "sessions": "started", "users": "signup_ns"},
        {"events.user_id -> users", "sessions.user_id -> users"},
        ends={"sessions": "ended"},
        formats={"events.ts": "epoch_ms", "sessions.started": "epoch_s", "users.signup_ns": "epoch_ns"},
    )


@database
def readings():
    """Tables without keys: measurements and a journal."""
    r = np.random.default_rng(10)
    n = 8000
    return Database(
        {
            "readings": {
                "time": times(r, n, "2023-03-01", 20),
                "sensor": r.integers(1, 40, n),
                "temperature": r.normal(20, 4, n),
                "humidity": r.integers(20, 90, n),
                "state": r.integers(0, 4, n),
            },
            "journal": {
                "note": sentences(r, 500),
                "severity": choices(r, ["low", "high"], 500),
                "count": r.integers(1, 50, 500),
                "value": r.integers(1, 500, 500),
            },
            "prices": {
                "price": amounts(r, 300),
                "quantity": r.integers(1, 30, 300),
                "year": r.integers(1990, 2020, 300),
            },
        },
        {},
        {"readings": "time"},
        set(),
        stypes={"journal.note": "text", "prices.year": "numerical", "readings.humidity": "numerical"},
    )


@database
def league():
    """Natural text keys, a table of names only, and homonymous columns."""
    r = np.random.default_rng(11)
    teams = unique_names(r, 40)
    n = 2000
    home = r.integers(0, 40, n)
    away = (home + r.integers(1, 40, n)) % 40
    return Database(
        {
            "teams": {"name": teams},
            "matches": {
                "match_id": range(1, n + 1),
                "played_on": spelled(times(r, n, "2001-01-01", 4000, by="day"), "%d.%m.%Y"),
                "home_team": [teams[i] for i in home],
                "away_team": [teams[i] for i in away],
                "home_goals": r.integers(0, 7, n),
                "away_goals": r.integers(0, 7, n),
                "attendance": r.integers(100, 80_000, n),
            },
            "players": {
                "player": unique_names(r, 600),
                "team": [teams[i] for i in r.integers(0, 40, 600)],
                "born": times(r, 600, "1970-01-01", 9000, False, "day"),
                "height": r.integers(160, 205, 600),
            },
        },
        {"teams": ("name",), "matches": ("match_id",), "players": ("player",)},
        {"matches": "played_on"},
        {"matches.home_team -> teams", "matches.away_team -> teams", "players.team -> teams"},
        formats={"matches.played_on": "%d.%m.%Y"},
    )


@database
def laden():
    """German names."""
    r = np.random.default_rng(12)
    n = 3000
    bestellt = times(r, n, "2020-01-01", 700)
    pos = [(i, k) for i in range(n) for k in range(1, 1 + int(r.integers(1, 4)))]
    return Database(
        {
            "Kunden": {
                "KundenNr": range(10_000, 10_400),
                "Name": names(r, 400),
                "Geburtsdatum": times(r, 400, "1950-01-01", 18_000, False, "day"),
                "Ort": choices(r, names(r, 50, 1), 400),
                "PLZ": [f"{v:05d}" for v in r.integers(1000, 99_999, 400)],
            },
            "Artikel": {
                "ArtikelNr": range(1, 151),
                "Bezeichnung": unique_names(r, 150),
                "Preis": amounts(r, 150),
                "Lagerbestand": r.integers(0, 150, 150),
            },
            "Bestellungen": {
                "BestellNr": range(500_000, 500_000 + n),
                "KundenNr": r.integers(10_000, 10_400, n),
                "Bestelldatum": bestellt,
                "Lieferdatum": later(r, bestellt, 10, 0.02),
                "Status": choices(r, ["offen", "bezahlt"], n),
            },
            "Bestellpositionen": {
                "BestellNr": [500_000 + i for i, _ in pos],
                "Position": [k for _, k in pos],
                "ArtikelNr": r.integers(1, 151, len(pos)),
                "Menge": r.integers(1, 20, len(pos)),
                "Einzelpreis": amounts(r, len(pos)),
            },
        },
        {
            "Kunden": ("KundenNr",),
            "Artikel": ("ArtikelNr",),
            "Bestellungen": ("BestellNr",),
            "Bestellpositionen": ("BestellNr", "Position"),
        },
        {"Bestellungen": "Bestelldatum"},
        {
            "Bestellungen.KundenNr -> Kunden",
            "Bestellpositionen.BestellNr -> Bestellungen",
            "Bestellpositionen.ArtikelNr -> Artikel",
        },
    )


@database
def warehouse():
    """Upper case without separators, prefixes, abbreviations, and keys of different types."""
    r = np.random.default_rng(13)
    n = 5000
    return Database(
        {
            "DIM_CUSTOMER": {
                "CUSTOMERID": [str(v) for v in range(1, 501)],
                "CUSTOMERNAME": names(r, 500),
                "SEGMENT": choices(r, ["A", "B"], 500),
            },
            "DIM_PRODUCT": {
                "PRODUCTID": np.arange(1, 201, dtype=float),
                "CATEGORY": choices(r, ["X", "Y", "Z"], 200),
                "LISTPRICE": amounts(r, 200),
            },
            "FACT_SALES": {
                "SALEID": range(1, n + 1),
                "CUSTOMERID": r.integers(1, 501, n),
                "PRODUCTID": [str(v) for v in r.integers(1, 201, n)],
                "QTY": r.integers(1, 20, n),
                "SALEDATE": [int(t) for t in spelled(times(r, n, "2019-01-01", 700, by="day"), "%Y%m%d")],
            },
        },
        {"DIM_CUSTOMER": ("CUSTOMERID",), "DIM_PRODUCT": ("PRODUCTID",), "FACT_SALES": ("SALEID",)},
        {"FACT_SALES": "SALEDATE"},
        {"FACT_SALES.CUSTOMERID -> DIM_CUSTOMER", "FACT_SALES.PRODUCTID -> DIM_PRODUCT"},
        formats={"FACT_SALES.SALEDATE": "%Y%m%d"},
    )


@database
def market():
    """Camel case, roles, irregular plurals, ids that look alike, small numbers inside dense keys."""
    r = np.random.default_rng(14)
    n = 6000
    made = times(r, 1200, "2021-01-01", 700)
    user = times(r, 700, "2020-01-01", 900)
    return Database(
        {
            "users": {
                "id": range(1, 701),
                "userName": [f"user{i}" for i in range(700)],
                "createdAt": user,
                "lastLoginAt": later(r, user, 300, 0.1),
                "rating": r.integers(1, 6, 700),
            },
            "categories": {
                "id": range(1, 31),
                "title": unique_names(r, 30),
                "parentId": some(r, r.integers(1, 31, 30).astype(float), 0.4),
            },
            "ads": {
                "id": range(1, 1201),
                "sellerId": r.integers(1, 701, 1200),
                "categoryId": r.integers(1, 31, 1200),
                "title": names(r, 1200, 4),
                "createdAt": made,
                "updatedAt": later(r, made, 30),
                "expiresAt": later(r, made, 60),
                "numPhotos": r.integers(0, 12, 1200),
                "regionCode": r.integers(1, 89, 1200),
                "tags": [
                    "<"
                    + "><".join(
                        r.choice(["new", "used", "bike", "car", "home"], r.integers(1, 4), replace=False)
                    )
                    + ">"
                    for _ in range(1200)
                ],
            },
            "visits": {
                "id": range(1, n + 1),
                "userId": r.integers(1, 701, n),
                "adId": r.integers(1, 1201, n),
                "visitedAt": times(r, n, "2021-06-01", 700),
                "seconds": r.integers(0, 900, n),
                "slot": r.integers(1, 25, n),
            },
            "messages": {
                "id": range(1, 2001),
                "fromUserId": r.integers(1, 701, 2000),
                "toUserId": r.integers(1, 701, 2000),
                "body": sentences(r, 2000),
                "sentAt": times(r, 2000, "2021-06-01", 700),
                "isRead": r.integers(0, 2, 2000),
            },
        },
        {t: ("id",) for t in ("users", "categories", "ads", "visits", "messages")},
        {"users": "createdAt", "ads": "createdAt", "visits": "visitedAt", "messages": "sentAt"},
        {
            "categories.parentId -> categories",
            "ads.sellerId -> users",
            "ads.categoryId -> categories",
            "visits.userId -> users",
            "visits.adId -> ads",
            "messages.fromUserId -> users",
            "messages.toUserId -> users",
        },
        stypes={
            "ads.tags": "multicategorical",
            "ads.regionCode": "categorical",
            "messages.isRead": "categorical",
            "ads.numPhotos": "numerical",
            "users.rating": "numerical",
            "messages.body": "text",
        },
    )


@database
def ratings():
    r = np.random.default_rng(15)
    pairs = r.permutation(600 * 900)[:20_000]
    movie = np.sort(r.permutation(200_000)[:900])
    return Database(
        {
            "movies": {
                "movieId": movie,
                "title": unique_names(r, 900),
                "genres": [
                    "|".join(
                        r.choice(["Drama", "Comedy", "Action", "Horror"], r.integers(1, 4), replace=False)
                    )
                    for _ in range(900)
                ],
            },
            "ratings": {
                "userId": pairs // 900 + 1,
                "movieId": movie[pairs % 900],
                "rating": r.integers(1, 11, 20_000) / 2,
                "timestamp": epoch(times(r, 20_000, "2005-01-01", 3000, False), "s"),
            },
            "tags": {
                "userId": r.integers(1, 601, 1500),
                "movieId": r.choice(movie, 1500),
                "tag": choices(r, names(r, 300), 1500),
                "timestamp": epoch(times(r, 1500, "2006-01-01", 3000, False), "s"),
            },
        },
        {"movies": ("movieId",), "ratings": ("userId", "movieId")},
        {"ratings": "timestamp", "tags": "timestamp"},
        {"ratings.movieId -> movies", "tags.movieId -> movies"},
        stypes={"movies.genres": "multicategorical"},
        formats={"ratings.timestamp": "epoch_s"},
    )
