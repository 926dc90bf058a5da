"""Labels of a query without a window: the rows whose target is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import TIME, History, SplitOptions, UserError, to_datetime
from weft.data.engine import engine_errors
from weft.data.labels.condition import evaluate
from weft.data.labels.divide import NAMES, divide_at_random, divide_by_time
from weft.data.labels.finish import Labels, check_split_column, finish_labels, label_value
from weft.data.labels.horizon import newest_us, time_range_us
from weft.data.labels.layout import Layout
from weft.data.labels.paths import gather
from weft.data.labels.seeds import EntityScope, entity_places, exists, with_aggregates
from weft.data.tables import Tables
from weft.pql.query import Query


def build_static(tables: Tables, query: Query, options: SplitOptions, history: History) -> Labels:
    """Compute the training table of a query without a window.

    The anchor of a row is the entity's own time, else the newest time in the database. Rows are divided by
    that time, ties together, or at random by a hash of the key where entities have no time.

    Raises:
        UserError: ``DATA086`` when too few rows have a label; ``DATA085`` when split times are given and
            the entities have no time.
    """
    method = _method(tables, query, options)
    rows = static_rows(tables, query, is_labelled=True, split_column=options.split_column)
    rows = _in_range(rows, options)
    micros = rows["anchor_time"].cast(pa.int64()).to_numpy()
    if method == "split_column":
        codes = pc.index_in(rows["split"], pa.array(NAMES)).to_numpy()
    elif method == "static_time":
        codes = divide_by_time(micros, options)
    else:
        codes = divide_at_random(rows["entity"].to_pylist(), options)
    layout = _layout(method, history, micros, codes)
    cutoffs = micros.copy()
    if history is History.FROZEN:
        for code, first in ((1, layout.val[:1]), (2, layout.test[:1])):
            cutoffs[codes == code] = first[0] if first else 0
    table = pa.table(
        {
            "entity": rows["entity"],
            "anchor_time": rows["anchor_time"],
            "cutoff": pa.array(cutoffs, pa.int64()).cast(pa.timestamp("us")),
            "label": rows["label"],
            "split": pa.array(NAMES, pa.string()).take(pa.array(codes)),
        }
    )
    return finish_labels(query.task, layout, table, query)


def plan_static(tables: Tables, query: Query, options: SplitOptions, history: History) -> Layout:
    """Say by which rule the rows of a query without a window are divided, without computing a label."""
    newest = newest_us(tables)
    return Layout(_method(tables, query, options), history, (), (), (), last_fact_us=newest)


def static_rows(
    tables: Tables, query: Query, *, is_labelled: bool, split_column: str | None = None
) -> pa.Table:
    """Return ``entity, anchor_time, label`` of the entities whose target is known, or is not.

    Both meet WHERE; what is labelled meets ASSUMING too.
    """
    extra = (split_column,) if split_column else ()
    gathered = gather(tables, query.task.entity_table, entity_places(tables, query, extra))
    rows = gathered.rows.mutate(
        anchor=_anchor(gathered.rows[TIME], newest_us(tables)),
        key=gathered.rows[gathered.name_by_place[(), query.task.entity_column]],
    )
    rows = rows.filter(exists(tables, query.task, rows, gathered))
    scope = EntityScope(tables.schema, rows, gathered, {}, query.answer)
    for condition in (query.where, query.assuming if is_labelled else None):
        if condition is not None:
            scope = with_aggregates(tables, query, condition, scope, None)
            scope = scope.filtered(evaluate(condition, scope))
    scope = with_aggregates(tables, query, query.target, scope, None)
    label = label_value(query, scope)
    known = label.notnull() if is_labelled else label.isnull()
    columns = {"entity": scope.rows["key"], "anchor_time": scope.rows["anchor"], "label": label}
    if extra:
        columns["split"] = scope.rows[gathered.name_by_place[(), extra[0]]]
        known = known & columns["split"].notnull()
    chosen = scope.rows.filter(known).select(**columns).order_by(["anchor_time", "entity"])
    with engine_errors("computing labels"):
        return tables.fetch(chosen)


def _anchor(time: Any, newest: int | None) -> Any:
    import ibis

    last = ibis.literal(to_datetime(newest or 0).replace(tzinfo=None), type="timestamp(6)")
    return ibis.coalesce(time, last)


def _method(tables: Tables, query: Query, options: SplitOptions) -> str:
    if options.split_column:
        check_split_column(tables, query, options)
        return "split_column"
    if time_range_us(tables, query.task.entity_table) is not None:
        return "static_time"
    if options.test_start_us is not None:
        raise UserError(
            "DATA085",
            f"split times are given, and the rows of '{query.task.entity_table}' have no time.",
            "leave out the split times, or name a split column.",
        )
    return "static_random"


def _in_range(rows: pa.Table, options: SplitOptions) -> pa.Table:
    for bound, keeps in ((options.start_us, pc.greater_equal), (options.end_us, pc.less_equal)):
        if bound is not None:
            rows = rows.filter(keeps(rows["anchor_time"].cast(pa.int64()), bound))
    return rows


def _layout(method: str, history: History, micros: Any, codes: Any) -> Layout:
    def ends(code: int) -> tuple[int, ...]:
        own = micros[codes == code]
        return tuple(int(t) for t in np.unique([own.min(), own.max()])) if len(own) else ()

    last = int(micros.max()) if len(micros) else None
    return Layout(method, history, ends(0), ends(1), ends(2), last_fact_us=last)
