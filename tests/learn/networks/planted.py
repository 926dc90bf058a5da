"""A small database whose answer lies in the neighbors: who has bought dear things lately."""

import dataclasses

import numpy as np
import pyarrow as pa

from weft.core import History, Resources, Task, TaskType
from weft.data import Tables, connect, prepare_tables, profile_snapshot, take_snapshot
from weft.graph import Source, Store, materialize
from weft.learn import GraphView, TrainingData

from ..synthetic import DAY, numerical

RESOURCES = Resources(memory_bytes=10**9, threads=2)
USERS, ITEMS, DAYS = 150, 12, 300


def make_tables(seed=0, *, after=None, delivered_after=None):
    """Users with orders of items.

    ``after`` changes every order from that day on, ``delivered_after`` every delivery, of older orders too.
    """
    rng = np.random.default_rng(seed)
    dear = rng.random(ITEMS) < 0.4
    habit = rng.random(USERS)
    day = np.sort(rng.integers(0, DAYS, 4000))
    user = rng.integers(0, USERS, len(day))
    wants = rng.random(len(day)) < habit[user]
    item = np.where(
        wants, rng.choice(np.flatnonzero(dear), len(day)), rng.choice(np.flatnonzero(~dear), len(day))
    )
    if after is not None:
        item = np.where(day >= after, (item + 5) % ITEMS, item)
    days = np.random.default_rng(seed + 1)
    delivered = day + days.integers(1, 60, len(day))
    if delivered_after is not None:
        later = delivered + days.integers(1, 99, len(day))
        delivered = np.where(delivered >= delivered_after, later, delivered)
    times = pa.array(day.astype(np.int64) * DAY + 1, pa.int64()).cast(pa.timestamp("us"))
    tables = {
        "users": pa.table({"user_id": np.arange(USERS), "city": rng.choice(["x", "y", "z"], USERS)}),
        "items": pa.table(
            {"item_id": np.arange(ITEMS), "price": np.where(dear, 90.0, 10.0) + rng.normal(0, 3, ITEMS)}
        ),
        "orders": pa.table(
            {
                "order_id": np.arange(len(day)),
                "user_id": user,
                "item_id": item,
                "amount": rng.integers(1, 5, len(day)).astype(float),
                "ordered_at": times,
                "delivered_at": pa.array(delivered * DAY, pa.int64()).cast(pa.timestamp("us")),
            }
        ),
    }
    return tables, habit


def open_graph(tables, folder):
    """Bring tables all the way to a graph."""
    info = take_snapshot(connect(tables), folder / "snapshot", resources=RESOURCES)
    paths = info.paths(folder / "snapshot")
    profile = profile_snapshot(paths, declared=info.declared, resources=RESOURCES)
    prepared = prepare_tables(paths, profile.schema, folder / "prepared", resources=RESOURCES)
    with Tables(
        prepared.schema, prepared.paths(folder / "prepared"), RESOURCES, folder / "scratch"
    ) as reader:
        materialize(reader, folder / "graph", resources=RESOURCES)
    return Source(Store(folder / "graph"))


def make_data(source, habit, kind=TaskType.BINARY, seed=1, above=0.5):
    """Label every user at eight anchors by how they like dear items; features tell nothing."""
    rng = np.random.default_rng(seed)
    anchors = np.repeat(np.arange(100, 260, 20), USERS)
    entity = np.tile(np.arange(USERS), 8)
    noisy = habit[entity] + 0.1 * rng.normal(size=len(entity))
    labels = {
        TaskType.BINARY: pa.array(noisy > above),
        TaskType.REGRESSION: pa.array(100 + 50 * noisy),
        TaskType.MULTICLASS: pa.array(np.array(["a", "b", "c"])[np.clip(noisy * 3, 0, 2).astype(int)]),
        TaskType.MULTILABEL: pa.array([["a"] * (v > 0.3) + ["b"] * (v > 0.7) for v in noisy.tolist()]),
    }[kind]
    split = np.where(anchors < 200, "train", np.where(anchors < 220, "val", "test"))
    time = pa.array(anchors.astype(np.int64) * DAY, pa.int64()).cast(pa.timestamp("us"))
    table = pa.table({"entity": entity, "anchor_time": time, "cutoff": time, "label": labels, "split": split})
    data = TrainingData.build(
        task=Task(kind, "users", "user_id"),
        history=History.SEED_TIME,
        features=(numerical("noise"),),
        feature_table=pa.table({"noise": rng.normal(size=len(entity))}),
        labels=table,
    )
    return dataclasses.replace(data, graph=GraphView(source))
