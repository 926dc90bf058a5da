"""The shop from day to day: who orders, what arrives late, who complains.

Everything that moves a user's orders is written to the tables, so that the state below can be
rebuilt from what a model sees at an anchor, and the best possible score is known:

- the rate of ordering rises with recent activity and falls with the days since the last order;
- a bad review of a late delivery lowers it to a ninth for `GRUDGE_DAYS` (the planted cause);
- tier and sign-up channel shift it, and so does the season;
- what is bought is a product bought before, or one of the last order's category, or a best seller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from weft.data.shop.population import Catalog, Floats, Ints, Population, Shelf

Bools = NDArray[np.bool_]

GRUDGE_DAYS = 120
GRUDGE = -2.2
PROMISED_DAYS = 5
REVIEW_DAYS = 20
NUM_RECENT = 5
CARRIER_CODES = np.array([101, 102, 205])
REPEAT_SHARE, CATEGORY_SHARE = 0.32, 0.43
_CARRIER_SHARES = np.array([0.5, 0.85, 1.0])
_CARRIER_SPEED = np.array([1.2, 1.0, 0.45])
_REVIEW_CHANCE = 0.07
_DECAY = np.exp(-1 / 45)
_NEVER = 9999
_IDLE, _AWAITED, _DELIVERED = 0, 1, 2


@dataclass
class State:
    """What the future of each user depends on; one element per user.

    ``recent`` holds the last `NUM_RECENT` products bought, newest first, -1 where there is none.
    """

    activity: Floats
    recency: Ints
    since_grudge: Ints
    stage: Ints
    age: Ints
    carrier: Ints
    is_late: Bools
    category: Ints
    recent: Ints
    base_rate: Floats
    basket: Floats

    def take(self, rows: Ints) -> State:
        """Return a copy of some users' state."""
        return State(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True)
class Day:
    """What happened on one day; rows are positions in the state."""

    day: int
    visitors: Ints
    buyers: Ints
    carrier: Ints
    item_buyer: Ints
    item_product: Ints
    item_quantity: Ints
    delivered: Ints
    days_late: Ints
    reviewers: Ints
    rating: Ints
    review_late: Bools


def first_state(population: Population) -> State:
    """Return the state before the first day."""
    n = len(population.tier)
    zeros = np.zeros(n, np.int64)
    return State(
        activity=np.zeros(n),
        recency=zeros.copy(),
        since_grudge=np.full(n, _NEVER),
        stage=zeros.copy(),
        age=zeros.copy(),
        carrier=zeros.copy(),
        is_late=np.zeros(n, np.bool_),
        category=population.interest.copy(),
        recent=np.full((n, NUM_RECENT), -1),
        base_rate=population.base_rate,
        basket=population.basket,
    )


def order_chance(state: State, day: int) -> Floats:
    """Return the probability that each user orders on ``day``, given the state at its start."""
    season = 0.22 * np.sin((day - 250) / 365.25 * 2 * np.pi) + 0.06 * (day % 7 >= 5)
    log_rate = state.base_rate + season
    log_rate += 0.55 * np.log1p(state.activity) - 0.035 * np.minimum(state.recency, 50)
    log_rate += GRUDGE * (state.since_grudge < GRUDGE_DAYS)
    chance: Floats = -np.expm1(-np.exp(log_rate))
    return np.where(state.stage == _AWAITED, 0.0, chance)


def simulate(
    population: Population, catalog: Catalog, num_days: int, rng: np.random.Generator
) -> Iterator[tuple[Day, State]]:
    """Run the shop for ``num_days``; yields each day with the state at its end.

    The state is one object that changes in place; take a copy of what is to be kept.
    """
    state = first_state(population)
    shelf = catalog.shelf(0)
    launches = set(catalog.launch_day.tolist())
    for day in range(num_days):
        if day in launches:
            shelf = catalog.shelf(day)
        here = int(np.searchsorted(population.signup_day, day))
        yield step(state, day, catalog, shelf, rng, np.arange(here)), state


