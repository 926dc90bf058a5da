"""What every way to labels ends with: the label's type, the counts, the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Finding, Severity, Split, SplitOptions, Task, TaskType, UserError, format_time
from weft.data.labels.absent import absent_value
from weft.data.labels.condition import evaluate
from weft.data.labels.layout import Layout
from weft.data.labels.seeds import EntityScope
from weft.data.tables import Tables
from weft.pql import check_classes, walk
from weft.pql.query import Aggregate, AggregateName, Arithmetic, ColumnValue, Query

_MAX_LABEL = 1e100


@dataclass(frozen=True)
class Labels:
    """A training table with how it came about.

    Attributes:
        table: Columns ``entity, anchor_time, cutoff, label, split``, for forecasting also ``frame``,
            sorted by anchor, entity and frame.
        layout: The anchors of each split.
        counts: Rows per split; for a binary task also the positive ones, as ``train_positive`` …; where
            rows were left out because their label is undefined, how many, as ``train_undefined`` …
        findings: What the reader of the labels should know.
    """

    table: pa.Table
    layout: Layout
    counts: dict[str, int]
    findings: tuple[Finding, ...]


def finish_labels(
    task: Task,
    layout: Layout,
    table: pa.Table,
    query: Query | None,
    findings: tuple[Finding, ...] = (),
    *,
    tables: Tables | None = None,
) -> Labels:
    """Count the rows of a finished table and check that it can be learned from.

    Args:
        task: What the labels are for.
        layout: By which the rows were divided.
        table: The rows.
        query: Whose target an error points at, where there is one.
        findings: What is known already.
        tables: Where to look for the values that the query names, when a split has no row.

    Raises:
        UserError: ``DATA071`` when a split has no row; ``DATA097`` when a number is too large; ``PQL070``
            when the train rows have one class only, ``PQL071`` when there are too many classes.
    """
    sizes = {v["values"]: v["counts"] for v in pc.value_counts(table["split"]).to_pylist()}
    counts = {split.value: int(sizes.get(split.value, 0)) for split in Split}
    empty = [name for name, count in counts.items() if not count]
    if empty:
        absent = absent_value(tables, query) if tables is not None and query is not None else ""
        raise UserError("DATA071", _no_row(empty), _advice(empty, absent))
    _check_size(task, table)
    _check_classes(task, query, class_counts(table, task.type, Split.TRAIN))
    found = [*findings, *_straddling(task, layout)]
    if task.type is TaskType.BINARY:
        for split in Split:
            classes = class_counts(table, task.type, split)
            counts[f"{split.value}_positive"] = classes.get("TRUE", 0)
            found += _one_sided(task, split, classes)
    return Labels(table, layout, counts, tuple(found))


def _no_row(empty: list[str]) -> str:
    if len(empty) == len(Split):
        return "no split has a row: no entity has a label at any anchor."
    if len(empty) == 1:
        return f"the split {empty[0]} has no row: no entity has a label at its anchors."
    return f"the splits {' and '.join(empty)} have no row: no entity has a label at their anchors."


def _advice(empty: list[str], absent: str) -> str:
    if absent:
        return f"check the target, WHERE and ASSUMING: {absent}."
    if len(empty) == len(Split):
        return "check the target, WHERE and ASSUMING: nobody may meet all that they ask."
    return "check the target, WHERE and ASSUMING and the values they name, or move the split times."


def _check_size(task: Task, table: pa.Table) -> None:
    """Refuse numbers whose squares, summed, no double holds."""
    if task.type not in (TaskType.REGRESSION, TaskType.FORECASTING):
        return
    largest = pc.max(pc.abs(table["label"].cast(pa.float64()))).as_py() or 0.0
    if largest > _MAX_LABEL:
        raise UserError(
            "DATA097",
            f"a label is as large as {largest:.2g}, and models learn numbers up to {_MAX_LABEL:g}.",
            "divide the target by a constant, or leave such rows out with WHERE.",
        )


def _check_classes(task: Task, query: Query | None, classes: Mapping[str, int]) -> None:
    if query is not None:
        check_classes(query, classes)
    elif task.type in (TaskType.BINARY, TaskType.MULTICLASS) and len(classes) < 2:
        name, count = next(iter(classes.items()))
        raise UserError(
            "DATA088",
            f"all {count:,} train labels are {name}, so there is nothing to learn.",
            "give labels of at least two classes in the train split.",
        )


def class_counts(table: pa.Table, kind: TaskType, split: Split) -> dict[str, int]:
    """Return how many labels of a split have each class, or hold each value; empty for numbers."""
    if kind in (TaskType.REGRESSION, TaskType.FORECASTING):
        return {}
    label = table["label"].filter(pc.equal(table["split"], split.value))
    if pa.types.is_list(label.type):
        label = pc.list_flatten(label)
    names = {True: "TRUE", False: "FALSE"} if kind is TaskType.BINARY else {}
    found = pc.value_counts(label).to_pylist()
    return {str(names.get(v["values"], v["values"])): int(v["counts"]) for v in found}


def check_overlap(table: str, layout: Layout) -> tuple[Finding, ...]:
    """Find anchors of a user's own splits whose label windows reach past the next split's first anchor."""
    found = []
    for earlier, later in ((Split.TRAIN, Split.VAL), (Split.VAL, Split.TEST)):
        starts = layout.anchors(later)
        late = [a for a in layout.anchors(earlier) if starts and layout.window_end_us(a) > starts[0]]
        if late:
            evidence = (
                f"{len(late)} {earlier.value} anchors have a label window that ends after "
                f"{format_time(starts[0])}, the first {later.value} anchor"
            )
            advice = "leave these anchors out, or scores may look better than they are"
            found.append(Finding("splits_overlap", Severity.ALARM, table, (), evidence, advice))
    return tuple(found)


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


def may_be_undefined(query: Query) -> bool:
    """Return whether a row may be without a label: anything but counts, compared or added, may be."""
    return any(
        isinstance(node, (ColumnValue, Arithmetic))
        or (
            isinstance(node, Aggregate)
            and node.name not in (AggregateName.COUNT, AggregateName.COUNT_DISTINCT)
        )
        for node in walk(query.target)
    )


def _straddling(task: Task, layout: Layout) -> Iterator[Finding]:
    if layout.straddling:
        yield Finding(
            "straddling_anchors",
            Severity.NOTE,
            task.entity_table,
            (),
            f"{len(layout.straddling)} anchors are left out because their label window reaches into "
            "the next split",
            "give a step as long as the target's window to use every anchor",
        )


def _one_sided(task: Task, split: Split, classes: Mapping[str, int]) -> Iterator[Finding]:
    if len(classes) == 1:
        name, count = next(iter(classes.items()))
        yield Finding(
            "one_class",
            Severity.NOTE,
            task.entity_table,
            (),
            f"all {count:,} labels of {split.value} are {name}",
            "move the split times so that both classes occur, or no score can be given",
        )
