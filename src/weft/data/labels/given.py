"""A label table of the user's own in place of labels computed from a query."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Finding, History, Offset, Severity, Split, SplitOptions, Task, UserError
from weft.data.labels.divide import NAMES, divide_at_random
from weft.data.labels.finish import Labels, check_overlap, finish_labels
from weft.data.labels.horizon import shift
from weft.data.labels.layout import Divided, Layout, divide_anchors
from weft.data.labels.own_table import read_label_table, task_of_labels
from weft.data.tables import Tables
from weft.pql.query import Query


def use_label_table(
    tables: Tables,
    subject: Query | Task | tuple[str, str],
    table: pa.Table,
    options: SplitOptions | None = None,
    history: History = History.SEED_TIME,
) -> Labels:
    """Check a label table of the user's own and divide it into splits.

    Args:
        tables: The prepared tables.
        subject: What the labels are about: a query, a task, or the entity's table and key column, from
            which and the labels' type a task is made (see `task_of_labels`).
        table: Columns: the entity's key under its own name or as ``entity``, ``anchor_time``, ``label``,
            for forecasting ``frame``, and optionally ``split`` with train, val and test.
        options: How to divide rows without ``split``: by fractions of the anchors or at given times.
        history: How much of the past each row may see.

    Raises:
        UserError: ``DATA080`` for a missing column, ``DATA081`` for values of the wrong type, ``DATA082``
            for nulls and rows given twice, ``DATA083`` for unknown entities, ``DATA084`` for other split
            names, ``DATA089`` when anchors are too close for three splits, ``DATA071`` for an empty split.
    """
    task = _task(tables, subject, table)
    query = subject if isinstance(subject, Query) else None
    rows = read_label_table(tables, task, table)
    options = options or SplitOptions()
    layout, splits, findings = _divided(task, rows, options, history)
    return finish_labels(task, layout, _with_splits(rows, layout, splits), query, findings)


def _with_splits(rows: pa.Table, layout: Layout, splits: pa.Array) -> pa.Table:
    """Add split and cutoff; rows whose split is null are left out."""
    known = pc.is_valid(splits)
    rows, splits = rows.filter(known), splits.filter(known)
    columns = {
        "entity": rows["entity"],
        "anchor_time": rows["anchor_time"],
        "cutoff": _cutoffs(layout, rows["anchor_time"].cast(pa.int64()), splits),
        "label": rows["label"],
        "split": splits,
    }
    if "frame" in rows.column_names:
        columns["frame"] = rows["frame"]
    return pa.table(columns)


def _task(tables: Tables, subject: Query | Task | tuple[str, str], table: pa.Table) -> Task:
    if isinstance(subject, Query):
        return subject.task
    if isinstance(subject, Task):
        return subject
    return task_of_labels(tables, *subject, table)


def _divided(
    task: Task, rows: pa.Table, options: SplitOptions, history: History
) -> tuple[Layout, pa.Array, tuple[Finding, ...]]:
    """Return the layout, the split of each row (null is left out), and what was found."""
    micros = rows["anchor_time"].cast(pa.int64())
    if "split" in rows.column_names:
        splits = rows["split"].combine_chunks()
        layout = _layout(task, history, "label_table", _anchors_by_split(micros, splits))
        return layout, splits, check_overlap(task.entity_table, layout)
    anchors = sorted(pc.unique(micros).to_pylist(), reverse=True)
    if len(anchors) < 3 and options.test_start_us is None:
        codes = divide_at_random(rows["entity"].to_pylist(), options)
        splits = pa.array(NAMES, pa.string()).take(pa.array(codes))
        layout = _layout(task, history, "static_random", _anchors_by_split(micros, splits))
        return layout, splits, (_too_few_anchors(task, len(anchors)),)
    divided = _by_anchor(task, anchors, options)
    method = "fractions" if options.test_start_us is None else "given"
    layout = _layout(task, history, method, divided)
    by_anchor = layout.split_by_anchor()
    place = pc.index_in(micros, pa.array(by_anchor, pa.int64()))
    splits = pa.array([split.value for split in by_anchor.values()], pa.string()).take(place)
    return layout, splits, ()


def _by_anchor(task: Task, newest_first: list[int], options: SplitOptions) -> Divided:
    def end_us(anchor: int) -> int:
        return anchor if horizon is None else shift(horizon, anchor)

    horizon = _horizon(task)

    if options.test_start_us is None or options.val_start_us is None:
        divided = divide_anchors(newest_first, options, end_us)
        if not all(divided[:3]):
            raise UserError(
                "DATA089",
                f"the {len(newest_first)} anchors of the label table are too close for three splits whose "
                f"label windows of {task.horizon} do not overlap.",
                "give a column 'split', or rows with older anchors.",
            )
        return divided
    val_start, test_start = options.val_start_us, options.test_start_us
    anchors = sorted(newest_first)
    test = tuple(a for a in anchors if a >= test_start)
    val = tuple(a for a in anchors if val_start <= a < test_start and end_us(a) <= test_start)
    train = tuple(a for a in anchors if a < val_start and end_us(a) <= val_start)
    return train, val, test, tuple(a for a in anchors if a not in {*train, *val, *test})


def _layout(task: Task, history: History, method: str, divided: Divided) -> Layout:
    train, val, test, straddling = divided
    ends = tuple(end for end in (_horizon(task),) if end is not None)
    return Layout(method, history, train, val, test, straddling, ends=ends, num_frames=task.num_frames or 1)


def _horizon(task: Task) -> Offset | None:
    """Return the end of a task's windows, for forecasting that of the last frame."""
    if task.horizon is None:
        return None
    return Offset(task.horizon.value * (task.num_frames or 1), task.horizon.unit)


def _anchors_by_split(micros: pa.ChunkedArray, splits: pa.Array) -> Divided:
    found = [sorted(pc.unique(micros.filter(pc.equal(splits, name))).to_pylist()) for name in NAMES]
    train, val, test = (tuple(anchors) for anchors in found)
    return train, val, test, ()


def _cutoffs(layout: Layout, micros: pa.ChunkedArray, splits: pa.ChunkedArray) -> pa.ChunkedArray:
    cutoffs = micros
    for split in Split:
        firsts = pa.array([layout.cutoff_us(split, a) for a in layout.anchors(split)], pa.int64())
        place = pc.index_in(micros, pa.array(layout.anchors(split), pa.int64()))
        cutoffs = pc.if_else(pc.equal(splits, split.value), firsts.take(place), cutoffs)
    return cutoffs.cast(pa.timestamp("us"))


def _too_few_anchors(task: Task, num_anchors: int) -> Finding:
    return Finding(
        "few_anchors",
        Severity.NOTE,
        task.entity_table,
        (),
        f"the label table has {num_anchors} different anchors, so rows are divided at random by their key",
        "give a column 'split', or labels at three anchors or more",
    )
