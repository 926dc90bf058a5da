"""Measure the automatic aggregates with one LightGBM: accuracy, time, memory.

python bench/dev_accuracy.py --prepared FOLDER --data FOLDER [--task NAME] [--history H] [--seeds N]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weft.core import (
    Dtype,
    FeatureKind,
    Offset,
    Resources,
    Schema,
    Stype,
    Task,
    TaskType,
    from_json,
    parse_time,
    peak_memory_bytes,
)
from weft.data.features import FeatureOptions, compute_features, plan_features, stale_cutoffs
from weft.data.tables import Tables
from weft.pql.query import Aggregate, AggregateName, ColumnValue, Comparison, Literal, Mode, Or, Query, Window

DAY = 86_400_000_000
ROUNDS = 300
LEAST_ROUNDS = 30
TRAVEL_LEAKS = frozenset(
    (table, column)
    for table, columns in {
        "users": "Reputation Views UpVotes DownVotes LastAccessDate Age AccountId",
        "posts": "Score ViewCount AnswerCount CommentCount FavoriteCount AcceptedAnswerId ClosedDate "
        "LastActivityDate LastEditDate CommunityOwnedDate LastEditorUserId",
        "comments": "Score",
        "tags": "Count ExcerptPostId WikiPostId",
    }.items()
    for column in columns.split()
)


def agg(schema, name, table, column, link, days, where=None):
    links = {k.name: k for k in schema.links}
    value = None
    if column:
        c = schema.table(table).column(column)
        value = ColumnValue(table, column, (), c.dtype, c.stype)
    return Aggregate(
        AggregateName[name], table, value, (links[link],), where, Window(Offset(0), Offset(days)), Dtype.FLOAT
    )


def query_of(task, schema):
    zero = Literal(0, Dtype.INT)
    kind, entity, column, horizon = TaskType.BINARY, "drivers", "driverId", 30
    if task == "driver-dnf":
        status = ColumnValue("results", "statusId", (), Dtype.INT, Stype.CATEGORICAL)
        where = Comparison("!=", status, Literal(1, Dtype.INT))
        target = Comparison(
            ">", agg(schema, "COUNT", "results", None, "results.driverId -> drivers", 30, where), zero
        )
    elif task == "driver-top3":
        target = Comparison(
            "<=",
            agg(schema, "MIN", "qualifying", "position", "qualifying.driverId -> drivers", 30),
            Literal(3, Dtype.INT),
        )
    elif task == "driver-position":
        kind, horizon = TaskType.REGRESSION, 60
        target = agg(schema, "AVG", "results", "positionOrder", "results.driverId -> drivers", 60)
    else:
        entity, column, horizon = "users", "Id", 91

        def some(table, link):
            return Comparison(">", agg(schema, "COUNT", table, None, link, 91), zero)

        if task == "user-badge":
            target = some("badges", "badges.UserId -> users")
        else:
            target = Or(
                (
                    some("posts", "posts.OwnerUserId -> users"),
                    some("votes", "votes.UserId -> users"),
                    some("comments", "comments.UserId -> users"),
                )
            )
    t = Task(kind, entity, column, horizon=Offset(horizon))
    return Query("", "", Mode.PREDICT, target, None, t, None, None, None)


def read_labels(folder, history, val_start, test_start):
    parts = []
    for split in ("train", "val", "test"):
        t = pq.read_table(folder / f"{split}.parquet")
        names = t.column_names
        anchor = t[names[0]].cast(pa.timestamp("us"))
        cutoff = anchor
        if history == "frozen" and split != "train":
            start = val_start if split == "val" else test_start
            cutoff = pa.array([start] * len(t), pa.int64()).cast(pa.timestamp("us"))
        parts.append(
            pa.table(
                {
                    "entity": t[names[1]],
                    "anchor_time": anchor,
                    "cutoff": cutoff,
                    "label": t[names[2]].cast(pa.float64()),
                    "split": [split] * len(t),
                }
            )
        )
    return pa.concat_tables(parts).sort_by([("anchor_time", "ascending"), ("entity", "ascending")])


def matrix(table, features):
    columns = []
    for f in features:
        if f.kind is FeatureKind.CATEGORICAL:
            columns.append(
                pc.fill_null(table[f.name].combine_chunks().dictionary_encode().indices, -1)
                .to_numpy(zero_copy_only=False)
                .astype(float)
            )
        else:
            columns.append(table[f.name].to_numpy())
    return np.column_stack(columns)


def auroc(y, p):
    order = np.argsort(p, kind="stable")
    ranks = np.empty(len(p))
    s = p[order]
    _, at, counts = np.unique(s, return_inverse=True, return_counts=True)
    ranks[order] = (np.cumsum(counts) - (counts - 1) / 2)[at]
    n1 = y.sum()
    return (ranks[y == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * (len(y) - n1))


def fit(x, y, split, kind, seed, params, cats, weight=None):
    p = {
        "objective": "binary" if kind is TaskType.BINARY else "mae",
        "verbosity": -1,
        "num_threads": 1,
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_data_in_leaf": 40,
        "feature_fraction": 0.4,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 63,
        "seed": seed,
        "deterministic": True,
    } | params
    p["metric"] = "auc" if kind is TaskType.BINARY else "mae"
    train = lgb.Dataset(
        x[split == "train"], y[split == "train"], weight=weight, categorical_feature=cats, free_raw_data=False
    )
    val = lgb.Dataset(x[split == "val"], y[split == "val"], reference=train, categorical_feature=cats)
    curve = {}
    model = lgb.train(p, train, ROUNDS, [val], callbacks=[lgb.record_evaluation(curve)])
    return model, np.array(next(iter(curve["valid_0"].values())))


def score(y, p, kind):
    return 100 * auroc(y, p) if kind is TaskType.BINARY else float(np.abs(y - p).mean())


def run(task, history, args, params=None):
    is_travel = task.startswith("user")
    name = "travel" if is_travel else "rel_f1"
    prepared = args.prepared / name
    schema = from_json(Schema, (prepared / "schema.json").read_text())
    tables = Tables(
        schema,
        {t.name: prepared / f"{t.name}.parquet" for t in schema.tables},
        Resources(4 * 10**9, 2),
        args.scratch,
    )
    query = query_of(task, schema)
    val, test = (
        (parse_time("2017-01-30"), parse_time("2017-05-01"))
        if is_travel
        else (parse_time("2005-01-01"), parse_time("2010-01-01"))
    )
    labels = read_labels(args.data / name / "tasks" / task, history, val, test)
    plain, phases = labels, 4 if history == "frozen" and not args.fresh else 1
    if phases > 1:
        labels = stale_cutoffs(labels, 40, num_phases=phases)
    t0 = time.process_time()
    features = plan_features(
        tables,
        query,
        labels=labels,
        excluded=frozenset(TRAVEL_LEAKS) if is_travel else frozenset(),
        options=FeatureOptions(max_features=args.max_features),
    )
    t1 = time.process_time()
    table = compute_features(tables, labels, features, query=query, labels=plain)
    t2 = time.process_time()
    x, y = matrix(table, features), labels["label"].to_numpy()
    split = np.array(labels["split"].to_pylist())
    cats = [i for i, f in enumerate(features) if f.kind is FeatureKind.CATEGORICAL] if args.cats else []
    if not args.cats:
        keep = [i for i, f in enumerate(features) if f.kind is not FeatureKind.CATEGORICAL]
        x, features = x[:, keep], [features[i] for i in keep]
    kind = query.task.type
    found = {}
    scaled = {"min_data_in_leaf": 40 * phases, "lambda_l2": 5.0 * phases}
    t3 = time.process_time()
    sign = 1 if kind is TaskType.BINARY else -1
    for size in dict.fromkeys([min(50, x.shape[1]), x.shape[1]]):
        own = [c for c in cats if c < size] or "auto"
        fits = [fit(x[:, :size], y, split, kind, s, scaled | (params or {}), own) for s in range(args.seeds)]
        # One number of rounds for all seeds: a curve of one seed on a few hundred rows is noise.
        curve = sign * np.mean([c for _, c in fits], axis=0)
        rounds = LEAST_ROUNDS + int(np.argmax(curve[LEAST_ROUNDS - 1 :]))
        vals, tests, gain = [], [], np.zeros(size)
        for m, _ in fits:
            p = m.predict(x[:, :size], num_iteration=rounds)
            vals.append(score(y[split == "val"], p[split == "val"], kind))
            tests.append(score(y[split == "test"], p[split == "test"], kind))
            gain += m.feature_importance("gain")
        found[size] = (np.mean(vals), np.std(vals), np.mean(tests), np.std(tests), gain)
    t4 = time.process_time()
    best = max(found, key=lambda n: sign * found[n][0])
    gain = found[best][4]
    for size, (v, vs, t, ts, _) in found.items():
        chosen = " <- chosen on val" if size == best else ""
        print(
            f"{task:16s} {history:9s} features {size:4d} val {v:.3f} ± {vs:.3f}  "
            f"test {t:.3f} ± {ts:.3f}{chosen}"
        )
    print(
        f"    plan {t1 - t0:.1f} compute {t2 - t1:.1f} fit {t4 - t3:.1f} CPU-s, "
        f"peak {peak_memory_bytes() / 1e9:.2f} GB",
        flush=True,
    )
    if args.top:
        for i in np.argsort(-gain)[: args.top]:
            print(f"    {gain[i] / gain.sum():.3f} {features[i].name}: {features[i].words}")
    return labels, features, x, y, split


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/weft-dev-accuracy"))
    parser.add_argument("--task", action="append")
    parser.add_argument("--history", action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--top", type=int, default=0)
    parser.add_argument("--max-features", type=int, default=100)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--cats", action="store_true")
    args = parser.parse_args()
    for task in args.task or ["driver-dnf", "driver-top3", "driver-position"]:
        for history in args.history or ["seed_time", "frozen"]:
            run(task, history, args)


if __name__ == "__main__":
    main()
