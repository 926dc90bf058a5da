"""The training table: one row per entity and anchor, with the value the query asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Finding, History, Progress, Severity, Silent, Split, SplitOptions, TaskType, UserError
from weft.data.labels.condition import evaluate
from weft.data.labels.layout import Layout, plan_layout
from weft.data.labels.moments import Moment, Moments
from weft.data.labels.seeds import EntityScope, keep_where, seeds_at, with_aggregates
from weft.data.tables import Tables
from weft.pql.query import Query

MOMENTS_PER_BATCH = 1000
BYTES_PER_SEED = 256


@dataclass(frozen=True)
class Labels:
    """A training table with how it came about.

    Attributes:
        table: Columns ``entity, anchor_time, cutoff, label, split``, for forecasting also ``frame``,
            sorted by anchor, entity and frame.
        layout: The anchors of each split.
        counts: Rows per split; for a binary task also the positive ones, as ``train_positive`` …
        findings: What the reader of the labels should know.
    """

    table: pa.Table
    layout: Layout
    counts: dict[str, int]
    findings: tuple[Finding, ...]


def build_labels(
    tables: Tables,
    query: Query,
    options: SplitOptions | None = None,
    history: History = History.SEED_TIME,
    *,
    progress: Progress | None = None,
) -> Labels:
    """Compute the training table of a query.

    Facts are reduced per entity and anchor before they meet the entities, and anchors are worked on in
    batches sized by the memory limit.

    Raises:
        UserError: What `plan_layout` raises; ``DATA071`` when a split has no row.
    """
    options = options or SplitOptions()
    layout = plan_layout(tables, query, options, history)
    if layout.method == "split_column":
        check_split_column(tables, query, options)
    anchors = sorted(layout.split_by_anchor())
    batches = list(_batches(tables, query, anchors))
    parts = []
    for number, batch in enumerate(batches):
        (progress or Silent()).update(number, len(batches), "labels")
        parts.append(_batch_labels(tables, query, layout, options, batch))
    (progress or Silent()).update(len(batches), len(batches), "labels")
    return finish_labels(query, layout, pa.concat_tables(parts))


def finish_labels(query: Query, layout: Layout, table: pa.Table) -> Labels:
    """Count the rows of a finished table and check that no split is empty."""
    counts = _counts(table, query.task.type)
    empty = [split.value for split in Split if not counts[split.value]]
    if empty:
        raise UserError(
            "DATA071",
            f"the split {' and '.join(empty)} has no row: no entity has a label at its anchors.",
            "check the target, WHERE and ASSUMING, or move the split times.",
        )
    return Labels(table, layout, counts, _findings(query, layout))


def check_split_column(tables: Tables, query: Query, options: SplitOptions) -> None:
    """Refuse a split column that is not there or holds other values than the names of the splits.

    Raises:
        UserError: ``DATA075``; ``SCH002`` when the entity's table has no such column.
    """
    name = str(options.split_column)
    table = query.task.entity_table
    tables.schema.table(table).column(name)
    values = tables.table(table)[name].cast("string")
    others = tables.fetch(values.name("v").as_table().filter(~values.isin(list(Split))).distinct().limit(5))
    found = sorted(others.column(0).to_pylist())
    if found:
        raise UserError(
            "DATA075",
            f"the split column {table}.{name} holds {', '.join(map(repr, found))}.",
            "use the values train, val and test; rows with null are left out.",
        )


def label_value(query: Query, scope: EntityScope) -> Any:
    """Return the label as an Ibis value of the type that its task has."""
    value = evaluate(query.target, scope)
    if query.task.type in (TaskType.REGRESSION, TaskType.FORECASTING):
        number = value.cast("float64")
        return (number.isnan() | number.isinf()).ifelse(None, number)
    return value.cast("string") if query.task.type is TaskType.MULTICLASS else value


def _batch_labels(
    tables: Tables, query: Query, layout: Layout, options: SplitOptions, anchors: list[int]
) -> pa.Table:
    frames = range(layout.num_frames)
    moments = [Moment(anchor, frame) for anchor in anchors for frame in frames]
    extra = (options.split_column,) if layout.method == "split_column" and options.split_column else ()
    with Moments(tables, moments, layout.window) as grid:
        scope = seeds_at(tables, query, grid, extra)
        scope = keep_where(tables, query, query.assuming, scope, grid)
        scope = with_aggregates(tables, query, query.target, scope, grid, by_frame=True)
        rows = scope.rows.mutate(label=label_value(query, scope))
        rows = rows.filter(rows["label"].notnull())
        columns = {"entity": rows["key"], "moment": rows["moment"], "label": rows["label"]}
        if extra:
            rows = rows.filter(rows[scope.gathered.name_by_place[(), extra[0]]].notnull())
            columns["split"] = rows[scope.gathered.name_by_place[(), extra[0]]]
        order = ["anchor", "key", "moment"] if layout.num_frames > 1 else ["moment", "key"]
        found = tables.fetch(rows.order_by(order).select(**columns))
    return _with_times(found, layout, moments)


def _with_times(found: pa.Table, layout: Layout, moments: list[Moment]) -> pa.Table:
    """Replace moment numbers by times, and add split and frame."""
    number = found["moment"].combine_chunks()
    splits = pa.array([split.value for split in Split], pa.string())
    if "split" in found.column_names:
        split = found["split"].combine_chunks()
    else:
        by_anchor = layout.split_by_anchor()
        split = pa.array([by_anchor[m.anchor_us].value for m in moments], pa.string()).take(number)
    cutoffs = [layout.cutoff_us(s, m.anchor_us) for s in Split for m in moments]
    code = pc.index_in(split, splits).cast(pa.int64())
    columns = {
        "entity": found["entity"],
        "anchor_time": _taken([m.anchor_us for m in moments], number, pa.timestamp("us")),
        "cutoff": _taken(cutoffs, pc.add(pc.multiply(code, len(moments)), number), pa.timestamp("us")),
        "label": found["label"],
        "split": split,
    }
    if layout.num_frames > 1:
        columns["frame"] = _taken([m.frame for m in moments], number, pa.int64())
    return pa.table(columns)


def _taken(values: list[int], number: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.int64()).cast(kind).take(number)


def _batches(tables: Tables, query: Query, anchors: list[int]) -> Iterator[list[int]]:
    entities = tables.table(query.task.entity_table)
    num_entities = tables.fetch(entities.agg(n=entities.count())).column(0).to_pylist()[0]
    frames = query.task.num_frames or 1
    seeds = tables.resources.memory_bytes // BYTES_PER_SEED
    moments = min(MOMENTS_PER_BATCH, max(1, seeds // max(1, num_entities)))
    size = max(1, moments // frames)
    for start in range(0, len(anchors), size):
        yield anchors[start : start + size]


def _counts(table: pa.Table, kind: TaskType) -> dict[str, int]:
    split = table["split"]
    counts = {name.value: int(np.sum(np.asarray(pc.equal(split, name.value)))) for name in Split}
    if kind is TaskType.BINARY:
        for name in Split:
            positive = pc.and_(pc.equal(split, name.value), table["label"])
            counts[f"{name.value}_positive"] = int(pc.sum(positive).as_py() or 0)
    return counts


def _findings(query: Query, layout: Layout) -> tuple[Finding, ...]:
    if not layout.straddling:
        return ()
    return (
        Finding(
            "straddling_anchors",
            Severity.NOTE,
            query.task.entity_table,
            (),
            f"{len(layout.straddling)} anchors are left out because their label window reaches into "
            "the next split",
            "give a step as long as the target's window to use every anchor",
        ),
    )
