"""The best possible score: what is known about the coming window, given the state at an anchor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.data.shop.population import Catalog, Floats, Ints
from weft.data.shop.simulation import (
    CATEGORY_SHARE,
    GRUDGE_DAYS,
    REPEAT_SHARE,
    State,
    order_chance,
    step,
    wait,
)

WINDOW_DAYS = 30
TOP_K = 10
_MAX_PATHS = 400_000
_MAX_CELLS = 8_000_000


@dataclass(frozen=True)
class Outlook:
    """What the coming window holds for each user at one anchor, shape ``(num_users,)`` each.

    ``churn`` is the probability of no order, ``spend_mean`` and ``spend_median`` describe the sum of
    orders, ``has_grudge`` says who has complained of a late delivery lately, ``next_products`` are the
    `TOP_K` most likely next purchases, shape ``(num_users, TOP_K)``.
    """

    churn: Floats
    spend_mean: Floats
    spend_median: Floats
    has_grudge: Ints
    next_products: Ints


def look_ahead(state: State, day: int, catalog: Catalog, rng: np.random.Generator) -> Outlook:
    """Compute what may follow from the state at the start of ``day``.

    Churn is integrated exactly over the days and by Monte Carlo only over deliveries and reviews still
    to come (Rao and Blackwell); spend is simulated on about a hundred paths for each user.
    """
    users = len(state.stage)
    paths = int(np.clip(_MAX_PATHS // max(users, 1), 32, 128))
    churn, mean, median = np.zeros(users), np.zeros(users), np.zeros(users)
    chunk = max(1, _MAX_PATHS // paths)
    for low in range(0, users, chunk):
        rows = np.arange(low, min(low + chunk, users))
        alive = _survival(state.take(np.repeat(rows, paths // 4)), day, rng)
        spend = _spend(state.take(np.repeat(rows, paths)), day, catalog, rng).reshape(len(rows), -1)
        churn[rows] = alive.reshape(len(rows), -1).mean(axis=1)
        mean[rows], median[rows] = spend.mean(1), np.median(spend, axis=1)
    grudge = (state.since_grudge < GRUDGE_DAYS).astype(np.int64)
    return Outlook(churn, mean, median, grudge, _best_next(state, catalog, day))


def _survival(state: State, day: int, rng: np.random.Generator) -> Floats:
    alive = np.ones(len(state.stage))
    for ahead in range(WINDOW_DAYS):
        alive *= 1.0 - order_chance(state, day + ahead)
        wait(state, rng)
    return alive


def _spend(state: State, day: int, catalog: Catalog, rng: np.random.Generator) -> Floats:
    total = np.zeros(len(state.stage))
    everyone = np.arange(len(state.stage))
    for ahead in range(WINDOW_DAYS):
        shelf = catalog.shelf(day + ahead)
        events = step(state, day + ahead, catalog, shelf, rng, everyone, with_visits=False)
        paid = catalog.price_on(events.item_product, day + ahead) * events.item_quantity
        total += np.bincount(events.item_buyer, weights=paid, minlength=len(total))
    return total


def _best_next(state: State, catalog: Catalog, day: int) -> Ints:
    """Return the `TOP_K` products most likely to be bought next, shape ``(users, TOP_K)``, best first."""
    overall = catalog.shelf(day).share()
    inside = overall / np.bincount(catalog.category, weights=overall)[catalog.category]
    filled = (state.recent >= 0).sum(axis=1)
    within = np.where(filled > 0, CATEGORY_SHARE, CATEGORY_SHARE + REPEAT_SHARE)
    best = np.empty((len(filled), TOP_K), np.int64)
    chunk = max(1, _MAX_CELLS // len(overall))
    for low in range(0, len(filled), chunk):
        rows = np.arange(low, min(low + chunk, len(filled)))
        share = (1 - REPEAT_SHARE - CATEGORY_SHARE) * np.broadcast_to(overall, (len(rows), len(overall)))
        share += within[rows, None] * inside * (catalog.category == state.category[rows, None])
        who, slot = np.nonzero(state.recent[rows] >= 0)
        products = state.recent[rows[who], slot]
        np.add.at(share, (who, products), REPEAT_SHARE / filled[rows[who]])
        best[rows] = np.argsort(-share, axis=1, kind="stable")[:, :TOP_K]
    return best


def rank_auroc(label: Ints, score: Floats) -> float:
    """Return the area under the ROC curve, ties counted half; NaN when there is one class."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = int(label.sum())
    negative = len(label) - positive
    if positive == 0 or negative == 0:
        return float("nan")
    return float((rank[label > 0].sum() - positive * (positive + 1) / 2) / (positive * negative))


def mean_average_precision(best: Ints, bought: list[set[int]]) -> float:
    """Return MAP at `TOP_K` over the rows whose set is not empty."""
    scores = []
    for ranked, wanted in zip(best.tolist(), bought, strict=True):
        if wanted:
            hits = np.array([product in wanted for product in ranked])
            precision = np.cumsum(hits) / np.arange(1, TOP_K + 1)
            scores.append(float((precision * hits).sum()) / min(TOP_K, len(wanted)))
    return float(np.mean(scores)) if scores else float("nan")
