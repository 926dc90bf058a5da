"""Small tasks of every type with a planted signal."""

import numpy as np
import pyarrow as pa

from weft.core import Feature, FeatureKind, History, Offset, Resources, Silent, Task, TaskType
from weft.learn import Budget, TrainingData, get_rung

RESOURCES = Resources(memory_bytes=2 * 10**9, threads=2)
DAY = 86_400_000_000


def numerical(name, aggregate="count", words="", **rest):
    return _feature(name, FeatureKind.NUMERICAL, aggregate, words, **rest)


def categorical(name, aggregate="value", words="", **rest):
    return _feature(name, FeatureKind.CATEGORICAL, aggregate, words, **rest)


def _feature(name, kind, aggregate, words, table="orders", columns=(), links=(), window_us=None):
    return Feature(name, kind, table, columns, links, aggregate, window_us, words or name)


def make_task(kind, **rest):
    return Task(type=kind, entity_table="users", entity_column="user_id", horizon=Offset(30), **rest)


RANKING = make_task(TaskType.LINK_PREDICTION, top_k=5, item_table="items", item_column="item_id")


def label_table(labels, *, num_entities=50, anchors=8, frames=0):
    """Lay out rows by anchor and entity; the newest anchor is test, the one before val."""
    n = len(labels)
    entity = np.arange(n) % num_entities
    anchor = np.minimum(np.arange(n) * anchors // n, anchors - 1)
    split = np.where(anchor == anchors - 1, "test", np.where(anchor == anchors - 2, "val", "train"))
    time = pa.array(anchor * 30 * DAY, pa.int64()).cast(pa.timestamp("us"))
    columns = {"entity": entity, "anchor_time": time, "cutoff": time, "label": labels, "split": split}
    if frames:
        columns["frame"] = np.arange(n) % frames
    return pa.table(columns)


def planted(n=2400, *, seed=0, num_noise=4):
    """Features of which ``strong`` and ``color`` matter, and the latent signal they make."""
    rng = np.random.default_rng(seed)
    strong = rng.normal(size=n)
    weak = rng.normal(size=n)
    color = rng.integers(0, 4, size=n)
    signal = 1.5 * strong + 0.4 * weak + 0.7 * (color == 2)
    past = signal + rng.normal(size=n)
    columns = {
        "strong": pa.array(np.where(rng.random(n) < 0.05, np.nan, strong), from_pandas=True),
        "weak": pa.array(weak),
        "color": pa.array(np.array(["red", "green", "blue", None], dtype=object)[color]),
        "past.mean": pa.array(past),
        "past.count": pa.array(rng.integers(1, 9, size=n).astype(float)),
        **{f"noise_{i}": pa.array(rng.normal(size=n)) for i in range(num_noise)},
    }
    features = [
        numerical("strong", words="number of orders in the last 30 days"),
        numerical("weak"),
        categorical("color"),
        numerical("past.mean", "past_label.mean", "the mean of past labels"),
        numerical("past.count", "past_label.count"),
        *(numerical(f"noise_{i}") for i in range(num_noise)),
    ]
    return features, pa.table(columns), signal, rng


def make_data(kind, *, n=2400, seed=0, history=History.SEED_TIME, num_classes=3, **options):
    """Build `TrainingData` of a task type from the planted signal."""
    features, table, signal, rng = planted(n, seed=seed)
    noisy = signal + 0.7 * rng.normal(size=n)
    frames, rest = 0, {}
    if kind is TaskType.BINARY:
        labels = pa.array(noisy > 0.8)
        table = table.set_column(3, "past.mean", pa.array((table["past.mean"].to_numpy() > 0.8) * 1.0))
    elif kind in (TaskType.REGRESSION, TaskType.FORECASTING):
        labels = pa.array(10 + 3 * noisy)
        table = table.set_column(3, "past.mean", pa.array(10 + 3 * table["past.mean"].to_numpy()))
        if kind is TaskType.FORECASTING:
            frames, rest = 3, {"num_frames": 3}
    else:
        cuts = np.quantile(noisy, np.arange(1, num_classes) / num_classes)
        code = np.searchsorted(cuts, noisy)
        names = np.array([f"class_{i:03d}" for i in range(num_classes)])
        past = np.searchsorted(cuts, table["past.mean"].to_numpy())
        table = table.append_column("past.mode", pa.array(names[past]))
        features = [*features, categorical("past.mode", "past_label.mode")]
        labels = pa.array(names[code])
        if kind is not TaskType.MULTICLASS:
            extra = rng.integers(0, num_classes, size=n)
            labels = pa.array([sorted({names[a], names[b]}) for a, b in zip(code, extra, strict=True)])
            rest = {"top_k": 2} if kind is TaskType.MULTILABEL_RANKING else {}
    return TrainingData.build(
        task=make_task(kind, **rest),
        history=history,
        features=features,
        feature_table=table,
        labels=label_table(labels, frames=frames),
        **options,
    )


def fit_model(data, rung, *, budget=2.0, seed=0, threads=2, **config):
    """Fit the first variant of a rung."""
    kind = get_rung(rung)
    first = kind.variants(data.outline, Budget(budget))[0]
    limits = {"resources": Resources(10**9, threads), "deadline": None, "progress": Silent()}
    return kind.fit(data, {**first, **config}, seed, **limits)
