"""Who shops and what is on the shelves: the parts of the shop that do not change with the days."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

START = dt.date(2024, 1, 1)
ROOTS = ("Home", "Kitchen", "Garden", "Sport", "Beauty")
LEAVES = ("Basics", "Classics", "Premium", "Outlet")
TIERS = ("basic", "plus", "business")
TIER_RATE = np.array([-0.45, 0.25, 0.65])
TIER_BASKET = np.array([0.5, 0.9, 1.8])
CHANNEL_CODES = np.array([11, 12, 21, 31])
CHANNEL_RATE = np.array([0.0, 0.35, -0.35, 0.15])


@dataclass(frozen=True)
class Population:
    """The users, one array element each; ``signup_day`` counts from `START`, ascending."""

    signup_day: Ints
    tier: Ints
    channel: Ints
    interest: Ints
    base_rate: Floats
    basket: Floats


@dataclass(frozen=True)
class Catalog:
    """The products, ordered by their leaf category.

    ``launch_day`` is 0 for what is there from the start. ``weight`` is the popularity of a product.
    ``price`` is that of the first day; it changes by the factor exp(``drift``) in a year.
    """

    category: Ints
    price: Floats
    drift: Floats
    weight: Floats
    launch_day: Ints

    def price_on(self, product: Ints, day: Ints | int) -> Floats:
        """Return the price of each product on its day."""
        price: Floats = (self.price[product] * np.exp(self.drift[product] * day / 365)).round(2)
        return price

    def shelf(self, day: int) -> Shelf:
        """Return the cumulative popularity of what can be bought on ``day``."""
        weight = np.where(self.launch_day <= day, self.weight, 0.0)
        total = np.concatenate([[0.0], np.cumsum(weight)])
        first = np.searchsorted(self.category, np.arange(num_leaves() + 1))
        return Shelf(total / total[-1], first)


@dataclass(frozen=True)
class Shelf:
    """Cumulative popularity over products (shape ``(P + 1,)``) and where each category begins."""

    cumulative: Floats
    first: Ints

    def draw_any(self, uniform: Floats) -> Ints:
        """Draw a product by its popularity for each uniform number in [0, 1)."""
        last = len(self.cumulative) - 2
        return np.minimum(np.searchsorted(self.cumulative, uniform, side="right") - 1, last)

    def draw_within(self, category: Ints, uniform: Floats) -> Ints:
        """Draw a product of the given category by its popularity."""
        low = self.cumulative[self.first[category]]
        high = self.cumulative[self.first[category + 1]]
        return self.draw_any(low + uniform * (high - low) * (1 - 1e-12))

    def share(self) -> Floats:
        """Return each product's share of all sales, shape ``(P,)``."""
        return np.diff(self.cumulative)


def num_leaves() -> int:
    """Return the number of leaf categories."""
    return len(ROOTS) * len(LEAVES)


def make_population(num_users: int, num_days: int, rng: np.random.Generator) -> Population:
    """Draw the users: a third are there in the first month, the others sign up over time."""
    early = rng.random(num_users) < 0.34
    late = (rng.random(num_users) ** 1.3 * (num_days - 1)).astype(np.int64)
    signup_day = np.sort(np.where(early, rng.integers(0, min(30, num_days), num_users), late))
    tier = rng.choice(len(TIERS), num_users, p=[0.6, 0.28, 0.12])
    channel = rng.choice(len(CHANNEL_CODES), num_users, p=[0.4, 0.25, 0.2, 0.15])
    interest = rng.choice(num_leaves(), num_users, p=_leaf_shares())
    base_rate = TIER_RATE[tier] + CHANNEL_RATE[channel] - 2.8
    return Population(signup_day, tier, channel, interest, base_rate, TIER_BASKET[tier])


def make_catalog(num_products: int, num_days: int, rng: np.random.Generator) -> Catalog:
    """Draw the products: skewed popularity, every leaf filled, one in eight launched later."""
    leaves = num_leaves()
    drawn = rng.choice(leaves, num_products - leaves, p=_leaf_shares())
    category = np.sort(np.concatenate([np.arange(leaves), drawn]))
    level = np.exp(np.linspace(0, 1.2, len(LEAVES)))[category % len(LEAVES)]
    price = np.round(9 * level * np.exp(rng.normal(0, 0.5, num_products)), 2)
    weight = np.exp(rng.normal(0, 1.15, num_products))
    later = rng.random(num_products) < 0.125
    launch_day = np.where(later, rng.integers(1, max(2, num_days * 2 // 3), num_products), 0)
    launch_day[np.searchsorted(category, np.arange(leaves))] = 0
    drift = np.clip(rng.normal(0, 0.35, num_products), -0.7, 0.7)
    return Catalog(category, price, drift, weight, launch_day)


def _leaf_shares() -> Floats:
    raw = 1.0 / (1.0 + np.arange(num_leaves()) % 7)
    shares: Floats = raw / raw.sum()
    return shares
