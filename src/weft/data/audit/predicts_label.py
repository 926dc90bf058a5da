"""A column that predicts the label too well alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Column, Dtype, Finding, Link, Severity, Table, TaskType
from weft.data.audit.context import AuditContext, as_floats, mean_ranks, rank_correlation
from weft.data.audit.target_in_features import target_columns
from weft.data.profile.engine import epoch_us

RULE = "predicts_label_alone"
_MIN_SCORE = 0.98
_MIN_ROWS = 100
_MIN_CLASS_ROWS = 10
_MAX_ROWS = 20_000
# Every column is scored; of wide tables on fewer rows, some columns at a time.
_LEAST_ROWS = 1_000
_MAX_CELLS = 20_000_000
_COLUMNS_AT_ONCE = 200

Floats = np.ndarray[Any, np.dtype[np.float64]]


def find(context: AuditContext) -> Iterator[Finding]:
    """Score each column of the entity's table, and of the tables it points to, against the train labels."""
    query = context.query
    if query is None or context.labels is None:
        return
    entity = context.schema.table(query.task.entity_table)
    paths: list[Link | None] = [None, *_parents(context, entity)]
    columns = {
        path: _columns(context, context.schema.table(path.parent) if path else entity) for path in paths
    }
    labels = _train_labels(context.labels, max(map(len, columns.values())))
    target = _target(labels, query.task.type)
    if target is None:
        return
    is_binary = query.task.type in (TaskType.BINARY, TaskType.MULTICLASS)
    halves = _halves(labels)
    for path in paths:
        table = context.schema.table(path.parent) if path else entity
        for part in _parts(columns[path]):
            values = _values(context, query.task.entity_column, entity, path, part, labels)
            for column in part:
                score = _score(values.column(column.name), column, target, is_binary, halves)
                if score >= _MIN_SCORE:
                    yield _finding(table, column, score, len(target), is_binary)


def _parts(columns: list[Column]) -> Iterator[list[Column]]:
    for start in range(0, len(columns), _COLUMNS_AT_ONCE):
        yield columns[start : start + _COLUMNS_AT_ONCE]


def _columns(context: AuditContext, table: Table) -> list[Column]:
    """Return the columns to score: plain ones, without what a static query itself asks for."""
    query = context.query
    targets = target_columns(query) if query and query.task.is_static else set()
    return [c for c in context.plain_columns(table) if (table.name, c.name) not in targets]


def _halves(labels: pa.Table) -> Floats:
    """Divide the entities, not their rows, in two."""
    codes = pc.dictionary_encode(labels.column(0).combine_chunks()).indices
    return np.asarray(codes.to_numpy() % 2, dtype=np.float64)


def _parents(context: AuditContext, entity: Table) -> list[Link]:
    return [k for k in context.schema.links_from(entity.name) if k.parent != entity.name]


