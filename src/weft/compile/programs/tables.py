"""From a source to features: programs that call the data engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import weft.data as data
from weft.compile.held import held_source
from weft.compile.opening import (
    FEATURE_LIST,
    FEATURES,
    LABELS,
    open_tables,
    read_labels,
    read_value,
    write_table,
    write_value,
)
from weft.core import History, SplitOptions, from_plain, parse_time, to_plain
from weft.flow import Context
from weft.pql import compile_query

PROFILE = "profile.json"
_STALE_PHASES = 4
_STALE_ROWS = 400_000


def take_snapshot(context: Context) -> dict[str, Any]:
    """Copy the source's tables and compute the derived ones."""
    source = held_source(context.hints["source"])
    info = data.take_snapshot(
        source,
        context.directory,
        derived=context.parameters["derived"],
        resources=context.resources,
        progress=context.progress,
    )
    context.report(rows=sum(t.num_rows for t in info.tables))
    return {"files": {t.name: t.file for t in info.tables}, "rows": {t.name: t.num_rows for t in info.tables}}


def profile_tables(context: Context) -> None:
    """Find out what the tables mean, with statistics and evidence."""
    snapshot = context.inputs["snapshot"]
    info = read_value(snapshot, data.SnapshotInfo, "snapshot.json")
    profile = data.profile_snapshot(
        {t.name: snapshot.path(t.file) for t in info.tables},
        declared=info.declared,
        overrides=data.parse_overrides(context.parameters["overrides"]),
        resources=context.resources,
        progress=context.progress,
    )
    # What the reader of the source noticed stands beside what the tables themselves show.
    profile = replace(profile, findings=(*info.findings, *profile.findings))
    context.report(rows=sum(t.num_rows for t in info.tables))
    write_value(context.directory, PROFILE, profile)


def prepare_tables(context: Context) -> dict[str, Any]:
    """Clean and type the tables and give each row its time."""
    snapshot = context.inputs["snapshot"]
    profile = read_value(context.inputs["profile"], data.Profile, PROFILE)
    info = data.prepare_tables(
        {name: snapshot.path(file) for name, file in snapshot.value["files"].items()},
        profile.schema,
        context.directory,
        resources=context.resources,
        stated_times=profile.stated_times,
        progress=context.progress,
    )
    context.report(rows=sum(c.rows_read for c in info.counts.values()))
    plain: dict[str, Any] = to_plain(info)
    return plain


def make_labels(context: Context) -> dict[str, Any]:
    """Compute the label table of the query, or adopt the user's own."""
    parameters = context.parameters
    options = from_plain(SplitOptions, parameters["options"])
    history = History(parameters["history"])
    with open_tables(context.inputs["tables"], context.resources, context.scratch) as tables:
        query = compile_query(parameters["query"], tables.schema)
        if "label_table" in context.digests:
            given = pq.read_table(context.inputs["tables"].store.local_path(context.digests["label_table"]))
            labels = data.use_label_table(tables, query, given, options, history)
        else:
            labels = data.build_labels(tables, query, options, history, progress=context.progress)
    context.report(rows=labels.table.num_rows)
    write_table(labels.table, context.directory / LABELS)
    return {
        "layout": to_plain(labels.layout),
        "counts": labels.counts,
        "findings": to_plain(labels.findings),
    }


def audit_tables(context: Context) -> dict[str, Any]:
    """Look for leaks, and decide what becomes of every flagged column."""
    profile = read_value(context.inputs["profile"], data.Profile, PROFILE)
    labels = read_labels(context.inputs["labels"])
    with open_tables(context.inputs["tables"], context.resources, context.scratch) as tables:
        query = compile_query(context.parameters["query"], tables.schema)
        findings = data.audit_tables(
            tables, profile.statistics, query, labels.table, progress=context.progress
        )
        decisions = data.decide(findings, context.parameters["decisions"], schema=tables.schema)
    context.report(rows=sum(t.num_rows for t in profile.statistics))
    return {
        "findings": to_plain(findings),
        "excluded": sorted([table, column] for table, column in decisions.excluded),
        "as_of": sorted([table, column, time] for (table, column), time in decisions.as_of.items()),
    }


