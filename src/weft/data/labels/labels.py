"""The training table: one row per entity and anchor, with the value the query asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from weft.core import History, Progress, Silent, Split, SplitOptions
from weft.data.engine import engine_errors
from weft.data.labels.finish import (
    Labels,
    check_split_column,
    finish_labels,
    label_value,
    may_be_undefined,
)
from weft.data.labels.layout import Layout
from weft.data.labels.moments import Moment, Moments
from weft.data.labels.plan import plan_layout
from weft.data.labels.seeds import EntityScope, keep_where, seeds_at, with_aggregates
from weft.data.labels.static import build_static
from weft.data.tables import Tables
from weft.pql.query import Query

MOMENTS_PER_BATCH = 1000
BYTES_PER_SEED = 256


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
    if query.task.is_static:
        return build_static(tables, query, options, history)
    layout = plan_layout(tables, query, options, history)
    if layout.method == "split_column":
        check_split_column(tables, query, options)
    seeds: Counter[str] = Counter()
    table = _compute(tables, query, layout, options, progress or Silent(), seeds)
    labels = finish_labels(query.task, layout, table, query, tables=tables)
    undefined = {f"{s.value}_undefined": seeds[s.value] - labels.counts[s.value] for s in Split}
    known = seeds and any(undefined.values())
    return replace(labels, counts=labels.counts | undefined) if known else labels


def compute_labels(
    tables: Tables,
    query: Query,
    layout: Layout,
    options: SplitOptions | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Compute the label table of a query with windows at the anchors of a layout, unchecked."""
    return _compute(tables, query, layout, options or SplitOptions(), progress or Silent(), Counter())


def _compute(
    tables: Tables,
    query: Query,
    layout: Layout,
    options: SplitOptions,
    progress: Progress,
    seeds: Counter[str],
) -> pa.Table:
    """Compute the label table; add to ``seeds`` how many rows of each split were asked for a label."""
    anchors = sorted(layout.split_by_anchor())
    batches = list(_batches(tables, query, anchors))
    parts = []
    for number, batch in enumerate(batches):
        progress.update(number, len(batches), "labels")
        parts.append(_batch_labels(tables, query, layout, options, batch, seeds))
    progress.update(len(batches), len(batches), "labels")
    return pa.concat_tables(parts)


def _batch_labels(
    tables: Tables,
    query: Query,
    layout: Layout,
    options: SplitOptions,
    anchors: list[int],
    seeds: Counter[str],
) -> pa.Table:
    frames = range(layout.num_frames)
    moments = [Moment(anchor, frame) for anchor in anchors for frame in frames]
    extra = (options.split_column,) if layout.method == "split_column" and options.split_column else ()
    with Moments(tables, moments, layout.window) as grid:
        scope = seeds_at(tables, query, grid, extra)
        scope = keep_where(tables, query, query.assuming, scope, grid)
        asked = _asked(tables, query, scope, extra)
        scope = with_aggregates(tables, query, query.target, scope, grid, by_frame=True)
        label = label_value(query, scope)
        known = label.notnull()
        columns = {"entity": scope.rows["key"], "moment": scope.rows["moment"], "label": label}
        if extra:
            columns["split"] = scope.rows[scope.gathered.name_by_place[(), extra[0]]]
            known = known & columns["split"].notnull()
        order = ["anchor", "entity", "moment"] if layout.num_frames > 1 else ["moment", "entity"]
        rows = scope.rows.filter(known).select(**columns, anchor=scope.rows["anchor"]).order_by(order)
        with engine_errors("computing labels"):
            found = tables.fetch(rows.drop("anchor"))
    labeled = _with_times(found, layout, moments)
    if asked is not None:
        _count_asked(seeds, asked, layout, moments)
    return labeled


def _asked(tables: Tables, query: Query, scope: EntityScope, extra: tuple[str, ...]) -> pa.Table | None:
    """Count the rows that are asked for a label, by moment or by the user's own split.

    ``None`` when every row has one, as with counts: then nothing is read for it.
    """
    if not may_be_undefined(query):
        return None
    rows = scope.rows
    by = scope.gathered.name_by_place[(), extra[0]] if extra else "moment"
    with engine_errors("counting rows without a label"):
        return tables.fetch(rows.group_by(by=rows[by]).agg(n=rows.count()))


def _count_asked(seeds: Counter[str], asked: pa.Table, layout: Layout, moments: list[Moment]) -> None:
    """Add the rows that were asked for a label to those of their split."""
    by_anchor = layout.split_by_anchor()
    for key, num in zip(asked["by"].to_pylist(), asked["n"].to_pylist(), strict=True):
        if key is not None:
            split = key if isinstance(key, str) else by_anchor[moments[key].anchor_us].value
            seeds[split] += num


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
