"""A small shop where everybody buys what is new to them, mostly of one kind."""

import dataclasses

import numpy as np
import pyarrow as pa

from weft.core import History, Task, TaskType
from weft.learn import GraphView, RankingData

from ..synthetic import DAY, numerical
from .planted import open_graph

USERS, ITEMS, KINDS, DAYS = 200, 60, 5, 300
ANCHORS = (80, 120, 160, 200, 240)
WINDOW = 40
TASK = Task(TaskType.LINK_PREDICTION, "users", "user_id", item_table="items", item_column="item_id", top_k=5)
FEATURES = (*(numerical(f"score.{n}", words=n) for n in ("popularity", "repeat")), numerical("noise"))


def stamps(days, later_us=0):
    return pa.array(days.astype(np.int64) * DAY + later_us, pa.int64()).cast(pa.timestamp("us"))


def make_orders(seed=0, users=USERS):
    """Return user, item and day of orders; a user buys no item twice, and none before it is listed."""
    rng = np.random.default_rng(seed)
    kind = np.arange(ITEMS) % KINDS
    listed = np.where(np.arange(ITEMS) % 11 == 10, rng.integers(20, 150, ITEMS), 0)
    taste = rng.integers(0, KINDS, users)
    rows = []
    for user in range(users):
        bought = set()
        for day in np.sort(rng.integers(1, DAYS, 10)):
            liked = kind == taste[user] if rng.random() < 0.9 else np.ones(ITEMS, bool)
            choice = [i for i in np.flatnonzero(liked & (listed < day)) if i not in bought]
            if choice:
                item = int(rng.choice(choice))
                bought.add(item)
                rows.append((user, item, int(day)))
    return np.array(rows), listed, kind


def make_shop(*, after=None, extra_items=0, extra_users=0, at=None):
    """Return the tables.

    ``after`` changes the item of every order from that day on, ``extra_items`` and ``extra_users`` add some
    that nobody knows, ``at`` adds orders of item 0 by user 0: microseconds.
    """
    rows, listed, kind = make_orders()
    user, item, day = rows.T
    if after is not None:
        item = np.where(day >= after, (item + 7) % ITEMS, item)
    times = day.astype(np.int64) * DAY + 1
    if at is not None:
        user, item, times = np.append(user, 0), np.append(item, 0), np.append(times, at)
    num = ITEMS + extra_items
    kinds = np.append(kind, np.arange(extra_items) % KINDS)
    rng = np.random.default_rng(5)
    return {
        "users": pa.table({"user_id": np.arange(USERS + extra_users)}),
        "kinds": pa.table({"kind_id": np.arange(KINDS)}),
        "items": pa.table(
            {
                "item_id": np.arange(num),
                "kind_id": kinds,
                "listed_at": stamps(np.append(listed, np.zeros(extra_items, int))),
                "shelf": [f"s{k}" for k in kinds],
                "price": rng.normal(size=num),
            }
        ),
        "orders": pa.table(
            {
                "order_id": np.arange(len(user)),
                "user_id": user,
                "item_id": item,
                "ordered_at": pa.array(times, pa.int64()).cast(pa.timestamp("us")),
            }
        ),
    }


def make_lists(source, *, frozen_at=None, excluded=frozenset()):
    """Every item that was listed is a candidate of every user at every anchor."""
    rows, listed, _ = make_orders()
    user, item, day = rows.T
    labels, parts = [], []
    for number, anchor in enumerate(ANCHORS):
        past = day < anchor
        popularity = np.bincount(item[past & (day >= anchor - WINDOW)], minlength=ITEMS)
        offered = np.flatnonzero(listed < anchor)
        own = np.zeros((USERS, ITEMS))
        np.add.at(own, (user[past], item[past]), 1)
        soon = (day >= anchor) & (day < anchor + WINDOW)
        chosen = [np.unique(item[soon & (user == u)]).tolist() for u in range(USERS)]
        labels += [(u, anchor, chosen[u]) for u in range(USERS)]
        for u in range(USERS):
            true = np.isin(offered, chosen[u])
            seed = np.full(len(offered), number * USERS + u)
            parts.append((seed, offered, popularity[offered], own[u, offered], true))
    seed, items, popular, own, true = (np.concatenate(p) for p in zip(*parts, strict=True))
    anchors = np.array([a for _, a, _ in labels])
    split = np.where(anchors == ANCHORS[-1], "test", np.where(anchors == ANCHORS[-2], "val", "train"))
    cutoffs = anchors if frozen_at is None else np.minimum(anchors, frozen_at)
    table = pa.table(
        {
            "entity": [u for u, _, _ in labels],
            "anchor_time": stamps(anchors),
            "cutoff": stamps(cutoffs),
            "label": pa.array([c for _, _, c in labels], pa.list_(pa.int64())),
            "split": split,
        }
    )
    noise = np.random.default_rng(1).normal(size=len(seed))
    columns = (seed, items, popular.astype(float), own, noise, true)
    names = ("seed", "item", *(f.name for f in FEATURES), "label")
    data = RankingData.build(
        task=TASK,
        history=History.SEED_TIME,
        features=FEATURES,
        candidates=pa.table(dict(zip(names, columns, strict=True))),
        labels=table,
    )
    return dataclasses.replace(data, graph=GraphView(source, excluded))


def open_shop(folder, **changes):
    return open_graph(make_shop(**changes), folder)
