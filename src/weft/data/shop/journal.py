"""What happened in the shop, in time order, before it becomes tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.data.shop.population import Ints
from weft.data.shop.simulation import Day

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Journal:
    """Everything that happened, in time order; users, products and orders are positions from 0."""

    order_user: Ints
    order_second: Ints
    order_carrier: Ints
    item_order: Ints
    item_product: Ints
    item_quantity: Ints
    delivery_order: Ints
    delivery_second: Ints
    delivery_late: Ints
    review_order: Ints
    review_second: Ints
    review_rating: Ints
    review_late: Ints
    visit_user: Ints
    visit_second: Ints

    @property
    def item_day(self) -> Ints:
        """The day of each item's order; the midnight that ends a day belongs to it."""
        day: Ints = (self.order_second[self.item_order] - 1) // SECONDS_PER_DAY
        return day


def write_journal(days: list[Day], num_days: int, rng: np.random.Generator) -> Journal:
    """Give every event its time of day and its order, in time order."""
    sizes = [len(day.buyers) for day in days]
    order_user = np.concatenate([day.buyers for day in days])
    order_day = np.repeat(np.arange(num_days), sizes)
    second = order_day * SECONDS_PER_DAY + _within(7, 23, len(order_user), rng)
    second[-1:] = num_days * SECONDS_PER_DAY
    rank = np.lexsort((second, order_day))
    position = np.empty(len(rank), np.int64)
    position[rank] = np.arange(len(rank))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    items, deliveries, reviews = [], [], []
    last = np.full(int(order_user.max(initial=0)) + 1, -1)
    for day, start in zip(days, starts, strict=False):
        deliveries.append(last[day.delivered])
        reviews.append(last[day.reviewers])
        last[day.buyers] = position[start : start + len(day.buyers)]
        items.append(last[day.item_buyer])
    return _sorted_journal(days, order_user[rank], second[rank], rank, items, deliveries, reviews, rng)


def _sorted_journal(
    days: list[Day],
    order_user: Ints,
    order_second: Ints,
    rank: Ints,
    items: list[Ints],
    deliveries: list[Ints],
    reviews: list[Ints],
    rng: np.random.Generator,
) -> Journal:
    item_order = np.concatenate(items)
    by_order = np.argsort(item_order, kind="stable")
    delivery = _moments(days, [day.delivered for day in days], 9, 18, rng)
    review = _moments(days, [day.reviewers for day in days], 8, 24, rng)
    visit = _moments(days, [day.visitors for day in days], 0, 24, rng)
    by_delivery, by_review, by_visit = (np.argsort(t, kind="stable") for t in (delivery, review, visit))
    return Journal(
        order_user=order_user,
        order_second=order_second,
        order_carrier=np.concatenate([day.carrier for day in days])[rank],
        item_order=item_order[by_order],
        item_product=np.concatenate([day.item_product for day in days])[by_order],
        item_quantity=np.concatenate([day.item_quantity for day in days])[by_order],
        delivery_order=np.concatenate(deliveries)[by_delivery],
        delivery_second=delivery[by_delivery],
        delivery_late=np.concatenate([day.days_late for day in days])[by_delivery],
        review_order=np.concatenate(reviews)[by_review],
        review_second=review[by_review],
        review_rating=np.concatenate([day.rating for day in days])[by_review],
        review_late=np.concatenate([day.review_late for day in days])[by_review].astype(np.int64),
        visit_user=np.concatenate([day.visitors for day in days])[by_visit],
        visit_second=visit[by_visit],
    )


def _within(opens: int, closes: int, n: int, rng: np.random.Generator) -> Ints:
    return rng.integers(opens * 3600 + 1, closes * 3600, n)


def _moments(days: list[Day], rows: list[Ints], opens: int, closes: int, rng: np.random.Generator) -> Ints:
    sizes = [len(row) for row in rows]
    start = np.repeat([day.day * SECONDS_PER_DAY for day in days], sizes).astype(np.int64)
    return start + _within(opens, closes, len(start), rng)