def make_features(context: Context) -> dict[str, Any]:
    """Plan the features on train and compute them for every row of the label table."""
    labels = read_labels(context.inputs["labels"])
    with open_tables(context.inputs["tables"], context.resources, context.scratch) as tables:
        query = compile_query(context.parameters["query"], tables.schema)
        context.progress.update(0, 3, "planning features")
        features = data.plan_features(tables, query, labels=labels.table, **decisions_of(context))
        context.progress.update(1, 3, f"computing {len(features)} features")
        values = data.compute_features(tables, labels.table, features, query=query, labels=labels.table)
        write_table(values, context.directory / FEATURES)
        alternatives = _stale_features(context, tables, query, labels, features)
    write_value(context.directory, FEATURE_LIST, features)
    context.report(rows=labels.table.num_rows)
    return {"alternatives": alternatives, "num_features": len(features)}


def _stale_features(context: Context, tables: Any, query: Any, labels: Any, features: Any) -> list[str]:
    """Under frozen history, also show train rows as val and test see theirs: from an earlier cutoff."""
    if labels.layout.history is not History.FROZEN or len(labels.layout.val) < 2:
        return []
    context.progress.update(2, 3, "computing features from earlier cutoffs")
    # Several phases tell how features age in between; where rows are many, one has enough of them.
    phases = max(1, min(_STALE_PHASES, _STALE_ROWS // max(labels.counts["train"], 1)))
    stale = data.stale_cutoffs(labels.table, len(labels.layout.val), num_phases=phases)
    stale = stale.filter(pc.equal(stale["split"], "train"))
    values = data.compute_features(tables, stale, features, query=query, labels=labels.table)
    write_table(values, context.directory / "features-stale.parquet")
    write_table(stale, context.directory / "labels-stale.parquet")
    return ["stale"]


def make_candidates(context: Context) -> dict[str, Any]:
    """Collect the items that each seed may choose next, with features."""
    labels = read_labels(context.inputs["labels"])
    options = data.CandidateOptions()
    kept = newest_train_seeds(labels.table, options.max_train_seeds, context.parameters["seed"])
    decided = decisions_of(context)
    with open_tables(context.inputs["tables"], context.resources, context.scratch) as tables:
        query = compile_query(context.parameters["query"], tables.schema)
        made = data.build_candidates(
            tables, query, kept, truth=kept["label"], excluded=decided["excluded"], options=options
        )
    write_table(made.table, context.directory / FEATURES)
    write_table(kept, context.directory / LABELS)
    write_value(context.directory, FEATURE_LIST, made.features)
    context.report(rows=made.table.num_rows)
    return {"alternatives": [], "num_features": len(made.features)}


def newest_train_seeds(labels: pa.Table, most: int, seed: int) -> pa.Table:
    """Keep all val and test seeds, and of train the newest anchors until ``most`` seeds; sample the last."""
    split = labels["split"].to_numpy(zero_copy_only=False)
    anchors = labels["anchor_time"].cast("int64").to_numpy()
    train = np.flatnonzero(split == "train")
    order = np.random.default_rng(seed).permutation(len(train))
    order = order[np.argsort(-anchors[train[order]], kind="stable")]
    chosen = np.sort(np.concatenate([train[order[:most]], np.flatnonzero(split != "train")]))
    return labels.take(chosen)


def decisions_of(context: Context) -> dict[str, Any]:
    """Return what the audit decided, as the feature engine takes it."""
    value = context.inputs["audit"].value
    return {
        "excluded": frozenset((table, column) for table, column in value["excluded"]),
        "as_of": {
            (table, column): time if isinstance(time, int) else parse_time(time)
            for table, column, time in value["as_of"]
        },
    }
