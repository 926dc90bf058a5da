"""Make a folder of Parquet files: an online shop whose best possible scores are known."""

from __future__ import annotations

import calendar
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import UserError
from weft.data.shop.journal import SECONDS_PER_DAY, Journal, write_journal
from weft.data.shop.population import (
    START,
    Catalog,
    Floats,
    Ints,
    Population,
    make_catalog,
    make_population,
    num_leaves,
)
from weft.data.shop.simulation import Day, State, simulate
from weft.data.shop.tables import (
    FIRST_USER,
    describe_leaks,
    make_tables,
    product_keys,
    to_times,
)
from weft.data.shop.truth import TOP_K, WINDOW_DAYS, Outlook, look_ahead, mean_average_precision, rank_auroc

NUM_TRUE_ANCHORS = 3
TRUTH_JSON, TRUTH_ARROW = ".truth.json", ".truth.arrow"
QUERIES = {
    "churn": f"PREDICT COUNT(orders.*, 0, {WINDOW_DAYS}, days) = 0 FOR EACH users.user_id",
    "spend": f"PREDICT SUM(orders.total_amount, 0, {WINDOW_DAYS}, days) FOR EACH users.user_id",
    "products": (
        f"PREDICT LIST_DISTINCT(order_items.product_id, 0, {WINDOW_DAYS}, days) RANK TOP {TOP_K} "
        "FOR EACH users.user_id"
    ),
}


@dataclass(frozen=True)
class ShopInfo:
    """What was made.

    Attributes:
        queries: Three questions by name: churn (binary), spend (regression), products (link prediction).
        best_scores: For each of these, metric → the score of the true conditional law at the newest anchor.
            ``spend`` has ``mae`` (of the conditional median, which no model beats but by luck) and
            ``mae_of_mean``; ``products`` ranks by the true law of the next item.
        rows: Table → number of rows.
        anchors: The newest anchors, newest first, ISO dates, for which the truth is kept.
        leaks: Columns that hold the future on purpose → what they hold.
        cause: The planted cause of churn, in words.
    """

    queries: Mapping[str, str]
    best_scores: Mapping[str, Mapping[str, float]]
    rows: Mapping[str, int]
    anchors: tuple[str, ...]
    leaks: Mapping[str, str]
    cause: str