def step(
    state: State,
    day: int,
    catalog: Catalog,
    shelf: Shelf,
    rng: np.random.Generator,
    here: Ints,
    *,
    with_visits: bool = True,
) -> Day:
    """Let one day pass for the users ``here``, who are the first of the state."""
    chance = order_chance(state, day)[: len(here)]
    visitors = np.repeat(here, rng.poisson(0.03 + 1.1 * chance)) if with_visits else here[:0]
    buyers = here[rng.random(len(here)) < chance]
    delivered, days_late = _deliver(state, len(here), rng)
    reviewers, rating, review_late = _review(state, len(here), rng)
    items = _fill_baskets(state, buyers, catalog, shelf, rng)
    _advance(state, len(here))
    state.stage[delivered] = _DELIVERED
    state.age[delivered] = 0
    state.is_late[delivered] = days_late > 0
    state.stage[reviewers] = _IDLE
    state.since_grudge[reviewers[review_late & (rating <= 2)]] = 0
    carrier = np.searchsorted(_CARRIER_SHARES, rng.random(len(buyers)), side="right")
    _place(state, buyers, carrier)
    return Day(day, visitors, buyers, carrier, *items, delivered, days_late, reviewers, rating, review_late)


def wait(state: State, rng: np.random.Generator) -> None:
    """Let one day pass on which nobody orders."""
    n = len(state.stage)
    delivered, days_late = _deliver(state, n, rng)
    reviewers, rating, review_late = _review(state, n, rng)
    _advance(state, n)
    state.stage[delivered] = _DELIVERED
    state.age[delivered] = 0
    state.is_late[delivered] = days_late > 0
    state.stage[reviewers] = _IDLE
    state.since_grudge[reviewers[review_late & (rating <= 2)]] = 0


def _advance(state: State, n: int) -> None:
    state.activity[:n] *= _DECAY
    state.recency[:n] += 1
    state.since_grudge[:n] += 1
    state.age[:n] += 1


def _place(state: State, buyers: Ints, carrier: Ints) -> None:
    state.activity[buyers] += 1
    state.recency[buyers] = 0
    state.stage[buyers] = _AWAITED
    state.age[buyers] = 0
    state.carrier[buyers] = carrier


def _deliver(state: State, n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    rows = np.flatnonzero(state.stage[:n] == _AWAITED)
    age = state.age[rows] + 1
    chance = np.clip(0.16 * (age - 1), 0.0, 0.5) * _CARRIER_SPEED[state.carrier[rows]]
    chance[age > 21] = 1.0
    arrived = rng.random(len(rows)) < chance
    return rows[arrived], np.maximum(age[arrived] - PROMISED_DAYS, 0)


def _review(state: State, n: int, rng: np.random.Generator) -> tuple[Ints, Ints, Bools]:
    waiting = np.flatnonzero((state.stage[:n] == _DELIVERED) & (state.age[:n] < REVIEW_DAYS))
    rows = waiting[rng.random(len(waiting)) < _REVIEW_CHANCE]
    is_late = state.is_late[rows]
    on_time = np.searchsorted([0.02, 0.06, 0.18, 0.5], rng.random(len(rows)), side="right")
    late = np.searchsorted([0.42, 0.76, 0.9, 0.97], rng.random(len(rows)), side="right")
    return rows, np.where(is_late, late, on_time) + 1, is_late


def _fill_baskets(
    state: State, buyers: Ints, catalog: Catalog, shelf: Shelf, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    size = 1 + np.minimum(rng.poisson(state.basket[buyers]), 5)
    line = np.repeat(np.arange(len(buyers)), size)
    buyer = buyers[line]
    product = draw_products(state, buyer, shelf, rng)
    quantity = 1 + rng.poisson(0.35 * state.basket[buyer])
    first = np.flatnonzero(np.diff(line, prepend=-1))
    state.category[buyers] = catalog.category[product[first]]
    for position in range(int(size.max(initial=0))):
        chosen = position < size
        rows = buyers[chosen]
        state.recent[rows, 1:] = state.recent[rows, :-1]
        state.recent[rows, 0] = product[first[chosen] + position]
    return buyer, product, quantity


def draw_products(state: State, buyer: Ints, shelf: Shelf, rng: np.random.Generator) -> Ints:
    """Draw one product for each element of ``buyer``: bought before, same category, or any."""
    kind, pick = rng.random(len(buyer)), rng.random(len(buyer))
    filled = (state.recent[buyer] >= 0).sum(axis=1)
    slot = (pick * filled).astype(np.int64)
    again = (kind < REPEAT_SHARE) & (filled > 0)
    within = ~again & (kind < REPEAT_SHARE + CATEGORY_SHARE)
    product = shelf.draw_any(pick)
    product[within] = shelf.draw_within(state.category[buyer[within]], pick[within])
    product[again] = state.recent[buyer[again], slot[again]]
    return product
