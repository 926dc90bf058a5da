"""The layout of any query, and in words."""

from __future__ import annotations

from weft.core import History, Split, SplitOptions, format_time
from weft.data.labels.layout import Layout, plan_windows
from weft.data.labels.static import plan_static
from weft.data.tables import Tables
from weft.pql.query import Query

_METHODS = {
    "fractions": "the newest anchors are test, those before them val",
    "given": "val and test start at the times given",
    "split_column": "by a column of the entity's table",
    "static_time": "by the entity's own time, rows of one time together",
    "static_random": "at random, by a hash of the entity's key",
    "label_table": "as the label table says",
}


def plan_layout(
    tables: Tables,
    query: Query,
    options: SplitOptions | None = None,
    history: History = History.SEED_TIME,
) -> Layout:
    """Lay out the anchors of a query without computing a label.

    For a query without a window only the rule is known before the labels are.

    Raises:
        UserError: ``DATA070`` or ``DATA073`` when the data does not reach over three splits, ``DATA072``
            when an aggregated table holds no time, ``DATA074`` for a step or a window that cannot be used.
    """
    if query.task.is_static:
        return plan_static(tables, query, options or SplitOptions(), history)
    return plan_windows(tables, query, options or SplitOptions(), history)


def explain_layout(layout: Layout) -> tuple[str, ...]:
    """Say in lines of words how rows are divided, for people."""
    lines = [f"splits: {_METHODS[layout.method]}", f"history: {layout.history.value}"]
    if layout.window is not None:
        lines.append(f"label window: {layout.window}; step: {layout.step}")
    if layout.num_frames > 1:
        lines.append(f"frames: {layout.num_frames} of {layout.window}")
    for split in Split:
        anchors = layout.anchors(split)
        if anchors:
            plural = "anchor" if len(anchors) == 1 else "anchors"
            span = " to ".join(format_time(a) for a in dict.fromkeys((anchors[0], anchors[-1])))
            lines.append(f"{split.value}: {len(anchors)} {plural}, {span}")
    if layout.straddling:
        lines.append(f"left out: {len(layout.straddling)} anchors whose window reaches into the next split")
    if layout.last_fact_us is not None:
        lines.append(f"last fact: {format_time(layout.last_fact_us)}")
    return tuple(lines)