def generate_shop(
    directory: str | Path, *, num_users: int = 2000, months: int = 18, seed: int = 0
) -> ShopInfo:
    """Write the tables of an online shop as Parquet, and its truth beside them.

    The last order falls on the last midnight, so that the anchors, which step back from it by 30 days, fall
    on midnights too, where the state is known. ``.truth.json`` holds the returned value and
    ``.truth.arrow`` one row for each user and anchor; neither is a table of the shop.

    Args:
        directory: Made when missing; files of the same names are replaced.
        num_users: At least 20.
        months: Calendar months from 2024-01-01, at least 6.
        seed: Equal seeds give equal bytes.

    Raises:
        UserError: ``DATA100`` for too small a shop, ``DATA101`` when ``directory`` is not a folder.
    """
    _check_size(num_users, months)
    folder = make_folder(directory)
    num_days = _days_of(months)
    seeds = np.random.SeedSequence([seed, num_users, months]).spawn(4)
    make, run, write, look = (np.random.default_rng(s) for s in seeds)
    population = make_population(num_users, num_days, make)
    catalog = make_catalog(max(3 * num_leaves(), num_users // 8), num_days, make)
    days, states = _run_days(population, catalog, num_days, run)
    journal = write_journal(days, num_days, run)
    tables = make_tables(population, catalog, journal, write)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    truth, scores = _know(states, catalog, journal, look)
    info = _describe(tables, scores, sorted(states, reverse=True))
    _write_truth(folder, info, truth)
    return info


def _check_size(num_users: int, months: int) -> None:
    if num_users < 20 or months < 6:
        raise UserError(
            "DATA100",
            f"a shop of {num_users} users over {months} months is too small to learn from.",
            "ask for at least 20 users and 6 months.",
        )


def _run_days(
    population: Population, catalog: Catalog, num_days: int, rng: np.random.Generator
) -> tuple[list[Day], dict[int, State]]:
    """Run the shop; keep every day, and the state at the newest anchors."""
    anchors = {num_days - WINDOW_DAYS * (k + 1) for k in range(NUM_TRUE_ANCHORS)}
    days, states = [], {}
    for day, state in simulate(population, catalog, num_days, rng):
        days.append(day)
        if day.day + 1 in anchors:
            here = int(np.searchsorted(population.signup_day, day.day + 1))
            states[day.day + 1] = state.take(np.arange(here))
    return days, states


def _describe(
    tables: Mapping[str, pa.Table], scores: dict[str, dict[str, float]], days: list[int]
) -> ShopInfo:
    return ShopInfo(
        queries=QUERIES,
        best_scores=scores,
        rows={name: table.num_rows for name, table in tables.items()},
        anchors=tuple((START + dt.timedelta(days=day)).isoformat() for day in days),
        leaks=describe_leaks(),
        cause="a bad review of a late delivery in the last 120 days",
    )


def make_folder(directory: str | Path) -> Path:
    """Make the folder to write to, or say why that cannot be."""
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            "DATA101", f"'{folder}' is not a folder.", "name a folder that exists or can be made."
        ) from None
    return folder


def _days_of(months: int) -> int:
    lengths = [calendar.monthrange(START.year + m // 12, m % 12 + 1)[1] for m in range(months)]
    return sum(lengths)


def _know(
    states: Mapping[int, State], catalog: Catalog, journal: Journal, rng: np.random.Generator
) -> tuple[pa.Table, dict[str, dict[str, float]]]:
    """Compute the truth at each anchor, and the scores it reaches at the newest."""
    newest = max(states)
    parts, scores = [], {}
    for day in sorted(states, reverse=True):
        outlook = look_ahead(states[day], day, catalog, rng)
        parts.append(_to_table(outlook, day))
        if day == newest:
            scores = _score(outlook, *_what_came(journal, catalog, day, len(outlook.churn)))
    return pa.concat_tables(parts), scores


def _to_table(outlook: Outlook, day: int) -> pa.Table:
    users = len(outlook.churn)
    ranked = pa.FixedSizeListArray.from_arrays(product_keys(outlook.next_products.ravel()), TOP_K)
    return pa.table(
        {
            "anchor_time": to_times(np.full(users, day * SECONDS_PER_DAY)),
            "user_id": pa.array(np.arange(users) + FIRST_USER),
            "churn_probability": outlook.churn,
            "spend_mean": outlook.spend_mean,
            "spend_median": outlook.spend_median,
            "has_grudge": outlook.has_grudge > 0,
            "next_products": ranked.cast(pa.list_(pa.string())),
        }
    )


def _score(
    outlook: Outlook, orders: Ints, spend: Floats, bought: list[set[int]]
) -> dict[str, dict[str, float]]:
    return {
        "churn": {"auroc": rank_auroc((orders == 0).astype(np.int64), outlook.churn)},
        "spend": {
            "mae": float(np.abs(spend - outlook.spend_median).mean()),
            "mae_of_mean": float(np.abs(spend - outlook.spend_mean).mean()),
        },
        "products": {f"map@{TOP_K}": mean_average_precision(outlook.next_products, bought)},
    }


def _what_came(
    journal: Journal, catalog: Catalog, day: int, users: int
) -> tuple[Ints, Floats, list[set[int]]]:
    """Return orders, spend and products of each user in the window after ``day``."""
    low, high = day * SECONDS_PER_DAY, (day + WINDOW_DAYS) * SECONDS_PER_DAY
    inside = (journal.order_second > low) & (journal.order_second <= high) & (journal.order_user < users)
    orders = np.bincount(journal.order_user[inside], minlength=users)
    rows = np.flatnonzero(inside[journal.item_order])
    user = journal.order_user[journal.item_order[rows]]
    price = catalog.price_on(journal.item_product[rows], journal.item_day[rows])
    paid = price * journal.item_quantity[rows]
    spend: Floats = np.zeros(users)
    np.add.at(spend, user, paid)
    bought: list[set[int]] = [set() for _ in range(users)]
    for who, product in zip(user.tolist(), journal.item_product[rows].tolist(), strict=True):
        bought[who].add(product)
    return orders, spend, bought


def _write_truth(folder: Path, info: ShopInfo, truth: pa.Table) -> None:
    plain = {**info.__dict__}
    (folder / TRUTH_JSON).write_text(json.dumps(plain, indent=1, sort_keys=True))
    with pa.OSFile(str(folder / TRUTH_ARROW), "wb") as file, pa.ipc.new_file(file, truth.schema) as writer:
        writer.write_table(truth)