def _train_labels(labels: pa.Table, num_columns: int) -> pa.Table:
    if "split" in labels.column_names:
        labels = labels.filter(pc.equal(labels["split"], "train"))
    labels = labels.filter(pc.is_valid(labels["label"]))
    most = max(_LEAST_ROWS, min(_MAX_ROWS, _MAX_CELLS // max(num_columns, 1)))
    step = -(-labels.num_rows // most) or 1
    return labels.take(pa.array(range(0, labels.num_rows, step), pa.int64()))


def _target(labels: pa.Table, task: TaskType) -> Floats | None:
    """Return the label as numbers, of several classes the most frequent one; else ``None``."""
    if labels.num_rows < _MIN_ROWS:
        return None
    if task in (TaskType.REGRESSION, TaskType.FORECASTING):
        values = as_floats(labels, "label")
        return values if len(np.unique(values)) >= _MIN_CLASS_ROWS else None
    if task is TaskType.BINARY:
        values = as_floats(labels, "label")
        return values if min(values.sum(), len(values) - values.sum()) >= _MIN_CLASS_ROWS else None
    if task is TaskType.MULTICLASS:
        top = labels.column("label").value_counts().to_pylist()
        most = max(top, key=lambda v: (v["counts"], str(v["values"])))["values"]
        values = as_floats(pa.table({"y": pc.equal(labels["label"], most)}), "y")
        return values if min(values.sum(), len(values) - values.sum()) >= _MIN_CLASS_ROWS else None
    return None


def _values(
    context: AuditContext, key: str, entity: Table, link: Link | None, columns: list[Column], labels: pa.Table
) -> pa.Table:
    """Return the columns for every label row, in its order; of a parent where a link is given."""
    source = context.tables.table(entity.name)
    keyed = source.select(
        __key=source[key], **{f"__k{i}": source[c] for i, c in enumerate(link.columns)} if link else {}
    )
    own = context.tables.table(link.parent if link else entity.name)
    chosen = {f"__c{i}": _comparable(own[c.name], c) for i, c in enumerate(columns)}
    if link is None:
        described = own.select(__key=own[key], **chosen)
    else:
        parents = own.select(**{f"__k{i}": own[c] for i, c in enumerate(link.parent_columns)}, **chosen)
        described = keyed.join(parents, [f"__k{i}" for i in range(len(link.columns))])
    with _seeds(context, labels) as seeds:
        joined = seeds.left_join(described, "__key").order_by("__n")
        result = context.tables.fetch(joined.select(*chosen))
    return result.rename_columns([c.name for c in columns])


def _comparable(column: Any, described: Column) -> Any:
    return epoch_us(column) if described.dtype is Dtype.TIMESTAMP else column


@contextlib.contextmanager
def _seeds(context: AuditContext, labels: pa.Table) -> Iterator[Any]:
    """Lend the label rows to the engine as a table of keys and row numbers."""
    connection = context.tables.backend.con
    rows = pa.table({"__key": labels.column(0), "__n": pa.array(range(labels.num_rows), pa.int64())})
    connection.register("weft_audit_rows", rows)
    connection.execute("CREATE OR REPLACE TABLE weft_audit_seeds AS FROM weft_audit_rows")
    connection.unregister("weft_audit_rows")
    try:
        yield context.tables.backend.table("weft_audit_seeds")
    finally:
        connection.execute("DROP TABLE weft_audit_seeds")


def _score(values: pa.ChunkedArray, column: Column, target: Floats, is_binary: bool, halves: Floats) -> float:
    """Return how well one column alone ranks the label: AUROC, or rank correlation of a number."""
    if column.dtype is Dtype.VECTOR or values.null_count == len(values):
        return 0.0
    if column.dtype is Dtype.STRING:
        return _rank(_encode(values, target, halves), target, is_binary)
    numbers = as_floats(pa.table({"v": values}), "v")
    known = ~np.isnan(numbers)
    if not is_binary:
        return _rank(numbers[known], target[known], is_binary) if known.sum() >= _MIN_ROWS else 0.0
    low, high = float(numbers[known].min()) - 1, float(numbers[known].max()) + 1
    return max(_rank(np.where(known, numbers, fill), target, is_binary) for fill in (low, high))


def _encode(values: pa.ChunkedArray, target: Floats, halves: Floats) -> Floats:
    """Replace each value by its mean label among the entities of the other half."""
    codes = pc.dictionary_encode(values.combine_chunks(), null_encoding="encode").indices.to_numpy()
    encoded = np.full(len(codes), float(target.mean()))
    for half in (0, 1):
        fitted, scored = halves == half, halves != half
        counts = np.bincount(codes[fitted], minlength=codes.max() + 1)
        sums = np.bincount(codes[fitted], weights=target[fitted], minlength=codes.max() + 1)
        means = np.divide(sums, counts, out=np.full(len(counts), float(target.mean())), where=counts > 0)
        encoded[scored] = means[codes[scored]]
    return encoded


def _rank(values: Floats, target: Floats, is_binary: bool) -> float:
    if not is_binary:
        return abs(rank_correlation(values, target))
    positive = target == 1
    ranks, pairs = mean_ranks(values), float(positive.sum() * (~positive).sum())
    area = (ranks[positive].sum() - positive.sum() * (positive.sum() - 1) / 2) / pairs
    return float(max(area, 1 - area))


def _finding(table: Table, column: Column, score: float, rows: int, is_binary: bool) -> Finding:
    measure = "AUROC" if is_binary else "rank correlation"
    return Finding(
        RULE,
        Severity.ALARM,
        table.name,
        (column.name,),
        f"alone it predicts the label with {measure} {score:.3f} on {rows:,} train rows",
        "check whether it was known at the anchor: drop it, or keep it if it was",
        score,
    )
